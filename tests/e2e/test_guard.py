"""Nobody of ours is left, and the pod ends all the same: by its own guard, or by a second host.

The double runs the pod's entrypoint as processes. Its clock, and theirs, is moved to the deadline.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e.machine import KEY, Cloud, Machine, eventually, free_port, renting

GRACE = 60.0


@pytest.fixture
def cloud(machine: Machine) -> Iterator[Cloud]:
    """A RunPod whose pods really run."""
    with renting(machine, "--real-containers", load_seconds=0) as cloud:
        yield cloud


def now(cloud: Cloud) -> float:
    return float(cloud.get("clock")["now"])


def kill_all_of_ours(machine: Machine, cloud: Cloud) -> dict[str, Any]:
    """What was last known, before SIGKILL to the daemon and every proxy worker."""
    last = machine.status()
    ours = [last["daemon_pid"], *last["proxy_pids"]]
    for pid in ours:
        os.kill(pid, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(pid) for pid in ours if psutil.pid_exists(pid)], timeout=5)
    assert cloud.live() == [last["pod_id"]]
    return last


def test_with_the_daemon_dead_for_good_the_pod_is_gone_a_minute_after_its_deadline(
    machine: Machine, cloud: Cloud
) -> None:
    machine.run("up", "--for", "1h")
    assert machine.status()["guard"] == "armed"
    assert "Guard     armed" in machine.run("status").stdout
    last = kill_all_of_ours(machine, cloud)

    cloud.post("clock", {"seconds": last["hard_deadline"] - now(cloud) - GRACE})
    assert cloud.live() == [last["pod_id"]]  # a minute before its time it lives
    cloud.post("clock", {"seconds": GRACE})
    eventually(lambda: cloud.live() == [], what="the guard's work")
    assert now(cloud) <= last["hard_deadline"] + GRACE


def second_host(machine: Machine, folder: Path, *, ahead: float) -> Machine:
    """Another machine with a home of its own, whose clock is as far ahead as the double's."""
    (folder / "site").mkdir(parents=True)
    hook = f"import time\nreal = time.time\ntime.time = lambda: real() + {ahead}\n"
    (folder / "site" / "sitecustomize.py").write_text(hook)
    (folder / "pod_config.json").write_text((machine.home / "pod_config.json").read_text())
    environment = {"RUNPOD_API_KEY": KEY, "PYTHONPATH": str(folder / "site")}
    return Machine(folder, free_port(), environment)


def test_with_the_guards_key_refused_the_reaper_on_a_second_host_ends_the_pod(
    machine: Machine, cloud: Cloud, tmp_path: Path
) -> None:
    cloud.post("quirks", {"pod_keys_refused": True})
    up = machine.run("up", "--for", "1h")
    assert "have `podman-llm reap` run on a second host" in up.stderr
    assert machine.status()["guard"] == "key_refused"
    last = kill_all_of_ours(machine, cloud)

    ahead = last["hard_deadline"] - now(cloud) + GRACE
    cloud.post("clock", {"seconds": ahead})
    refused = f"* /v2/pods/{last['pod_id']}/action"
    eventually(lambda: refused.replace("*", "POST") in cloud.get("requests"), what="its tries")
    assert cloud.live() == [last["pod_id"]]

    owner = last["pod_name"].split("-")[1]
    elsewhere = second_host(machine, tmp_path / "second", ahead=ahead + 5)
    assert last["pod_id"] in elsewhere.run("reap", "--owner", owner, "--dry-run").stdout
    assert cloud.live() == [last["pod_id"]]
    reaped = elsewhere.run("reap", "--owner", owner)
    assert "[ended]" in reaped.stdout
    assert cloud.live() == []
    assert "Nothing to end" in elsewhere.run("reap", "--owner", owner).stdout
