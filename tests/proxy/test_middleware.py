from __future__ import annotations

import json
from typing import Any

import pytest

from podman_llm.proxy.middleware import Gate
from podman_llm.testing.transcripts import RecordedRequest
from tests.proxy.rig import ANSWER, CHAT, http, proxy, says

BODY = b'{"messages":[]}'
OURS = {"X-Request-Id", "X-Cache", "X-Served-By", "X-Pod-State"}


def post(*headers: tuple[str, str], body: bytes = BODY, version: str = "1.1") -> RecordedRequest:
    length = ("Content-Length", str(len(body)))
    return RecordedRequest("POST", CHAT, f"HTTP/{version}", (*headers, length), body)


JSON = ("Content-Type", "application/json")
LOCAL = ("Host", "localhost:8000")


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8000", "127.0.0.1:1", "[::1]:8000", "LOCALHOST", "box.lan:80"]
)
async def test_a_host_of_ours_is_served(host: str) -> None:
    settings = {"proxy": {"allowed_hosts": ["Box.lan"]}}
    async with proxy(says(http(ANSWER)), settings=settings) as rig:
        assert (await rig.raw(post(("Host", host), JSON))).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "localhost.evil.example", "evil.example:8000", "[::1", "127.0.0.1.nip.io"],
)
async def test_another_host_is_refused(host: str) -> None:
    async with proxy(says(http(ANSWER))) as rig:
        refused = await rig.raw(post(("Host", host), JSON))
        assert refused.status == 403
        assert json.loads(refused.body)["error"]["code"] == "host_not_allowed"
        assert not rig.upstream.turns


async def test_http_1_0_without_a_host_is_served() -> None:
    async with proxy(says(http(ANSWER))) as rig:
        assert (await rig.raw(post(JSON, version="1.0"))).body == ANSWER


@pytest.mark.parametrize(
    "header",
    [
        ("Origin", "https://evil.example"),
        ("Origin", "null"),
        ("Origin", "http://localhost:3000"),
        ("Sec-Fetch-Site", "cross-site"),
    ],
)
async def test_a_web_page_may_not_call(header: tuple[str, str]) -> None:
    async with proxy(says(http(ANSWER))) as rig:
        refused = await rig.raw(post(LOCAL, JSON, header))
        assert refused.status == 403
        assert json.loads(refused.body)["error"]["type"] == "permission_error"
        assert refused.header("access-control-allow-origin") is None
        assert not rig.upstream.turns


async def test_an_allowed_page_may_call_and_read() -> None:
    settings = {"proxy": {"allowed_origins": ["http://localhost:3000"]}}
    origin = ("Origin", "http://localhost:3000")
    async with proxy(says(http(ANSWER)), settings=settings) as rig:
        asks = {"Origin": origin[1], "Access-Control-Request-Method": "POST"}
        allowed = await rig.ask(method="OPTIONS", headers=asks)
        assert allowed.status == 204
        assert allowed.headers["Access-Control-Allow-Origin"] == origin[1]
        assert not rig.upstream.turns
        answer = await rig.raw(post(LOCAL, JSON, origin))
        assert answer.header("access-control-allow-origin") == "http://localhost:3000"
        assert rig.upstream.turns[0].request.header("origin") is None


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
async def test_a_body_that_any_page_may_send_is_refused(kind: str | None) -> None:
    headers = [LOCAL] + ([("Content-Type", kind)] if kind else [])
    async with proxy(says(http(ANSWER))) as rig:
        refused = await rig.raw(post(*headers))
        assert refused.status == 400
        assert json.loads(refused.body)["error"]["code"] == "unsupported_media_type"
        assert not rig.upstream.turns


async def test_a_form_with_a_file_passes_where_no_json_is_expected() -> None:
    async with proxy(says(http(b"{}"))) as rig:
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        path = "/v1/audio/transcriptions"
        assert (await rig.ask(path=path, data=b"--x--", headers=kind)).status == 200
        assert (await rig.ask(path=CHAT, data=b"--x--", headers=kind)).status == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "sk-one"}, 401),
        ({"Authorization": "Bearer sk-one"}, 200),
        ({"Authorization": "bearer sk-two"}, 200),
        ({"x-api-key": "sk-two"}, 200),
    ],
)
async def test_a_client_key_is_demanded_and_stays_here(
    headers: dict[str, str], status: int, tmp_path: Any
) -> None:
    keys = tmp_path / "keys"
    keys.write_text("# editors\nsk-one\n\nsk-two\n")
    settings = {"proxy": {"api_keys_file": str(keys)}}
    async with proxy(says(http(ANSWER)), settings=settings) as rig:
        answer = await rig.ask({"messages": []}, headers=headers)
        assert answer.status == status
        if status == 401:
            assert json.loads(answer.body)["error"]["type"] == "authentication_error"
            assert not rig.upstream.turns
        for turn in rig.upstream.turns:
            assert turn.request.header("authorization") is None
            assert turn.request.header("x-api-key") is None


async def test_health_without_a_key_tells_only_that_it_lives(tmp_path: Any) -> None:
    keys = tmp_path / "keys"
    keys.write_text("sk-one\n")
    settings = {"proxy": {"api_keys_file": str(keys)}}
    async with proxy(says(), settings=settings) as rig:
        told = await rig.ask(path="/health", method="GET")
        assert (told.status, json.loads(told.body)) == (200, {"status": "ok"})
        assert (await rig.ask(path="/metrics", method="GET")).status == 401
        key = {"Authorization": "Bearer sk-one"}
        assert b"uptime" in (await rig.ask(path="/health", method="GET", headers=key)).body


def test_without_keys_everybody_has_one() -> None:
    assert not Gate(hosts=(), origins=(), keys=()).has_keys


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", CHAT, {"messages": []}),
        ("POST", "/nocache/v1/embeddings", {"input": "x"}),
        ("GET", "/health", None),
        ("GET", "/metrics", None),
        ("GET", "/v1/models", None),
        ("GET", "/v1/nope", None),
        ("POST", "/health", {}),
        ("DELETE", "/v1/responses/1", None),
    ],
)
async def test_our_headers_are_on_every_answer(method: str, path: str, body: Any) -> None:
    async with proxy(says(http(ANSWER))) as rig:
        answer = await rig.ask(body, path=path, method=method)
        assert answer.headers.keys() >= OURS
        assert answer.headers["X-Pod-State"] == "EXTERNAL"


async def test_our_headers_are_on_errors_too() -> None:
    async with proxy(says(http(ANSWER))) as rig:
        for request in (post(("Host", "evil.example"), JSON), post(LOCAL, JSON, body=b"{")):
            assert {name for name in OURS if (await rig.raw(request)).header(name)} == OURS


@pytest.mark.parametrize(
    ("given", "told"),
    [("abc-1.2_3", "abc-1.2_3"), ("x" * 129, "req-1"), ("a b", "req-1"), ("", "req-1")],
)
async def test_a_sane_request_id_is_kept_and_told_to_the_upstream(given: str, told: str) -> None:
    async with proxy(says(http(ANSWER))) as rig:
        answer = await rig.ask({"messages": []}, headers={"X-Request-Id": given})
        assert answer.headers["X-Request-Id"] == told
        assert rig.upstream.turns[0].request.header("x-request-id") == told


async def test_a_429_says_when_to_try_again() -> None:
    async with proxy(says(http(b"{}", status="429 Too Many Requests"))) as rig:
        assert (await rig.ask({"messages": []})).headers["Retry-After"] == "2"


async def test_a_defect_is_an_honest_500_and_not_a_dead_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def explode(*_: object, **__: object) -> None:
        raise ZeroDivisionError("the secret of the defect")

    async with proxy(says(http(ANSWER))) as rig:
        with monkeypatch.context() as patch:
            patch.setattr("podman_llm.proxy.pipeline.Inquiry", explode)
            broken = await rig.ask({"messages": []})
        assert broken.status == 500
        assert b"secret" not in broken.body
        assert rig.activity.errors == 1
        assert (await rig.ask({"messages": []})).status == 200


async def test_every_answer_tells_when_the_pod_ends() -> None:
    async with proxy(says(http(ANSWER)), target={"deadline": 1_795_000_000.0}) as rig:
        answer = await rig.raw(post(LOCAL, JSON))
        assert answer.header("X-Podman-LLM-Expires") == "2026-11-18T11:06:40+00:00"


async def test_where_nothing_ends_no_end_is_told() -> None:
    async with proxy(says(http(ANSWER))) as rig:
        assert (await rig.raw(post(LOCAL, JSON))).header("X-Podman-LLM-Expires") in {None, ""}


async def test_what_has_no_route_is_refused_in_openai_shape() -> None:
    async with (
        proxy(says()) as rig,
        rig.connection(b"CONNECT there:443 HTTP/1.1\r\nHost: localhost\r\n\r\n") as (reader, _),
    ):
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 404 ")
        assert b"X-Request-Id: " in head
        assert b'"code": "not_served"' in await reader.read(1000)
