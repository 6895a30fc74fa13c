"""The main job as its user does it: real processes, the real protocol, a made-up cloud."""

from __future__ import annotations

import json
import os
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from tests.e2e.machine import Cloud, Machine, eventually

QUESTION: list[Any] = [{"role": "user", "content": "Write a haiku about leaked pods."}]


def client(machine: Machine) -> openai.OpenAI:
    return openai.OpenAI(base_url=machine.url, api_key="local", max_retries=0)


def ask(machine: Machine, text: str = "Say hello.", **more: Any) -> tuple[dict[str, str], bytes]:
    body = {"model": "podman-llm", "messages": [{"role": "user", "content": text}], **more}
    request = urllib.request.Request(
        f"{machine.url}/chat/completions",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return dict(answer.headers), answer.read()


def state_file(machine: Machine) -> dict[str, Any]:
    return dict(json.loads((machine.state_dir / "pod_state.json").read_text())["state"])


def test_up_use_and_shut_down_with_proof(machine: Machine, cloud: Cloud) -> None:
    up = machine.run("up", "--for", "1h")
    assert "READY after" in up.stdout
    assert f"curl http://localhost:{machine.port}/v1/chat/completions" in up.stdout
    assert "Kilo Code" in up.stdout
    assert "BOOTING" in up.stderr or "boot" in up.stderr.lower()

    status = machine.status()
    assert status["state"] == "READY"
    assert status["pod_id"]
    assert status["daemon_pid"]
    assert status["proxy_pids"]
    assert status["cost_per_hour"] > 0
    assert 3000 < status["time_left"] <= 3600

    first = client(machine).chat.completions.create(model="podman-llm", messages=QUESTION)
    assert first.choices[0].message.content
    chunks: list[ChatCompletionChunk] = list(
        client(machine).chat.completions.create(model="podman-llm", messages=QUESTION, stream=True)
    )
    assert chunks[-1].choices[0].finish_reason == "stop"

    down = machine.run("--shutdown")
    assert "gone" in down.stdout
    assert cloud.live() == []
    record = state_file(machine)["current"]
    assert record["phase"] == "DONE"
    assert record["evidence"]["get_status"] == 404
    assert len(record["evidence"]["list_times"]) >= 2
    assert [p.pid for p in machine.processes()] == [cloud.process.pid]
    with pytest.raises(urllib.error.URLError):
        ask(machine)


def test_the_same_question_is_a_hit_event_for_event_and_survives_a_new_pod(
    machine: Machine, cloud: Cloud
) -> None:
    machine.run("up")
    headers, body = ask(machine, stream=True)
    assert headers["X-Cache"] == "MISS"
    again, replay = ask(machine, stream=True)
    assert again["X-Cache"] == "HIT"
    assert replay == body
    machine.run("--shutdown")
    machine.run("up")
    later, replay = ask(machine, stream=True)
    assert later["X-Cache"] == "HIT"
    assert "Age" in later
    assert replay == body


def test_a_killed_daemon_loses_nothing_and_the_next_up_adopts_the_pod(
    machine: Machine, cloud: Cloud
) -> None:
    machine.run("up")
    before = machine.status()
    os.kill(before["daemon_pid"], signal.SIGKILL)
    assert ask(machine)[0]["X-Cache"] == "MISS"  # the worker goes on serving
    machine.run("up")
    after = machine.status()
    assert after["pod_id"] == before["pod_id"]
    assert after["daemon_pid"] != before["daemon_pid"]
    assert len(cloud.live()) == 1
    assert ask(machine, "Again?")[0]["X-Served-By"] == f"pod/{before['pod_id']}"


def kill_worker(machine: Machine, *, after: Callable[[], int]) -> None:
    """SIGKILL the proxy's worker once twenty more answers have come; wait for the next worker."""
    [victim] = machine.status()["proxy_pids"]
    goal = after() + 20
    eventually(lambda: after() >= goal, what="answers under load")
    os.kill(victim, signal.SIGKILL)
    others: tuple[list[int], ...] = ([], [victim])
    eventually(lambda: machine.status()["proxy_pids"] not in others, what="another worker")


def test_a_killed_worker_refuses_no_connection(machine: Machine, cloud: Cloud) -> None:
    machine.run("up")
    refused: list[str] = []
    answered = 0
    stop = threading.Event()

    def load() -> None:
        nonlocal answered
        while not stop.is_set():
            try:
                ask(machine)
                answered += 1
            except urllib.error.URLError as err:
                if isinstance(err.reason, ConnectionRefusedError):
                    refused.append(str(err))
            except (ConnectionError, OSError):
                pass  # in flight when the worker died: reset, and the client retries

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        kill_worker(machine, after=lambda: answered)
    stop.set()
    for thread in threads:
        thread.join()
    assert refused == []


def test_a_second_up_follows_the_first(machine: Machine, cloud: Cloud) -> None:
    machine.run("up")
    pod = machine.status()["pod_id"]
    second = machine.run("up")
    assert "following" in second.stderr
    assert machine.status()["pod_id"] == pod
    assert len(cloud.live()) == 1


def test_extend_moves_the_deadline_up_to_the_cap(machine: Machine, cloud: Cloud) -> None:
    machine.run("up", "--for", "1h")
    machine.run("extend", "30m")
    eventually(lambda: machine.status()["time_left"] > 5000, what="a later deadline")
    refused = machine.run("extend", "20h", code=8)
    assert "hard deadline" in refused.stderr


def test_interrupting_up_says_what_bills_and_leaves_a_true_state(
    machine: Machine, cloud: Cloud
) -> None:
    cloud.fault("POST /v2/pods", "stuck_provisioning")
    up = machine.start("up")
    eventually(lambda: machine.status()["pod_id"], what="a pod")
    up.send_signal(signal.SIGINT)
    _, err = up.communicate(timeout=20)
    assert up.returncode == 130
    assert "billing" in err
    assert machine.status()["pod_id"] in err
    machine.run("--shutdown")
    assert cloud.live() == []
