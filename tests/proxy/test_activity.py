from __future__ import annotations

import asyncio

import pytest

from podman_llm.errors import StateError
from podman_llm.proxy.activity import Activity, keep_written
from podman_llm.state.activity import WorkerActivity
from podman_llm.testing.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1000)


@pytest.fixture
def activity(clock: FakeClock) -> Activity:
    return Activity(slot=2, pid=77, clock=clock)


def test_a_request_is_in_flight_until_it_ends_however_it_ends(
    activity: Activity, clock: FakeClock
) -> None:
    def run() -> None:
        with activity.running():
            assert (activity.in_flight, activity.last_counted_at) == (1, 1000)
            clock.advance(30)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        run()
    assert (activity.in_flight, activity.last_counted_at) == (0, 1030)


def test_each_request_is_a_hit_a_miss_or_bypassed(activity: Activity) -> None:
    for word in ("HIT", "HIT", "MISS", "BYPASS"):
        activity.count(word)
    told = activity.snapshot()
    assert (told.requests, told.hits, told.misses, told.bypassed) == (4, 2, 1, 1)
    assert (told.slot, told.pid, told.at, told.last_counted_at) == (2, 77, 1000, None)


def test_totals_go_on_after_a_restart(activity: Activity, clock: FakeClock) -> None:
    with activity.running():
        activity.count("MISS")
        before = activity.snapshot()
    again = Activity(slot=2, pid=78, clock=clock, before=before).snapshot()
    assert (again.misses, again.last_counted_at) == (1, 1000)
    assert (again.in_flight, again.pid) == (0, 78)


def test_the_last_detour_is_remembered_over_a_restart(activity: Activity, clock: FakeClock) -> None:
    for why in ("the pod is BOOTING", "the pod is gone"):
        activity.note_detour(status=200, served_by="bedrock/c", attempts="a;outcome=x", why=why)
    assert activity.changed.is_set()
    before = activity.snapshot()
    assert before.detour is not None
    assert (before.detour.why, before.detour.at) == ("the pod is gone", 1000)
    assert Activity(slot=2, pid=78, clock=clock, before=before).snapshot().detour == before.detour


class Shelf:
    """Where the activity is written; each write can be awaited."""

    def __init__(self) -> None:
        self.written: asyncio.Queue[WorkerActivity] = asyncio.Queue()
        self.problem: StateError | None = None
        self._loop = asyncio.get_running_loop()

    def save(self, activity: WorkerActivity) -> None:
        if self.problem:
            raise self.problem
        self._loop.call_soon_threadsafe(self.written.put_nowait, activity)


async def test_it_is_written_at_once_and_a_last_time_at_the_end(activity: Activity) -> None:
    shelf = Shelf()
    task = asyncio.create_task(keep_written(activity, shelf.save))
    assert (await shelf.written.get()).requests == 0
    activity.count("HIT")
    task.cancel()
    assert (await shelf.written.get()).requests == 1


async def test_changes_are_gathered_for_a_second(
    activity: Activity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("podman_llm.proxy.activity._WRITE_SECONDS", 0.02)
    shelf = Shelf()
    task = asyncio.create_task(keep_written(activity, shelf.save))
    await shelf.written.get()
    for _ in range(100):
        with activity.running():
            activity.count("MISS")
    assert (await shelf.written.get()).misses == 100
    await asyncio.sleep(0.05)
    assert shelf.written.empty()
    task.cancel()


async def test_a_disk_that_refuses_stops_nothing(
    activity: Activity, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("podman_llm.proxy.activity._WRITE_SECONDS", 0)
    shelf = Shelf()
    shelf.problem = StateError("disk full")
    task = asyncio.create_task(keep_written(activity, shelf.save))
    while "activity.unwritten" not in caplog.text:  # noqa: ASYNC110 - a log line is no event
        await asyncio.sleep(0.001)
    shelf.problem = None
    activity.count("HIT")
    assert (await shelf.written.get()).hits == 1
    task.cancel()
