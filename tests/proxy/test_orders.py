from __future__ import annotations

import asyncio
import resource
from pathlib import Path

import pytest

from podman_llm.core.breaker import BreakerPolicy
from podman_llm.core.failover import Effect
from podman_llm.core.routing import POD
from podman_llm.errors import StateError
from podman_llm.proxy.activity import Activity
from podman_llm.proxy.circuits import Circuits
from podman_llm.proxy.orders import Obedience, Orders, OwnOrders, SharedOrders
from podman_llm.state.orders import order_file
from podman_llm.state.paths import StatePaths
from podman_llm.testing.clock import FakeClock


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    made = StatePaths(tmp_path / "state")
    made.ensure()
    return made


class Worker:
    def __init__(self, orders: Orders) -> None:
        clock = FakeClock()
        self.circuits = Circuits(
            ("bedrock",), policy=BreakerPolicy(), clock=clock, chance=lambda: 0.5
        )
        self.activity = Activity(slot=0, pid=1, clock=clock)
        self.obedience = Obedience(orders, self.circuits, self.activity)

    def learn(self, name: str) -> None:
        self.circuits.learn(name, Effect.GRAVE, "refused")

    async def until(self, name: str, state: str) -> None:
        async with asyncio.timeout(5):
            while self.circuits.states()[name] != state:  # noqa: ASYNC110 - it says so to nobody
                await asyncio.sleep(0.01)


async def test_an_order_reaches_every_worker_and_what_they_learned_stays_theirs(
    paths: StatePaths,
) -> None:
    first, second = Worker(SharedOrders(paths)), Worker(SharedOrders(paths))
    async with first.obedience.kept(), second.obedience.kept():
        first.learn(POD)
        await first.obedience.order("bedrock", is_open=True)
        assert first.circuits.shut("bedrock")[0] == "shut by hand"
        await second.until("bedrock", "OPEN")
        assert second.activity.changed.is_set()
        assert second.circuits.states()[POD] == "CLOSED"
        second.learn(POD)
        await second.obedience.order(POD, is_open=False)
        await first.until(POD, "CLOSED")
        assert first.circuits.states()["bedrock"] == "OPEN"


async def test_a_worker_that_starts_later_follows_what_stands(paths: StatePaths) -> None:
    await Worker(SharedOrders(paths)).obedience.order("bedrock", is_open=True)
    later = Worker(SharedOrders(paths))
    async with later.obedience.kept():
        assert later.circuits.states() == {POD: "CLOSED", "bedrock": "OPEN"}


async def test_an_order_is_followed_once_and_learning_goes_on(paths: StatePaths) -> None:
    worker = Worker(SharedOrders(paths))
    await worker.obedience.order(POD, is_open=False)
    worker.learn(POD)
    worker.obedience.heed()
    assert worker.circuits.states()[POD] == "OPEN"
    assert worker.circuits.shut(POD)[0] == "refused"


async def test_a_damaged_order_changes_nothing_and_is_told_once(
    paths: StatePaths, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(SharedOrders(paths))
    await worker.obedience.order(POD, is_open=True)
    order_file(paths, POD).write_bytes(b"{")
    for _ in range(3):
        worker.obedience.heed()
    assert worker.circuits.states()[POD] == "OPEN"
    assert [record.message for record in caplog.records].count("circuit.order_unreadable") == 1


async def test_an_order_that_cannot_be_read_for_now_is_followed_later(
    paths: StatePaths, caplog: pytest.LogCaptureFixture
) -> None:
    await Worker(SharedOrders(paths)).obedience.order(POD, is_open=True)
    worker = Worker(SharedOrders(paths))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        for _ in range(3):
            worker.obedience.heed()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert worker.circuits.states()[POD] == "CLOSED"
    worker.obedience.heed()
    assert worker.circuits.states()[POD] == "OPEN"
    assert [record.message for record in caplog.records].count("circuit.order_unreadable") == 1


async def test_what_cannot_be_written_holds_for_nobody(paths: StatePaths) -> None:
    paths.orders_dir.rmdir()
    worker = Worker(SharedOrders(paths))
    with pytest.raises(StateError):
        await worker.obedience.order(POD, is_open=True)
    assert worker.circuits.states()[POD] == "CLOSED"


async def test_without_a_state_directory_the_one_worker_hears_its_own() -> None:
    worker = Worker(OwnOrders())
    await worker.obedience.order(POD, is_open=True)
    assert worker.circuits.states()[POD] == "OPEN"
    await worker.obedience.order(POD, is_open=False)
    assert worker.circuits.states()[POD] == "CLOSED"
