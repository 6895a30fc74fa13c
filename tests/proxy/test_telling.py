from __future__ import annotations

import asyncio
from pathlib import Path

from podman_llm.core.demand import NO_DEMAND, Demand
from podman_llm.proxy.activity import Activity
from podman_llm.proxy.demands import Demands
from podman_llm.proxy.telling import telling
from podman_llm.state.activity import load_activities
from podman_llm.state.demand import load_demand
from podman_llm.state.paths import StatePaths
from podman_llm.testing.clock import FakeClock


async def test_what_a_worker_does_and_wants_is_on_disk_while_it_serves(tmp_path: Path) -> None:
    paths, clock = StatePaths(tmp_path / "state"), FakeClock(1000.0)
    paths.ensure()
    activity = Activity(slot=0, pid=1, clock=clock)
    demands = Demands(slot=0, clock=clock)
    async with telling(activity, demands, paths), asyncio.timeout(20):
        demands.ask()
        while load_demand(paths) == NO_DEMAND:  # noqa: ASYNC110 - a file rings no bell
            await asyncio.sleep(0.01)
        activity.count("HIT")
    assert load_demand(paths) == Demand(asked_at=1000.0)
    assert [one.hits for one in load_activities(paths)] == [1]


async def test_without_a_state_directory_there_is_nobody_to_tell() -> None:
    clock = FakeClock()
    async with telling(Activity(slot=0, pid=1, clock=clock), Demands(slot=0, clock=clock), None):
        assert len(asyncio.all_tasks()) == 1
