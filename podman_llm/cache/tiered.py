"""Memory over disk: the first answer costs a thread's work, the next ones a dictionary's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Protocol

from podman_llm.cache.base import Cache, CacheStats, Entry
from podman_llm.cache.memory import MemoryCache

_LOOK_SECONDS = 0.05  # a look is a stat: a tenth of what a hit costs, and nobody clears faster


class SharedCache(Cache, Protocol):
    """A tier that outlives this process and that others use too."""

    def generation(self) -> object:
        """Another value whenever answers that came from here stop being good. Does not block."""

    def touch(self, keys: Iterable[str]) -> None:
        """Count entries as just used, because another tier gave them. Does not block."""


class TieredCache:
    """A memory tier of this process over a tier shared with others.

    Both keep what is put; what is only in the shared tier is fetched up. When the shared tier's
    generation moves on (a clearing, or an answer replaced, by anybody), memory is dropped within
    50 ms. Hits in memory are told to the shared tier, lest the most wanted entries
    look like the least wanted when it has to choose whom to evict.
    """

    def __init__(self, memory: MemoryCache, shared: SharedCache) -> None:
        self._memory = memory
        self._shared = shared
        self._generation = shared.generation()
        self._look_at = 0.0

    async def get(self, key: str) -> Entry | None:
        """The entry from the nearest tier that has it."""
        await self._heed_generation()
        entry = await self._memory.get(key)
        if entry is not None:
            self._shared.touch((key,))
            return entry
        generation = self._generation  # as it was when last looked at: most ask for what is new
        entry = await self._shared.get(key)
        if entry is not None and self._shared.generation() == generation:
            self._memory.put(key, entry)
        return entry

    async def _heed_generation(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._look_at:
            return
        self._look_at = now + _LOOK_SECONDS
        generation = self._shared.generation()
        if generation != self._generation:
            self._generation = generation
            await self._memory.clear()

    def put(self, key: str, entry: Entry) -> None:
        """Keep an entry in both tiers; from memory it is given at once."""
        self._memory.put(key, entry)
        self._shared.put(key, entry)

    async def settle(self) -> None:
        """Wait until the shared tier has what was put."""
        await self._shared.settle()

    async def clear(self) -> int:
        """Drop everything; how many entries the shared tier had."""
        await self._memory.clear()
        return await self._shared.clear()

    async def stats(self) -> CacheStats:
        """How full the shared tier is; it holds what memory holds, and more."""
        return await self._shared.stats()

    async def close(self) -> None:
        """Let go of both tiers."""
        await self._shared.close()
        await self._memory.close()
