"""A person's word about a circuit, as every worker hears it: real processes."""

from __future__ import annotations

import json
import os
import signal

from tests.e2e.machine import Machine, eventually, renting

OTHER = {"name": "other", "base_url": "http://127.0.0.1:1", "models": {"*": "m"}}


def seen(machine: Machine) -> dict[int, str]:
    """The other's circuit as each worker sees it, by its process."""
    files = (machine.state_dir / "activity").glob("worker-*.json")
    told = [json.loads(file.read_text()) for file in files]
    return {one["pid"]: one["circuits"].get("other", "") for one in told}


def test_an_order_reaches_both_workers_and_outlives_them(machine: Machine) -> None:
    with renting(machine, proxy={"workers": 2}, fallback={"backends": [OTHER]}):
        machine.run("up")
        eventually(lambda: len(seen(machine)) == 2, what="both workers")
        machine.run("breaker", "open", "other")
        eventually(lambda: set(seen(machine).values()) == {"OPEN"}, what="both to hear it")
        assert machine.status()["shut_by_hand"] == ["other"]
        killed = min(seen(machine))
        os.kill(killed, signal.SIGKILL)
        eventually(
            lambda: killed not in seen(machine) and set(seen(machine).values()) == {"OPEN"},
            what="a new worker to follow what stands",
        )
        machine.run("breaker", "close", "other")
        eventually(lambda: set(seen(machine).values()) == {"CLOSED"}, what="both to trust it")
        assert machine.status()["shut_by_hand"] == []
        machine.run("--shutdown")
