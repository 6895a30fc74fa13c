from __future__ import annotations

import json
import socket
import threading
from pathlib import Path

import pytest

from podman_llm.core.sight import Readiness, Rung
from podman_llm.host.clock import SystemClock
from podman_llm.providers.probe import HttpProber
from tests.providers.conftest import ByteServer, answer

NAME = "tiny/llama-random"
HTML = "<!DOCTYPE html><title>502 Bad gateway</title>"
HEALTHY = answer("200 OK")
LISTS = answer("200 OK", json.dumps({"object": "list", "data": [{"id": NAME}, {"id": "tiny"}]}))
TOKEN = answer("200 OK", json.dumps({"choices": [{"message": {"content": "!"}}]}))
REFUSED = answer("401 Unauthorized", '{"error":"Unauthorized"}')


def html(status: str) -> bytes:
    return answer(status, HTML, kind="text/html; charset=UTF-8")


def probe(
    server: ByteServer, *scripts: bytes, deep: bool = True, read_timeout: float = 5.0
) -> Readiness:
    server.scripts = list(scripts)
    prober = HttpProber(SystemClock(), connect_timeout=2.0, read_timeout=read_timeout)
    return prober.probe(server.url, served_name=NAME, api_key="pllm-key", deep=deep)


def test_a_server_that_gives_a_token_is_answering(byte_server: ByteServer) -> None:
    assert probe(byte_server, HEALTHY, LISTS, TOKEN).rung is Rung.ANSWERING
    paths = [request.split(b" ")[1] for request in byte_server.requests]
    assert paths == [b"/health", b"/v1/models", b"/v1/chat/completions"]
    assert all(b"Bearer pllm-key" in request for request in byte_server.requests)
    sent = json.loads(byte_server.requests[-1].partition(b"\r\n\r\n")[2])
    assert (sent["model"], sent["max_tokens"]) == (NAME, 1)


def test_the_recorded_answers_of_a_real_server_climb_to_the_top(
    byte_server: ByteServer, recordings: Path
) -> None:
    names = ("health", "models", "chat_max_tokens_1")
    recorded = [(recordings / "vllm" / f"{name}.response.raw").read_bytes() for name in names]
    # The recording shortened a path in this body, so its length header is no longer true.
    recorded[1] = answer("200 OK", recorded[1].partition(b"\r\n\r\n")[2])
    closing = [raw.replace(b"\r\n", b"\r\nconnection: close\r\n", 1) for raw in recorded]
    assert probe(byte_server, *closing).rung is Rung.ANSWERING


def test_a_recorded_refusal_of_the_key_is_told_as_such(
    byte_server: ByteServer, recordings: Path
) -> None:
    refusal = (recordings / "vllm" / "scenario-auth-401-chat.raw").read_bytes()
    readiness = probe(byte_server, HEALTHY, refusal)
    assert readiness == Readiness(Rung.KEY_REFUSED, "the server refuses our key (401)")


def test_a_shallow_probe_asks_for_no_token(byte_server: ByteServer) -> None:
    assert probe(byte_server, HEALTHY, LISTS, deep=False).rung is Rung.LISTED
    assert len(byte_server.requests) == 2


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (html("404 Not Found"), "does not know its port yet (404)"),
        (html("502 Bad Gateway"), "does not listen yet (502)"),
        (answer("502 Bad Gateway", "", kind="text/plain"), "does not listen yet (502)"),
        (answer("503 Service Unavailable", ""), "not available (503)"),
        (html("524 A Timeout Occurred"), "longer than the edge in front of it waits (524)"),
        (html("403 Forbidden"), "refuses us (403)"),
        (html("530 Origin"), "an HTML page answers for it (530)"),
    ],
)
def test_an_edge_that_answers_for_the_pod_is_no_server(
    byte_server: ByteServer, script: bytes, words: str
) -> None:
    at_health = probe(byte_server, script, script)
    assert at_health.rung is Rung.UNREACHABLE
    assert words in at_health.detail
    assert probe(byte_server, HEALTHY, script).rung is Rung.UNREACHABLE
    assert probe(byte_server, HEALTHY, LISTS, script, script).rung is Rung.UNREACHABLE


def test_nobody_listening_is_unreachable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
    readiness = HttpProber(SystemClock()).probe(endpoint, served_name=NAME, api_key=None)
    assert readiness == Readiness(Rung.UNREACHABLE, "connection refused")


def test_a_fault_of_this_host_says_nothing_of_the_pod() -> None:
    readiness = HttpProber(SystemClock()).probe("http://", served_name=NAME, api_key=None)
    assert readiness.rung is Rung.UNKNOWN


def test_a_model_under_another_name_is_healthy_and_not_listed(byte_server: ByteServer) -> None:
    other = answer("200 OK", '{"data": [{"id": "gpt-4o"}, {"no": "id"}, 7]}')
    no_such_model = answer("404 Not Found", '{"error": {"message": "does not exist"}}')
    readiness = probe(byte_server, HEALTHY, other, no_such_model, no_such_model)
    assert readiness == Readiness(Rung.HEALTHY, f"/v1/models lists gpt-4o, not {NAME}")


def test_a_server_that_takes_any_name_serves_ours_too(byte_server: ByteServer) -> None:
    gguf = answer("200 OK", '{"data": [{"id": "model.gguf"}]}')
    shallow = probe(byte_server, HEALTHY, gguf, TOKEN, deep=False)
    assert shallow == Readiness(Rung.LISTED, f"/v1/models lists model.gguf; {NAME} is answered too")
    assert probe(byte_server, HEALTHY, gguf, TOKEN, TOKEN).rung is Rung.ANSWERING


def test_a_server_without_health_is_judged_by_its_models(byte_server: ByteServer) -> None:
    no_health = answer("404 Not Found", '{"detail":"Not Found"}')
    assert probe(byte_server, no_health, LISTS, TOKEN).rung is Rung.ANSWERING
    assert probe(byte_server, no_health, REFUSED).rung is Rung.KEY_REFUSED
    assert probe(byte_server, no_health, no_health).rung is Rung.UNREACHABLE


def test_a_model_without_a_chat_template_is_asked_for_plain_completion(
    byte_server: ByteServer,
) -> None:
    no_template = answer("400 Bad Request", '{"error": {"message": "no chat template"}}')
    text = answer("200 OK", '{"choices": [{"text": "!"}]}')
    assert probe(byte_server, HEALTHY, LISTS, no_template, text).rung is Rung.ANSWERING
    assert byte_server.requests[-1].startswith(b"POST /v1/completions ")


@pytest.mark.parametrize(
    ("scripts", "words"),
    [
        (
            [answer("500 Oops", '{"error": {"message": "EngineCore is dead"}}')],
            "EngineCore is dead",
        ),
        ([answer("200 OK", '{"choices": []}')], "answers 200"),
        ([answer("400 Bad", '{"error": {"message": "no"}}')] * 2, "answers 400: no"),
        ([b""], "broke"),
    ],
)
def test_a_server_that_gives_no_token_is_listed_only(
    byte_server: ByteServer, scripts: list[bytes], words: str
) -> None:
    readiness = probe(byte_server, HEALTHY, LISTS, *scripts)
    assert readiness.rung is Rung.LISTED
    assert words in readiness.detail


def test_a_hung_engine_is_listed_only(byte_server: ByteServer) -> None:
    release = threading.Event()

    def frozen(connection: socket.socket) -> None:
        release.wait(10)

    byte_server.scripts = [HEALTHY, LISTS, frozen]
    prober = HttpProber(SystemClock(), connect_timeout=2.0, read_timeout=0.2)
    readiness = prober.probe(byte_server.url, served_name=NAME, api_key=None)
    release.set()
    assert readiness == Readiness(Rung.LISTED, "no answer in time")


def test_a_list_of_models_that_is_none_is_no_list(byte_server: ByteServer) -> None:
    for body in ('{"data": {}}', "[]", "plain"):
        assert probe(byte_server, HEALTHY, answer("200 OK", body)).rung is Rung.HEALTHY
