from __future__ import annotations

import pytest

from podman_llm.cache.base import Cache
from podman_llm.cache.memory import MemoryCache
from tests.contracts.cache import ENTRY, MAX_BYTES, MAX_ENTRIES, CacheContract, entry, key, put


class TestMemoryCache(CacheContract):
    @pytest.fixture
    async def cache(self) -> Cache:
        return MemoryCache(max_entries=MAX_ENTRIES, max_bytes=MAX_BYTES)


async def test_headers_weigh_too() -> None:
    cache = MemoryCache(max_entries=9, max_bytes=1000)
    await put(cache, key(1), ENTRY)
    assert (await cache.stats()).size_bytes == ENTRY.size > len(ENTRY.body)


async def test_a_replaced_entry_gives_its_bytes_back() -> None:
    cache = MemoryCache(max_entries=9, max_bytes=1000)
    for body in (b"x" * 700, b"y" * 800, b"z" * 900):
        await put(cache, key(1), entry(body))
    assert (await cache.stats()).size_bytes == entry(b"z" * 900).size


async def test_one_that_outgrew_the_tier_takes_its_older_self_along() -> None:
    cache = MemoryCache(max_entries=9, max_bytes=1000)
    await put(cache, key(1), entry(b"old"))
    await put(cache, key(1), entry(b"x" * 2000))
    assert await cache.get(key(1)) is None


async def test_a_tier_of_no_bytes_keeps_nothing() -> None:
    cache = MemoryCache(max_entries=9, max_bytes=0)
    await put(cache, key(1), ENTRY)
    assert await cache.get(key(1)) is None
