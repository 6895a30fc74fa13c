"""The disk tier for the event loop: its calls run in two threads of their own.

One thread reads and one writes, so that no answer waits behind another one being stored. What is
asked for while the reader is busy goes there together the next time, and what is put waits a
moment for more, for the way to a thread and back costs more than the work; until it is written it
is given from memory. A disk that hangs costs some requests a bounded wait, and the others their
entry.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from podman_llm.cache.base import CacheStats, Entry
from podman_llm.cache.disk import DiskStore

T = TypeVar("T")

_PATIENCE_SECONDS = 5.0  # longer than the store waits for a lock; more means that the disk hangs
_GATHER_SECONDS = 0.05  # entries put this close together are written in one transaction
_MOST_WANTED = 4096  # questions that wait at once; a request for embeddings may ask 2048
_MOST_WAITING = 4096  # entries that wait at once to be written
_MOST_WAITING_BYTES = 64 * 1024 * 1024  # and their size together
_MOST_JOBS = 8  # in a thread at once: more means that the disk hangs, and nothing is asked of it


class DiskCache:
    """The contract of ``cache.base`` over a ``DiskStore``."""

    def __init__(self, store: DiskStore) -> None:
        self._store = store
        self._reader = ThreadPoolExecutor(1, "cache-read")
        self._writer = ThreadPoolExecutor(1, "cache-write")
        self._places = {
            thread: threading.Semaphore(_MOST_JOBS) for thread in (self._reader, self._writer)
        }
        self._wanted: dict[str, asyncio.Future[Entry | None]] = {}
        self._reading: asyncio.Task[None] | None = None
        self._waiting: dict[str, Entry] = {}
        self._waiting_bytes = 0
        self._being_written: dict[str, Entry] = {}
        self._writing: asyncio.Task[None] | None = None
        self._is_closed = False

    async def get(self, key: str) -> Entry | None:
        """The entry, now the most recently used; None if there is none, or the disk is stuck."""
        entry = self._waiting.get(key) or self._being_written.get(key)
        if entry is not None or len(self._wanted) >= _MOST_WANTED:
            return entry
        if not self._store.may_have(key):
            return None
        if key not in self._wanted:
            self._wanted[key] = asyncio.get_running_loop().create_future()
        found = self._wanted[key]
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_wanted())
        return await asyncio.shield(found)

    async def _read_wanted(self) -> None:
        while self._wanted:
            wanted, self._wanted = self._wanted, {}
            found: dict[str, Entry] = {}
            try:
                found = await self._run(
                    self._reader, partial(self._store.read_all, [*wanted]), found
                )
            finally:  # a defect here must not become a request that waits for ever
                for key, future in wanted.items():
                    future.set_result(found.get(key))

    def put(self, key: str, entry: Entry) -> None:
        """Keep an entry, evicting the least recently used beyond the limits."""
        if self._is_closed or not self._has_room():
            return
        self._waiting[key] = entry
        self._waiting_bytes += entry.size
        self._writing = self._writing or asyncio.create_task(self._write_waiting())

    def _has_room(self) -> bool:
        return len(self._waiting) < _MOST_WAITING and self._waiting_bytes < _MOST_WAITING_BYTES

    async def _write_waiting(self) -> None:
        """Write in batches until nothing waits."""
        try:
            while self._waiting:
                await asyncio.sleep(_GATHER_SECONDS)
                batch = self._being_written = self._waiting
                self._waiting, self._waiting_bytes = {}, 0
                await self._run(self._writer, partial(self._store.write_all, batch), None)
                self._being_written = {}
        finally:
            self._being_written, self._writing = {}, None

    async def settle(self) -> None:
        """Wait until what was put is written. Raises what a defect in writing raised."""
        if self._writing is not None:
            await asyncio.shield(self._writing)

    def touch(self, keys: Iterable[str]) -> None:
        """Count entries as just used, because another tier gave them. Does not block."""
        self._store.touch(keys)

    async def clear(self) -> int:
        """Drop everything; how many entries went."""
        self._waiting, self._being_written, self._waiting_bytes = {}, {}, 0
        # What is being written is gone too: the writer's thread clears after that.
        return await self._run(self._writer, self._store.clear, 0)

    async def stats(self) -> CacheStats:
        """How full it is."""
        stuck = CacheStats(0, 0, 0, 0, healthy=False, problem="cache: the disk does not answer")
        return await self._run(self._reader, self._store.stats, stuck)

    def generation(self) -> object:
        """Another value whenever answers that came from here stop being good. Does not block."""
        return self._store.generation()

    async def close(self) -> None:
        """Let what was put reach the disk, then let go of files and threads."""
        await self.settle()
        for thread in (self._writer, self._reader):
            await self._run(thread, self._store.close, None)
        self._is_closed = True
        for thread in (self._writer, self._reader):
            thread.shutdown(wait=False)

    async def _run(self, thread: ThreadPoolExecutor, job: Callable[[], T], otherwise: T) -> T:
        if self._is_closed or not self._places[thread].acquire(blocking=False):
            return otherwise
        running = thread.submit(job)
        # Given back by the job, not by who waits for it: a job given up still holds the disk.
        running.add_done_callback(lambda _: self._places[thread].release())
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await asyncio.wrap_future(running)
        except TimeoutError:
            return otherwise
