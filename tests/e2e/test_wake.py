"""A pod that sleeps and is woken, as an editor and its person meet it: real processes."""

from __future__ import annotations

import json
import os
import signal
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from tests.e2e.machine import Cloud, Machine, eventually


@dataclass
class Said:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> str:
        return str(json.loads(self.body)["error"]["message"])


def ask(machine: Machine, text: str, *, policy: str = "auto", **more: Any) -> Said:
    body = {"model": "podman-llm", "messages": [{"role": "user", "content": text}], **more}
    return _said(
        urllib.request.Request(
            f"{machine.url}/chat/completions",
            data=json.dumps(body | {"max_tokens": 8}).encode(),
            headers={"Content-Type": "application/json", "X-Podman-LLM-Policy": policy},
        )
    )


def _said(request: urllib.request.Request) -> Said:
    try:
        with urllib.request.urlopen(request, timeout=40) as answer:
            return Said(answer.status, dict(answer.headers), answer.read())
    except urllib.error.HTTPError as err:
        return Said(err.code, dict(err.headers), err.read())


def names(machine: Machine) -> list[str]:
    said = _said(urllib.request.Request(f"{machine.url}/models"))
    assert said.status == 200
    return [model["id"] for model in json.loads(said.body)["data"]]


def made(cloud: Cloud) -> int:
    return len(cloud.bill()["pods"])


def up(machine: Machine) -> None:
    machine.environment["PODMAN_LLM_PROXY__WORKERS"] = "2"
    machine.run("up", "--idle", "1s", "--wake")


def look_often(machine: Machine, holds: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Until it holds; a daemon by itself looks every 15 s at a pod that serves."""

    def found() -> dict[str, Any] | None:
        status = machine.status()
        if status["state"] == "READY":
            os.kill(status["daemon_pid"], signal.SIGHUP)
        return status if holds(status) else None

    return dict(eventually(found, seconds=40, what="a pod that is not used"))


def fall_asleep(machine: Machine) -> dict[str, Any]:
    return look_often(machine, lambda status: status["sleep"])


@contextmanager
def asking_all_the_while(machine: Machine) -> Iterator[None]:
    stop = threading.Event()

    def load(number: int) -> None:
        count = 0
        while not stop.is_set():
            count += 1
            with suppress(OSError):
                ask(machine, f"{number}: {count}?", stream=bool(number % 2))
            stop.wait(0.02)

    threads = [threading.Thread(target=load, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_a_pod_sleeps_when_idle_and_another_comes_for_however_many_ask(
    machine: Machine, cloud: Cloud
) -> None:
    up(machine)
    served = names(machine)
    first = ask(machine, "Remember this.")
    assert first.status == 200
    status = fall_asleep(machine)
    assert (status["state"], status["reason"]) == ("DONE", "idle")
    assert status["sleep"]["wakes"]
    assert not status["is_billing"]
    assert "a request wakes it" in machine.run("status").stdout
    assert cloud.live() == []

    # None of these wants a pod.
    assert names(machine) == served
    assert ask(machine, "Remember this.").headers["X-Cache"] == "HIT"
    alone = ask(machine, "Else?", policy="fail")
    assert alone.error == "podman-llm: The pod sleeps; a request for it starts it."
    assert ask(machine, "Else?", policy="fallback").status == 503

    # All of these do: who cannot wait is told, who can is answered.
    told = ask(machine, "Now?")
    assert told.error == "podman-llm: The pod sleeps; it is being started for this request."
    assert (told.status, 1 <= int(told.headers["Retry-After"]) <= 60) == (503, True)
    with ThreadPoolExecutor(8) as clients:
        asked = [
            clients.submit(ask, machine, f"Number {number}?", stream=True) for number in range(8)
        ]
        answers = [one.result() for one in asked]
    [pod_id] = cloud.live()
    assert {answer.headers.get("X-Served-By") for answer in answers} == {f"pod/{pod_id}"}
    assert all(answer.body.endswith(b"data: [DONE]\n\n") for answer in answers)
    assert made(cloud) == 2
    assert machine.status()["sleep"] is None
    machine.run("--shutdown")
    assert cloud.live() == []


def test_what_is_asked_while_the_pod_is_being_ended_is_answered_by_the_next(
    machine: Machine, cloud: Cloud
) -> None:
    up(machine)
    look_often(machine, lambda status: status["state"] not in {"READY", "DRAINING"})
    said = ask(machine, "Still there?", stream=True)
    [pod_id] = cloud.live()
    assert (said.status, said.headers["X-Served-By"]) == (200, f"pod/{pod_id}")
    assert made(cloud) == 2
    machine.run("--shutdown")


def test_a_shutdown_wins_over_whatever_keeps_asking(machine: Machine, cloud: Cloud) -> None:
    up(machine)
    fall_asleep(machine)
    with asking_all_the_while(machine):
        eventually(lambda: made(cloud) == 2, what="a pod that is woken")
        machine.run("--shutdown")
        assert cloud.live() == []
    assert made(cloud) == 2
    assert machine.status()["state"] == "DONE"
    assert [process.pid for process in machine.processes()] == [cloud.process.pid]
