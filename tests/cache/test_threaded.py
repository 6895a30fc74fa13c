from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path
from unittest import mock

import pytest

from podman_llm.cache.base import Cache, Entry
from podman_llm.cache.disk import open_disk_cache
from podman_llm.cache.threaded import DiskCache
from podman_llm.testing.clock import FakeClock
from tests.contracts.cache import ENTRY, MAX_BYTES, MAX_ENTRIES, CacheContract, key, put


@pytest.fixture(autouse=True)
def writes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podman_llm.cache.threaded._GATHER_SECONDS", 0)


def disk_cache(directory: Path) -> DiskCache:
    store = open_disk_cache(
        directory, max_entries=MAX_ENTRIES, max_bytes=MAX_BYTES, clock=FakeClock()
    )
    return DiskCache(store)


class TestDiskCache(CacheContract):
    @pytest.fixture
    async def cache(self, tmp_path: Path) -> AsyncIterator[Cache]:
        cache = disk_cache(tmp_path / "cache")
        yield cache
        await cache.close()


class _StuckStore:
    """A store on a disk that hangs until it is let go."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def may_have(self, _: str) -> bool:
        return True

    def read_all(self, keys: Iterable[str]) -> dict[str, Entry]:
        self.released.wait()
        return dict.fromkeys(keys, ENTRY)

    def write_all(self, entries: Mapping[str, Entry]) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
async def stuck(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[_StuckStore]:
    monkeypatch.setattr("podman_llm.cache.threaded._PATIENCE_SECONDS", 0.05)
    store = _StuckStore()
    yield store
    store.released.set()


async def test_a_disk_that_hangs_costs_a_bounded_wait(stuck: _StuckStore) -> None:
    cache = DiskCache(stuck)  # type: ignore[arg-type] # the part of a store that is asked
    assert await cache.get(key(1)) is None
    await put(cache, key(1), ENTRY)
    stuck.released.set()
    assert await cache.get(key(1)) == ENTRY
    await cache.close()


async def test_a_disk_that_goes_on_hanging_is_no_longer_asked(
    stuck: _StuckStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("podman_llm.cache.threaded._MOST_JOBS", 1)
    cache = DiskCache(stuck)  # type: ignore[arg-type] # as above
    assert await cache.get(key(1)) is None
    monkeypatch.setattr("podman_llm.cache.threaded._PATIENCE_SECONDS", 600)
    assert await cache.get(key(2)) is None  # at once: the only place is still taken
    stuck.released.set()
    while await cache.get(key(2)) != ENTRY:  # noqa: ASYNC110 - the thread gives its place back
        await asyncio.sleep(0)
    await cache.close()


async def test_no_more_wait_for_the_disk_than_there_is_room_for(
    stuck: _StuckStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("podman_llm.cache.threaded._MOST_WANTED", 1)
    monkeypatch.setattr("podman_llm.cache.threaded._PATIENCE_SECONDS", 600)
    cache = DiskCache(stuck)  # type: ignore[arg-type] # as above
    waiting = asyncio.create_task(cache.get(key(1)))
    await asyncio.sleep(0)
    assert await cache.get(key(2)) is None
    stuck.released.set()
    assert await waiting == ENTRY
    await cache.close()


async def test_questions_asked_while_the_reader_is_busy_are_answered_together(
    tmp_path: Path,
) -> None:
    cache = disk_cache(tmp_path / "cache")
    await put(cache, key(1), ENTRY)
    await put(cache, key(2), ENTRY)
    batches: list[list[str]] = []
    read_all = cache._store.read_all

    def noted(keys: Iterable[str]) -> dict[str, Entry]:
        batches.append(list(keys))
        return read_all(keys)

    cache._store.read_all = noted  # type: ignore[method-assign] # watched, not replaced
    asked = [cache.get(key(number)) for number in (1, 2, 1)]
    assert await asyncio.gather(*asked) == [ENTRY, ENTRY, ENTRY]
    assert batches == [[key(1), key(2)]]
    await cache.close()


async def test_what_was_never_put_is_not_asked_of_the_disk(tmp_path: Path) -> None:
    cache = disk_cache(tmp_path / "cache")
    await put(cache, key(1), ENTRY)
    with mock.patch.object(cache._store, "read_all", side_effect=AssertionError("it was asked")):
        assert await cache.get(key(2)) is None
    await cache.close()


async def test_who_asks_may_leave_without_taking_the_answer_from_others(tmp_path: Path) -> None:
    cache = disk_cache(tmp_path / "cache")
    await put(cache, key(1), ENTRY)
    leaving = asyncio.create_task(cache.get(key(1)))
    staying = asyncio.create_task(cache.get(key(1)))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == ENTRY
    assert leaving.cancelled()
    await cache.close()


async def test_a_defect_in_reading_is_no_request_that_waits_for_ever(tmp_path: Path) -> None:
    cache = disk_cache(tmp_path / "cache")
    with mock.patch.object(cache._store, "read_all", side_effect=RuntimeError("a defect")):
        assert await cache.get(key(1)) is None
    assert cache._reading is not None
    with pytest.raises(RuntimeError, match="a defect"):
        await cache._reading
    await put(cache, key(1), ENTRY)
    assert await cache.get(key(1)) == ENTRY
    await cache.close()


async def test_a_defect_in_writing_is_told_to_who_waits_and_the_next_is_kept(
    tmp_path: Path,
) -> None:
    cache = disk_cache(tmp_path / "cache")
    with (
        mock.patch.object(cache._store, "write_all", side_effect=RuntimeError("a defect")),
        pytest.raises(RuntimeError, match="a defect"),
    ):
        await put(cache, key(1), ENTRY)
    await put(cache, key(2), ENTRY)
    assert await cache.get(key(1)) is None
    assert await cache.get(key(2)) == ENTRY
    await cache.close()


async def test_what_is_put_while_the_writer_is_busy_is_written_together(tmp_path: Path) -> None:
    cache = disk_cache(tmp_path / "cache")
    batches: list[int] = []
    write_all = cache._store.write_all

    def noted(entries: Mapping[str, Entry]) -> None:
        batches.append(len(entries))
        write_all(entries)

    cache._store.write_all = noted  # type: ignore[method-assign] # watched, not replaced
    await asyncio.gather(*(put(cache, key(number), ENTRY) for number in range(4)))
    await asyncio.gather(*(put(cache, key(number), ENTRY) for number in range(3)))
    assert batches == [4, 3]
    await cache.close()


async def test_what_waits_to_be_written_is_given_already(tmp_path: Path) -> None:
    cache = disk_cache(tmp_path / "cache")
    cache.put(key(1), ENTRY)
    assert not (tmp_path / "cache").exists()
    assert await cache.get(key(1)) == ENTRY
    await cache.close()


async def test_a_clearing_drops_what_waits_to_be_written(tmp_path: Path) -> None:
    cache = disk_cache(tmp_path / "cache")
    cache.put(key(1), ENTRY)
    while cache._waiting:  # noqa: ASYNC110 - it is being written then
        await asyncio.sleep(0)
    cache.put(key(2), ENTRY)
    await cache.clear()
    await cache.settle()
    assert await cache.get(key(1)) is None
    assert await cache.get(key(2)) is None
    await cache.close()


@pytest.mark.parametrize(
    ("limit", "value"), [("_MOST_WAITING", 3), ("_MOST_WAITING_BYTES", 3 * ENTRY.size)]
)
async def test_more_than_a_slow_disk_can_take_is_not_kept(
    stuck: _StuckStore, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(f"podman_llm.cache.threaded.{limit}", value)
    taken: list[int] = []

    def never(entries: Mapping[str, Entry]) -> None:
        taken.append(len(entries))
        stuck.released.wait()

    stuck.write_all = never  # type: ignore[method-assign] # this one hangs too
    cache = DiskCache(stuck)  # type: ignore[arg-type] # the part of a store that is asked
    await asyncio.gather(*(put(cache, key(number), ENTRY) for number in range(200)))
    assert taken == [3]
    stuck.released.set()
    await cache.close()


async def test_after_closing_it_is_empty_and_takes_nothing(tmp_path: Path) -> None:
    cache = disk_cache(tmp_path / "cache")
    await put(cache, key(1), ENTRY)
    await cache.close()
    await put(cache, key(2), ENTRY)
    assert await cache.get(key(1)) is None
    await cache.close()


async def test_what_was_put_before_closing_is_there_for_the_next(tmp_path: Path) -> None:
    cache = disk_cache(tmp_path / "cache")
    cache.put(key(1), ENTRY)
    await cache.close()
    again = disk_cache(tmp_path / "cache")
    assert await again.get(key(1)) == ENTRY
    await again.close()
