"""Workers that are replaced while they have clients: real processes."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest

from tests.e2e.editor import Editor
from tests.e2e.machine import Cloud, Machine, eventually


def workers(machine: Machine) -> list[dict[str, Any]]:
    """Each worker as the daemon reports it."""
    return list(json.loads((machine.state_dir / "daemon.json").read_text())["workers"])


def test_a_worker_that_hangs_is_replaced_and_the_waiting_are_answered(
    machine: Machine, cloud: Cloud, editor: Editor
) -> None:
    machine.run("up")
    assert editor.ask(seed=1).status == 200
    [victim] = machine.status()["proxy_pids"]
    eventually(lambda: machine.status()["requests"] == 1, what="the request to be counted")
    os.kill(victim, signal.SIGSTOP)
    answer = editor.ask(seed=1)
    assert (answer.status, answer.headers["X-Cache"]) == (200, "HIT")
    assert answer.seconds > 5
    eventually(lambda: machine.status()["requests"] == 2, what="both requests to be counted")
    [replacement] = workers(machine)
    assert replacement["pid"] != victim
    assert replacement["restarts"] == 1
    assert "worker 0 hung" in (machine.state_dir / "logs" / "daemon.log").read_text()
    machine.run("--shutdown")


@pytest.mark.parametrize("killed", [("proxy_pids",), ("proxy_pids", "daemon_pid")])
def test_a_damaged_wish_keeps_nobody_from_being_answered(
    machine: Machine, cloud: Cloud, editor: Editor, killed: tuple[str, ...]
) -> None:
    machine.run("up")
    assert editor.ask(seed=1).status == 200
    status = machine.status()
    (machine.state_dir / "desired.json").write_text("{")
    for pid in [*status["proxy_pids"], status["daemon_pid"]][: len(killed)]:
        os.kill(pid, signal.SIGKILL)
    if "daemon_pid" in killed:
        machine.run("watchdog")
    assert editor.ask(seed=1).headers["X-Cache"] == "HIT"
    machine.run("--shutdown")
    assert cloud.live() == []
