from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from unittest import mock

import pytest

from podman_llm.cache.base import Cache
from podman_llm.cache.disk import DiskStore, open_disk_cache
from podman_llm.cache.memory import MemoryCache
from podman_llm.cache.threaded import DiskCache
from podman_llm.cache.tiered import TieredCache
from podman_llm.testing.clock import FakeClock
from tests.contracts.cache import ENTRY, MAX_BYTES, MAX_ENTRIES, CacheContract, entry, key, put


def disk_store(directory: Path) -> DiskStore:
    return open_disk_cache(
        directory, max_entries=MAX_ENTRIES, max_bytes=MAX_BYTES, clock=FakeClock()
    )


def tiered(directory: Path) -> TieredCache:
    memory = MemoryCache(max_entries=MAX_ENTRIES, max_bytes=MAX_BYTES)
    return TieredCache(memory, DiskCache(disk_store(directory)))


@pytest.fixture(autouse=True)
def looks_each_time_and_writes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("podman_llm.cache.threaded._GATHER_SECONDS", 0)
    monkeypatch.setattr("podman_llm.cache.tiered._LOOK_SECONDS", 0.0)


@pytest.fixture
async def cache(tmp_path: Path) -> AsyncIterator[TieredCache]:
    cache = tiered(tmp_path / "cache")
    yield cache
    await cache.close()


@pytest.fixture
async def other(tmp_path: Path, cache: TieredCache) -> AsyncIterator[TieredCache]:
    """Another worker on the same directory."""
    other = tiered(tmp_path / "cache")
    yield other
    await other.close()


class TestTieredCache(CacheContract):
    @pytest.fixture
    async def cache(self, tmp_path: Path) -> AsyncIterator[Cache]:
        cache = tiered(tmp_path / "cache")
        yield cache
        await cache.close()


async def test_a_hit_in_memory_does_not_leave_the_event_loop(cache: TieredCache) -> None:
    await put(cache, key(1), ENTRY)
    with pytest.raises(StopIteration) as answer:
        cache.get(key(1)).send(None)  # the first step is the last
    assert answer.value.value == ENTRY


async def test_what_another_worker_put_is_found(cache: TieredCache, other: TieredCache) -> None:
    await put(other, key(1), ENTRY)
    assert await cache.get(key(1)) == ENTRY


async def test_what_was_fetched_from_disk_is_in_memory_from_then_on(
    cache: TieredCache, other: TieredCache
) -> None:
    await put(other, key(1), ENTRY)
    await cache.get(key(1))
    assert await cache._memory.get(key(1)) == ENTRY


async def test_a_clearing_by_another_worker_reaches_memory(
    cache: TieredCache, other: TieredCache
) -> None:
    await put(cache, key(1), ENTRY)
    assert await other.clear() == 1
    assert await cache.get(key(1)) is None


async def test_a_clearing_from_the_command_line_reaches_memory(
    cache: TieredCache, tmp_path: Path
) -> None:
    await put(cache, key(1), ENTRY)
    store = disk_store(tmp_path / "cache")
    assert store.clear() == 1
    store.close()
    assert await cache.get(key(1)) is None


async def test_an_answer_replaced_by_another_worker_reaches_memory(
    cache: TieredCache, other: TieredCache
) -> None:
    await put(cache, key(1), entry(b"old"))
    await put(other, key(1), entry(b"new"))
    assert await cache.get(key(1)) == entry(b"new")


async def test_between_two_looks_hits_do_not_touch_the_disk(
    cache: TieredCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("podman_llm.cache.tiered._LOOK_SECONDS", 1000.0)
    await put(cache, key(1), ENTRY)
    await cache.get(key(1))
    with mock.patch.object(Path, "stat", side_effect=AssertionError("the disk was touched")):
        assert await cache.get(key(1)) == ENTRY


async def test_hits_in_memory_keep_an_entry_on_disk(cache: TieredCache, tmp_path: Path) -> None:
    for number in range(MAX_ENTRIES):
        await put(cache, key(number), ENTRY)
    await cache.get(key(0))
    await put(cache, key(99), ENTRY)
    store = disk_store(tmp_path / "cache")
    assert store.read(key(0)) == ENTRY
    assert store.read(key(1)) is None
    store.close()


async def test_without_its_disk_it_still_answers_from_memory_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    cache = tiered(tmp_path / "file" / "cache")
    await put(cache, key(1), ENTRY)
    assert await cache.get(key(1)) == ENTRY
    stats = await cache.stats()
    assert not stats.healthy
    assert "cannot be used" in stats.problem
    await cache.close()
