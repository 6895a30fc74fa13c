"""What every tier of the cache keeps to. A new tier is done when its subclass of this passes."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from podman_llm.cache.base import Cache, Entry

ENTRY = Entry(
    status=200,
    headers=(("content-type", "text/event-stream; charset=utf-8"),),
    body=b'data: {"id":"1"}\n\ndata: [DONE]\n\n',
    stored_at=1_795_000_000.25,
    served_by="pod/abc",
    session="ses_1",
    asked_at="Message time: 2026-11-20T21:55:01Z\n",
)
MAX_ENTRIES = 4
MAX_BYTES = 100_000


def key(number: int) -> str:
    return f"{number:064x}"


def entry(body: bytes) -> Entry:
    return replace(ENTRY, body=body)


async def put(cache: Cache, key: str, entry: Entry) -> None:
    """Keep an entry, and wait until all see it."""
    cache.put(key, entry)
    await cache.settle()


class CacheContract:
    """``cache`` must be empty, hold MAX_ENTRIES, MAX_BYTES, and be closed by its fixture."""

    @pytest.fixture
    async def cache(self) -> Cache:
        raise NotImplementedError

    async def test_gives_back_exactly_what_was_put(self, cache: Cache) -> None:
        await put(cache, key(1), ENTRY)
        assert await cache.get(key(1)) == ENTRY

    @pytest.mark.parametrize("body", [b"", b"\x00\xff\r\n", "é\U0001f600".encode(), b"x" * 60_000])
    async def test_keeps_any_bytes(self, cache: Cache, body: bytes) -> None:
        await put(cache, key(1), entry(body))
        assert await cache.get(key(1)) == entry(body)

    async def test_has_nothing_under_another_key(self, cache: Cache) -> None:
        await put(cache, key(1), ENTRY)
        assert await cache.get(key(2)) is None

    async def test_the_last_put_under_a_key_wins(self, cache: Cache) -> None:
        await put(cache, key(1), entry(b"first"))
        await put(cache, key(1), entry(b"second, and longer"))
        assert await cache.get(key(1)) == entry(b"second, and longer")
        assert (await cache.stats()).entries == 1

    async def test_evicts_the_least_recently_used_beyond_its_entries(self, cache: Cache) -> None:
        for number in range(MAX_ENTRIES):
            await put(cache, key(number), entry(b"%d" % number))
        await cache.get(key(0))
        await put(cache, key(99), entry(b"new"))
        kept = [n for n in (*range(MAX_ENTRIES), 99) if await cache.get(key(n))]
        assert kept == [0, 2, 3, 99]

    async def test_evicts_beyond_its_bytes_and_no_more_than_needed(self, cache: Cache) -> None:
        for number in range(3):
            await put(cache, key(number), entry(b"x" * 30_000))
        await put(cache, key(3), entry(b"y" * 50_000))
        assert [n for n in range(4) if await cache.get(key(n))] == [2, 3]

    async def test_what_is_larger_than_the_cache_is_not_kept_and_evicts_nothing(
        self, cache: Cache
    ) -> None:
        await put(cache, key(1), ENTRY)
        await put(cache, key(2), entry(b"x" * (MAX_BYTES + 1)))
        assert await cache.get(key(2)) is None
        assert await cache.get(key(1)) == ENTRY

    async def test_clear_drops_everything_and_says_how_many(self, cache: Cache) -> None:
        await put(cache, key(1), ENTRY)
        await put(cache, key(2), ENTRY)
        assert await cache.clear() == 2
        assert await cache.get(key(1)) is None
        assert (await cache.stats()).entries == 0

    async def test_is_of_use_again_after_clear(self, cache: Cache) -> None:
        await put(cache, key(1), ENTRY)
        await cache.clear()
        await put(cache, key(1), ENTRY)
        assert await cache.get(key(1)) == ENTRY

    async def test_says_how_full_it_is(self, cache: Cache) -> None:
        empty = await cache.stats()
        assert (empty.entries, empty.size_bytes) == (0, 0)
        assert (empty.max_entries, empty.max_bytes) == (MAX_ENTRIES, MAX_BYTES)
        await put(cache, key(1), entry(b"x" * 5000))
        full = await cache.stats()
        assert full.entries == 1
        assert 5000 <= full.size_bytes < 6000
        assert full.healthy

    async def test_many_at_once_do_not_disturb_each_other(self, cache: Cache) -> None:
        async def put_and_get(number: int) -> bool:
            await put(cache, key(number), entry(b"%d" % number))
            found = await cache.get(key(number))
            return found is None or found == entry(b"%d" % number)

        assert all(await asyncio.gather(*map(put_and_get, range(20))))
        assert (await cache.stats()).entries == MAX_ENTRIES
