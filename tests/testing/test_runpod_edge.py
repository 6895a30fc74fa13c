from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
import requests

from podman_llm.testing.clock import FakeClock
from podman_llm.testing.openai_server import OpenAIDouble
from podman_llm.testing.runpod_server import RunpodServer

Api = Callable[..., requests.Response]
Rent = Callable[..., dict[str, Any]]

CHAT = {"model": "one", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 8}


def status(runpod: RunpodServer, pod: dict[str, Any], path: str = "/health") -> int:
    return requests.get(f"{runpod.url}/{pod['id']}-8000{path}", timeout=5).status_code


def engine(runpod: RunpodServer, pod: dict[str, Any]) -> OpenAIDouble:
    container = runpod.container(pod["id"])
    assert isinstance(container, OpenAIDouble)
    return container


def test_a_starting_pod_is_404_then_502_then_200(
    runpod: RunpodServer, rent: Rent, clock: FakeClock
) -> None:
    pod = rent()
    seen = []
    for _ in range(10):
        seen.append(status(runpod, pod))
        clock.advance(1.0)
    assert seen == [404] * 4 + [502] * 4 + [200] * 2


def test_the_edge_answers_for_itself_in_html(
    runpod: RunpodServer, rent: Rent, clock: FakeClock
) -> None:
    pod = rent()
    clock.advance(5.0)
    answer = requests.get(f"{runpod.url}/{pod['id']}-8000/v1/models", timeout=5)
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "Bad gateway" in answer.text


def test_what_was_never_published_is_a_404(
    runpod: RunpodServer, rent: Rent, clock: FakeClock
) -> None:
    pod = rent(ports=["9000/http", "8000/tcp"])
    clock.advance(10.0)
    assert status(runpod, pod) == 404
    assert requests.get(f"{runpod.url}/{pod['id']}-9000/", timeout=5).status_code == 502
    assert requests.get(f"{runpod.url}/unknown-8000/", timeout=5).status_code == 404


def test_the_served_names_come_from_the_command_line(
    runpod: RunpodServer, rent: Rent, clock: FakeClock
) -> None:
    pod = rent()
    clock.advance(8.0)
    models = requests.get(f"{runpod.url}/{pod['id']}-8000/v1/models", timeout=5).json()["data"]
    assert [(model["id"], model["max_model_len"]) for model in models] == [
        ("one", 4096),
        ("two", 4096),
    ]


def test_the_pod_demands_the_key_whose_hash_it_was_given(
    runpod: RunpodServer, rent: Rent, clock: FakeClock
) -> None:
    pod = rent(env={"PLLM_KEY_SHA256": hashlib.sha256(b"pllm-key").hexdigest()})
    clock.advance(8.0)
    url = f"{runpod.url}/{pod['id']}-8000/v1/models"
    assert requests.get(url, timeout=5).status_code == 401
    bearer = {"Authorization": "Bearer pllm-key"}
    assert requests.get(url, headers=bearer, timeout=5).status_code == 200


def test_answers_stream_through_as_they_are(
    runpod: RunpodServer, rent: Rent, clock: FakeClock
) -> None:
    pod = rent()
    clock.advance(8.0)
    url = f"{runpod.url}/{pod['id']}-8000/v1/chat/completions?x=1"
    with requests.post(url, json=CHAT | {"stream": True}, stream=True, timeout=5) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        events = [line for line in answer.iter_lines() if line]
    assert json.loads(events[0].removeprefix(b"data: "))["model"] == "one"
    assert events[-1] == b"data: [DONE]"


def test_bodies_stream_up_whatever_their_size(
    runpod: RunpodServer, rent: Rent, clock: FakeClock
) -> None:
    pod = rent()
    clock.advance(8.0)
    url = f"{runpod.url}/{pod['id']}-8000/v1/chat/completions"
    parts = [json.dumps(CHAT)[:40].encode(), json.dumps(CHAT)[40:].encode()]
    headers = {"Content-Type": "application/json"}
    assert requests.post(url, data=iter(parts), headers=headers, timeout=5).ok


def test_silence_of_the_pod_is_a_524(runpod: RunpodServer, rent: Rent, clock: FakeClock) -> None:
    pod = rent()
    clock.advance(8.0)
    status(runpod, pod)
    engine(runpod, pod).freeze()
    url = f"{runpod.url}/{pod['id']}-8000/v1/chat/completions"
    answer = requests.post(url, json=CHAT, timeout=5)
    assert answer.status_code == 524
    assert "A timeout occurred" in answer.text


def test_a_stream_that_falls_silent_is_broken_off(
    runpod: RunpodServer, rent: Rent, clock: FakeClock
) -> None:
    pod = rent()
    clock.advance(8.0)
    status(runpod, pod)
    url = f"{runpod.url}/{pod['id']}-8000/v1/chat/completions"
    engine(runpod, pod).freeze()
    with requests.post(url, json=CHAT | {"stream": True}, stream=True, timeout=5) as answer:
        assert answer.status_code == 200
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            assert answer.content


def test_the_edge_may_answer_its_own_errors_for_a_healthy_pod(
    runpod: RunpodServer, rent: Rent, clock: FakeClock
) -> None:
    pod = rent()
    clock.advance(8.0)
    runpod.fault("GET /*-8000/health", "bad_gateway", status=520, times=2)
    assert [status(runpod, pod) for _ in range(3)] == [520, 520, 200]


def test_a_killed_container_breaks_streams_and_comes_back(
    runpod: RunpodServer, rent: Rent, clock: FakeClock, api: Api
) -> None:
    pod = rent()
    clock.advance(8.0)
    status(runpod, pod)
    engine(runpod, pod).freeze()
    url = f"{runpod.url}/{pod['id']}-8000/v1/chat/completions"
    with requests.post(url, json=CHAT | {"stream": True}, stream=True, timeout=5) as answer:
        killer = threading.Thread(
            target=requests.post, args=(f"{runpod.url}/_double/pods/{pod['id']}/kill",)
        )
        killer.start()
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            assert answer.content
        killer.join()
    assert status(runpod, pod) == 502
    assert api("GET", f"/v2/pods/{pod['id']}").json()["runtime"]["uptime"] == 0
    clock.advance(5.0)
    assert status(runpod, pod) == 200


def test_a_terminated_pod_is_unknown_to_the_edge(
    runpod: RunpodServer, rent: Rent, clock: FakeClock, api: Api
) -> None:
    pod = rent()
    clock.advance(8.0)
    assert status(runpod, pod) == 200
    api("DELETE", f"/v2/pods/{pod['id']}")
    assert status(runpod, pod) == 404


def test_a_crash_loop_and_a_dead_server_never_get_past_502(
    runpod: RunpodServer, rent: Rent, clock: FakeClock
) -> None:
    for fate in ("crash_loop", "never_serves"):
        runpod.fault("POST /v2/pods", fate)
        pod = rent()
        clock.advance(600.0)
        assert status(runpod, pod) == 502
