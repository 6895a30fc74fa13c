"""The contract of a cache of answers. Held by ``tests/contracts/cache.py`` against every tier.

- ``get`` gives back exactly the bytes that were put, or None; a damaged entry is None, and gone.
- ``put`` waits for nothing: the entry is found here at once, elsewhere as soon as it is written.
- It never raises for lack of space or a failing disk: the answer is then simply not kept.
- No call blocks the event loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Entry:
    """One complete answer, decoded, as it is replayed.

    ``headers`` are the few that are part of the answer (``content-type``), lower-case.
    ``stored_at`` is wall seconds. ``served_by`` names who produced it. ``body`` is the JSON body,
    or the event stream exactly as received. ``asked_at`` is the text that volatile patterns cut
    from the key (see ``core.cachekey``), so that the same question asked again is told from a
    retry; empty where nothing was cut. ``model`` names whose answer it is, for who wants all of a
    model's dropped.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    stored_at: float
    served_by: str
    session: str = ""
    asked_at: str = ""
    model: str = ""

    @property
    def size(self) -> int:
        """What it weighs against the byte limits: body and headers."""
        return len(self.body) + sum(len(k) + len(v) for k, v in self.headers)


@dataclass(frozen=True)
class CacheStats:
    """How full a cache is. ``healthy`` is False once its disk has failed; ``problem`` says how."""

    entries: int
    size_bytes: int
    max_entries: int
    max_bytes: int
    healthy: bool = True
    problem: str = ""


class Cache(Protocol):
    """Answers by key (a hex digest)."""

    async def get(self, key: str) -> Entry | None:
        """The entry, now the most recently used; None if there is none."""

    def put(self, key: str, entry: Entry) -> None:
        """Keep an entry, evicting the least recently used beyond the limits."""

    async def settle(self) -> None:
        """Wait until what was put is written."""

    async def clear(self) -> int:
        """Drop everything; how many entries went."""

    async def stats(self) -> CacheStats:
        """How full it is."""

    async def close(self) -> None:
        """Let go of files and threads."""
