from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from podman_llm.errors import StateError
from podman_llm.proxy import demands as demands_module
from podman_llm.proxy.demands import Demands, keep_told
from podman_llm.state.demand import WorkerDemand
from podman_llm.testing.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1000.0)


@pytest.fixture
def demands(clock: FakeClock) -> Demands:
    return Demands(slot=3, clock=clock)


def told(demands: Demands) -> tuple[float | None, float | None]:
    now = demands.snapshot()
    assert now.slot == 3
    return now.asked_at, now.held_at


async def test_who_goes_on_without_the_pod_is_remembered(demands: Demands) -> None:
    assert told(demands) == (None, None)
    demands.ask()
    assert told(demands) == (1000.0, None)


async def test_who_waits_and_leaves_is_forgotten(demands: Demands) -> None:
    with demands.hold():
        with demands.hold():
            pass
        assert told(demands) == (None, 1000.0)
    demands.changed.clear()
    with pytest.raises(asyncio.CancelledError), demands.hold():
        raise asyncio.CancelledError
    assert told(demands) == (None, None)
    assert demands.changed.is_set()


class Control:
    """Gets what is told; ``deaf`` as often as it says."""

    def __init__(self, deaf: int = 0) -> None:
        self.told: asyncio.Queue[WorkerDemand] = asyncio.Queue()
        self.deaf = deaf
        self._loop = asyncio.get_running_loop()

    def save(self, demand: WorkerDemand) -> None:
        self._loop.call_soon_threadsafe(self.told.put_nowait, demand)
        if self.deaf:
            self.deaf -= 1
            raise StateError("the disk is full")


@asynccontextmanager
async def telling(demands: Demands, control: Control) -> AsyncIterator[None]:
    task = asyncio.create_task(keep_told(demands, control.save))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_news_is_told_at_once_and_waiting_again_and_again(
    demands: Demands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demands_module, "_RENEW_SECONDS", 0.01)
    control = Control()
    async with telling(demands, control):
        with demands.hold():
            for _ in range(3):
                assert (await control.told.get()).held_at == 1000.0
        while (await control.told.get()).held_at:
            pass
        await asyncio.sleep(0.05)
        assert control.told.empty()


async def test_what_was_not_told_yet_is_told_at_the_end(demands: Demands, clock: FakeClock) -> None:
    control = Control()
    async with telling(demands, control):
        demands.ask()
        assert (await control.told.get()).asked_at == 1000.0
        clock.advance(1)
        demands.ask()
    async with asyncio.timeout(5):
        assert (await control.told.get()).asked_at == 1001.0
    assert control.told.empty()


async def test_a_full_disk_is_told_and_the_next_news_tried(
    demands: Demands,
    clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(demands_module, "_RENEW_SECONDS", 0.01)
    control = Control(deaf=1)
    async with telling(demands, control):
        demands.ask()
        await control.told.get()
        clock.advance(1)
        demands.ask()
        assert (await control.told.get()).asked_at == 1001.0
    assert [record.message for record in caplog.records] == ["demand.unwritten"]
