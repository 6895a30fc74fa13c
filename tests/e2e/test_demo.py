"""The first minute: ``up --demo`` with no account, and the promise that it ends."""

from __future__ import annotations

import re
import subprocess
import time

from tests.e2e.machine import Machine, eventually


def test_the_demo_is_ready_within_15_seconds_and_its_curl_line_works(machine: Machine) -> None:
    start = time.monotonic()
    up = machine.run("up", "--demo")
    assert time.monotonic() - start < 15  # the promise of the README, with room for a busy CI
    lines = [line.strip() for line in up.stdout.splitlines()]
    first = next(i for i, line in enumerate(lines) if line.startswith("curl "))
    command = lines[first].removesuffix("\\") + lines[first + 1]
    answer = subprocess.run(["sh", "-c", command + " -s"], capture_output=True, check=True)
    assert b'"finish_reason":"stop"' in answer.stdout
    assert machine.status()["state"] == "READY"

    down = machine.run("--shutdown")
    assert re.search(r"bill: 0 live pods", down.stdout)
    eventually(lambda: machine.processes() == [], what="no process left")

    # What was can still be looked at, without a key, and there is nothing left to end.
    assert "the demo is over" in machine.run("--demo", "ps", "--all", code=4).stderr
    assert "Bill    unknown: the demo is over" in machine.run("--demo", "cost").stdout
    assert "the demo is over" in machine.run("--demo", "doctor").stdout
    assert "is gone: absent from 2" in machine.run("--demo", "--shutdown").stdout


def test_a_demo_is_not_found_by_a_person_who_started_none(machine: Machine) -> None:
    assert "ABSENT" in machine.run("status").stdout
    assert "Nothing to end" in machine.run("--shutdown").stdout
