"""The nearest tier: this process's memory, least recently used out first."""

from __future__ import annotations

from collections import OrderedDict

from podman_llm.cache.base import CacheStats, Entry


class MemoryCache:
    """Entries by key, within a number of entries and a number of bytes.

    Nothing here waits, so awaiting a call never gives the event loop away.
    """

    def __init__(self, *, max_entries: int, max_bytes: int) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: OrderedDict[str, Entry] = OrderedDict()
        self._size = 0

    async def get(self, key: str) -> Entry | None:
        """The entry, now the most recently used; None if there is none."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def put(self, key: str, entry: Entry) -> None:
        """Keep an entry; one larger than the whole tier is not kept, and evicts nothing."""
        self._drop(key)
        if entry.size > self._max_bytes or not self._max_entries:
            return
        self._entries[key] = entry
        self._size += entry.size
        while self._size > self._max_bytes or len(self._entries) > self._max_entries:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: str) -> None:
        if (entry := self._entries.pop(key, None)) is not None:
            self._size -= entry.size

    async def settle(self) -> None:
        """Nothing is written anywhere."""

    async def clear(self) -> int:
        """Drop everything; how many entries went."""
        count = len(self._entries)
        self._entries.clear()
        self._size = 0
        return count

    async def stats(self) -> CacheStats:
        """How full it is."""
        return CacheStats(len(self._entries), self._size, self._max_entries, self._max_bytes)

    async def close(self) -> None:
        """Nothing is held but memory."""
