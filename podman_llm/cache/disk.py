"""Answers on disk: least recently used out first, shared by all workers, never pickle.

``diskcache`` gives what is hard to get right, an LRU over SQLite and files that several processes
may use at once. Its habit of pickling is taken away (CVE-2025-69872): only bytes go in, and
whatever else is found inside is damage. ``cache.threaded`` keeps all this off the event loop.
"""

from __future__ import annotations

import errno
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

import diskcache
from diskcache.core import MODE_BINARY, MODE_RAW, UNKNOWN

from podman_llm.cache.base import CacheStats, Entry
from podman_llm.cache.codec import Damaged, decode_entry, encode_entry
from podman_llm.cache.directory import CacheDirectory, is_value_name
from podman_llm.cache.listing import HEAD_BYTES, Kept, kept_as
from podman_llm.cache.sketch import KeySketch
from podman_llm.errors import ConfigError
from podman_llm.host.clock import Clock

T = TypeVar("T")

_LOCK_SECONDS = 2.0  # others hold the database for milliseconds; a request waits no longer for it
_REST_SECONDS = 5.0  # after a fault the disk is left alone for so long
_WRITING_SECONDS = 600.0  # a value without an entry may be in the middle of getting one so long
# Later than every use so far, which is all that an order needs, whatever the wall clock does.
_NOW = "(SELECT COALESCE(MAX(access_time), 0) FROM Cache) + 1e-6"
_INSERT = "INSERT INTO Cache(key, raw, store_time, access_time, size, mode, filename, value) VALUES"
_ROW = f"(?, 1, {_NOW}, {_NOW}, ?, ?, ?, ?)"
_FAULTS = (OSError, sqlite3.Error, diskcache.Timeout, TypeError, ValueError, KeyError, ConfigError)


class _BytesDisk(diskcache.Disk):  # type: ignore[misc] # the library ships no types
    """Stores and fetches bytes under text keys, and refuses anything else, in both directions."""

    def put(self, key: object) -> tuple[str, bool]:
        if type(key) is not str:
            raise TypeError(f"a cache key is text, not {type(key).__name__}")
        return key, True

    def get(self, key: object, raw: object) -> str:
        if type(key) is not str or not raw:
            raise TypeError("a key in the cache is not text")
        return key

    def store(
        self, value: object, read: object, key: object = UNKNOWN
    ) -> tuple[int, int, str | None, bytes | None]:
        """As in the library, but the size of small values counts too, and no half file stays."""
        if type(value) is not bytes or read:
            raise TypeError(f"a cache value is bytes, not {type(value).__name__}")
        if len(value) < self.min_file_size:
            return len(value), MODE_RAW, None, value
        name, path = self.filename(key, value)
        try:
            self._write(path, (value,), "xb")
        except OSError:
            self.remove(name)
            raise
        return len(value), MODE_BINARY, name, None

    def fetch(self, mode: int, filename: str | None, value: object, read: object) -> bytes:
        """The bytes; none at all, which is no entry, for whatever else a row claims to be."""
        if mode == MODE_RAW and type(value) is bytes:
            return value
        return self.read_file(filename) if mode == MODE_BINARY and not read else b""

    def read_file(self, name: str | None, size: int = -1) -> bytes:
        """The first ``size`` bytes of a value's file, all by default; none if it is no such."""
        if not name or not is_value_name(name):
            return b""
        try:
            with Path(self._directory, name).open("rb") as file:
                return file.read(size)
        except FileNotFoundError:
            return b""

    def remove(self, file_path: str) -> None:
        """As in the library, but only what a value may be called: rows are not to be trusted."""
        if is_value_name(file_path):
            super().remove(file_path)


class _Shelf(diskcache.Cache):  # type: ignore[misc] # the library ships no types
    """The library's cache with what it lacks. Faults come out as they are."""

    def peek(self, key: str) -> bytes | None:
        """The value, its use not noted: that takes the lock for which writers queue."""
        found = self._sql(
            "SELECT mode, filename, value FROM Cache WHERE key = ? AND raw = 1", (key,)
        )
        row = found.fetchone()
        return None if row is None else self._disk.fetch(*row, read=False)

    def set_all(self, values: Mapping[str, bytes]) -> bool:
        """Keep values, and say whether one of them replaced another.

        New ones, as nearly all are, go in with one statement: the library takes some ten for each,
        and each of them, a thread switch, holds the event loop up.
        """
        marks = ", ".join("?" * len(values))
        known = self._sql(f"SELECT key FROM Cache WHERE raw = 1 AND key IN ({marks})", [*values])  # noqa: S608 - marks
        replaced = {key for (key,) in known.fetchall()}
        for key in replaced:
            self.set(key, values[key])
        columns: list[object] = []
        for key in values.keys() - replaced:
            columns += (key, *self._disk.store(values[key], read=False, key=key))
        if columns:
            rows = ", ".join([_ROW] * (len(values) - len(replaced)))
            self._sql(f"{_INSERT} {rows}", columns)
        return bool(replaced)

    def evict_beyond(self, max_entries: int, max_bytes: int) -> None:
        """Drop the least recently used until both limits hold."""
        entries, size = self.measure()
        if entries <= max_entries and size <= max_bytes:
            return
        with self._transact(retry=False) as (sql, cleanup):
            entries, size = self.measure()
            oldest = sql("SELECT rowid, size, filename FROM Cache ORDER BY access_time, rowid")
            doomed = []
            while (entries > max_entries or size > max_bytes) and (row := oldest.fetchone()):
                doomed.append(row)
                entries, size = entries - 1, size - row[1]
            oldest.close()
            for rowid, _, filename in doomed:
                sql("DELETE FROM Cache WHERE rowid = ?", (rowid,))
                cleanup(filename)

    def touch_all(self, keys: Iterable[str]) -> None:
        """Make these the most recently used, whatever the wall clock says."""
        with self._transact(retry=False) as (sql, _):
            for key in keys:
                sql(
                    f"UPDATE Cache SET access_time = {_NOW} WHERE key = ? AND raw = 1",  # noqa: S608 - a constant
                    (key,),
                )

    def keys(self) -> list[str]:
        """All keys."""
        return [key for (key,) in self._sql("SELECT key FROM Cache WHERE raw = 1")]

    def kept(self) -> list[Kept]:
        """All entries by their heads, the last used first."""
        rows = self._sql(
            "SELECT key, size, filename, substr(value, 1, ?) FROM Cache WHERE raw = 1"
            " ORDER BY access_time DESC",
            (HEAD_BYTES,),
        )
        return [
            kept_as(key, size, head or self._disk.read_file(name, HEAD_BYTES))
            for key, size, name, head in rows
        ]

    def sweep(self, before: float) -> None:
        """Remove values of no entry, left by who died while writing, if older than ``before``."""
        known = {name for (name,) in self._sql("SELECT filename FROM Cache")}
        for path in Path(self.directory).glob("??/??/*.val"):
            name = path.relative_to(self.directory).as_posix()
            if name not in known and is_value_name(name) and path.stat().st_mtime < before:
                self.disk.remove(name)

    def measure(self) -> tuple[int, int]:
        """Entries, and their bytes."""
        return self.reset("count"), self.reset("size")


class DiskStore:
    """Entries by key in a directory, within a number of entries and a number of bytes.

    Calls block, and may come from several threads. None raises for what the disk does: after a
    fault reads find nothing, writes keep nothing, ``stats`` says why, and a few seconds later the
    disk is tried again. A database damaged beyond reading is thrown away: it is a cache.

    The directory is made by ``prepare`` or the first write. One that is there and not ours alone
    raises ConfigError at once. The bytes counted are those of entries; SQLite's pages add some
    percent.
    """

    def __init__(self, directory: Path, *, max_entries: int, max_bytes: int, clock: Clock) -> None:
        self._directory = CacheDirectory(directory)
        self._directory.check()
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._clock = clock
        self._opening = threading.Lock()
        self._shelf: _Shelf | None = None
        self._sketch: KeySketch | None = None
        self._database: int | None = None
        self._using = threading.Lock()
        self._used: set[str] = set()
        self._problem = ""
        self._resting_until = 0.0

    def prepare(self) -> None:
        """Make, open and tidy it now, so that ``stats`` can tell at once whether it is of use."""
        before = self._clock.wall() - _WRITING_SECONDS
        self._attempt(lambda shelf: shelf.sweep(before), None)
        self.close()

    def may_have(self, key: str) -> bool:
        """False only if there is no such entry for certain. Cheap, unlike all the rest."""
        sketch = self._sketch
        return sketch is None or sketch.may_have(key)

    def read(self, key: str) -> Entry | None:
        """The entry, now the most recently used. A damaged one is deleted, and None."""
        return self.read_all([key]).get(key)

    def read_all(self, keys: Iterable[str]) -> dict[str, Entry]:
        """Those of the entries that are there."""

        def read(shelf: _Shelf) -> dict[str, Entry]:
            found = ((key, self._read(shelf, key)) for key in keys)
            return {key: entry for key, entry in found if entry is not None}

        return self._attempt(read, {}) if self._exists() else {}

    def _read(self, shelf: _Shelf, key: str) -> Entry | None:
        frame = shelf.peek(key)
        if frame is None:
            return None
        try:
            entry = decode_entry(key, frame)
        except Damaged:
            if shelf.peek(key) == frame:  # and not replaced by a sound one meanwhile
                shelf.delete(key)
            return None
        self.touch([key])
        return entry

    def write(self, key: str, entry: Entry) -> None:
        """Keep one entry."""
        self.write_all({key: entry})

    def write_all(self, entries: Mapping[str, Entry]) -> None:
        """Keep entries, all or none, and evict what no longer fits.

        Replacing one moves the generation on, so that no other worker goes on giving the old one.
        """
        frames = {key: encode_entry(key, entry) for key, entry in entries.items()}
        fitting = {key: frame for key, frame in frames.items() if len(frame) <= self._max_bytes}
        if fitting and self._max_entries:
            self._attempt(lambda shelf: self._write(shelf, fitting), None)

    def _write(self, shelf: _Shelf, frames: Mapping[str, bytes]) -> None:
        with shelf.transact(retry=False):
            self._tell_used(shelf)
            if self._sketch:
                self._sketch.add(frames)
            replaces = shelf.set_all(frames)
            shelf.evict_beyond(self._max_entries, self._max_bytes)
        if replaces:
            self._directory.next_generation()

    def touch(self, keys: Iterable[str]) -> None:
        """Count entries as just used, because another tier gave them."""
        with self._using:
            self._used.update(keys)

    def _tell_used(self, shelf: _Shelf) -> None:
        """Write down who was used, which is soon enough right before somebody is evicted."""
        with self._using:
            used, self._used = self._used, set()
        if used:
            shelf.touch_all(used)

    def clear(self) -> int:
        """Drop everything; how many entries went. A database that cannot be read goes whole."""
        if not self._exists():
            return 0
        self._resting_until = 0.0
        return self._attempt(self._clear, 0)

    def _clear(self, shelf: _Shelf) -> int:
        count = int(shelf.clear(retry=False))
        self._mark_keys(shelf)
        self._directory.next_generation()
        return count

    def kept(self) -> list[Kept]:
        """What there is, the last used first."""
        return self._attempt(_Shelf.kept, []) if self._exists() else []

    def drop(self, keys: Iterable[str]) -> int:
        """Drop entries; how many of them there were."""

        def drop(shelf: _Shelf) -> int:
            with shelf.transact(retry=False):
                count = sum(bool(shelf.delete(key)) for key in keys)
            self._directory.next_generation()
            return count

        return self._attempt(drop, 0) if self._exists() else 0

    def stats(self) -> CacheStats:
        """How full it is. What was never written to is empty, and is not made by asking."""
        entries, size = self._attempt(_Shelf.measure, (0, 0)) if self._exists() else (0, 0)
        problem = self._problem
        return CacheStats(entries, size, self._max_entries, self._max_bytes, not problem, problem)

    def generation(self) -> object:
        """Another value whenever answers that came from here stop being good. Does not block."""
        return self._directory.generation()

    def close(self) -> None:
        """Close the calling thread's connection. The store may be used again."""
        if self._used and self._exists():
            self._attempt(self._tell_used, None)
        if self._shelf is not None:
            self._shelf.close()

    def _exists(self) -> bool:
        return self._directory.database() is not None

    # what the disk does -----------------------------------------------------------------------

    def _attempt(self, job: Callable[[_Shelf], T], otherwise: T) -> T:
        try:
            with self._opening:
                shelf = self._opened()
            if shelf is None:
                return otherwise
            result = job(shelf)
        except _FAULTS as fault:
            self._rest(fault)
            return otherwise
        self._problem = ""
        return result

    def _opened(self) -> _Shelf | None:
        """The shelf on the database that is there now, which need not be the one of before."""
        if self._clock.monotonic() < self._resting_until:
            return None
        there = self._directory.database()
        if self._shelf is None or there != self._database:
            self._database = there
            self._directory.ensure()
            self._shelf = _Shelf(
                str(self._directory.path),
                timeout=_LOCK_SECONDS,
                disk=_BytesDisk,
                eviction_policy="least-recently-used",
                cull_limit=0,  # the library's own culling knows no limit of entries
            )
            self._database = self._directory.database()
            self._sketch = KeySketch(self._directory.path / "keys")
            self._mark_keys(self._shelf)
        return self._shelf

    def _mark_keys(self, shelf: _Shelf) -> None:
        with shelf.transact(retry=False):  # so that no worker adds one meanwhile
            if self._sketch:
                self._sketch.rebuild(shelf.keys())

    def _rest(self, fault: Exception) -> None:
        with self._opening:
            self._shelf = None
            self._problem = _in_words(fault, self._directory.path)
            self._resting_until = self._clock.monotonic() + _REST_SECONDS
            # Another worker may have begun a new database already; that one is not to blame.
            if _is_damage(fault) and self._database == self._directory.database():
                self._directory.discard()


def open_disk_cache(
    directory: Path, *, max_entries: int, max_bytes: int, clock: Clock
) -> DiskStore:
    """The disk tier for callers without an event loop (``podman-llm cache``)."""
    return DiskStore(directory, max_entries=max_entries, max_bytes=max_bytes, clock=clock)


def _is_damage(fault: Exception) -> bool:
    # SQLite's other errors are subclasses; this very class says that the file is not a database.
    return type(fault) is sqlite3.DatabaseError


def _in_words(fault: Exception, path: Path) -> str:
    if isinstance(fault, diskcache.Timeout):
        return f"cache: {path} is locked by another process, or cannot be written"
    if _is_damage(fault):
        return f"cache: the database in {path} is damaged ({fault}); it is started anew"
    if (isinstance(fault, OSError) and fault.errno == errno.ENOSPC) or "is full" in str(fault):
        return f"cache: the disk of {path} is full"
    return f"cache: {path} cannot be used: {fault}"
