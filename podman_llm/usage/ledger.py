"""The ledger of pod-hours: one line per pod, in SQLite beside the state and apart from it.

Losing the pod's state loses no money: the ledger is a file of its own, and losing the ledger loses
little, as closed records are entered again from the state. Entering is idempotent by pod id and
never makes a pod cheaper. One process writes, the holder of the controller's lock; everybody may
read at the same time.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from podman_llm.core.budget import Spent
from podman_llm.core.charges import DAY, PodHours, Stretch, daily, merged, total
from podman_llm.errors import StateError

VERSION: Final = 2
"""Format that this program writes, and the newest it reads (``user_version``)."""

_SCHEMA: Final = """\
CREATE TABLE IF NOT EXISTS pods (
  pod_id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  gpu TEXT NOT NULL,
  since REAL NOT NULL,
  until REAL NOT NULL,
  micros INTEGER NOT NULL,   -- what is priced of it, its disk too, in micro-dollars
  stretches TEXT NOT NULL,   -- [[since, until, micro-dollars per hour or null], ...]
  is_settled INTEGER NOT NULL,
  reason TEXT NOT NULL,
  disk INTEGER               -- micro-dollars per hour of its container's disk
) STRICT
"""
_FIRST_SCHEMA: Final = 1  # it knew no disks
_PATIENCE: Final = 5.0  # seconds that a reader may keep the writer waiting


class PodLedger:
    """The lines of one file. Every method raises ``StateError`` when the file cannot be used."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def enter(self, lines: Iterable[PodHours]) -> None:
        """Enter what is known of these pods now; all of it or, when this fails, nothing."""
        with self._used() as db, _whole(db):
            for line in lines:
                known = _one(db, line.pod_id)
                _put(db, merged(known, line) if known else line)

    def open_lines(self) -> tuple[PodHours, ...]:
        """The pods that are not proved gone."""
        with self._used() as db:
            return tuple(map(_line, db.execute(f"{_SELECT} WHERE NOT is_settled")))

    def lines(self, *, since: float = 0.0) -> tuple[PodHours, ...]:
        """The pods that cost something after ``since``, oldest first."""
        with self._used() as db:
            found = db.execute(f"{_SELECT} WHERE until > ? ORDER BY since, pod_id", (since,))
            return tuple(map(_line, found))

    def spent(self, *, besides: str | None, day: int) -> Spent:
        """What all pods but ``besides`` cost: in all, and on the days around ``day``."""
        with self._used() as db:
            total = db.execute(
                "SELECT coalesce(sum(micros), 0) FROM pods WHERE pod_id IS NOT ?", (besides,)
            ).fetchone()[0]
        recent = self.lines(since=float((day - 1) * DAY))
        return Spent(_days(line for line in recent if line.pod_id != besides), total)

    def close(self) -> None:
        """Let the file go."""
        self._connection.close()

    @contextmanager
    def _used(self) -> Iterator[sqlite3.Connection]:
        try:
            yield self._connection
        except (sqlite3.Error, ValueError, TypeError) as err:
            raise StateError(f"the ledger cannot be used: {err}", hint=_HINT) from err


_HINT: Final = "move ledger.sqlite in the state directory away; the last 50 pods are entered anew"
_SELECT: Final = "SELECT pod_id, name, gpu, stretches, is_settled, reason, disk FROM pods"


def open_ledger(path: Path) -> PodLedger:
    """The ledger at ``path``, made if there is none, for its one writer.

    Raises:
        StateError: it cannot be opened, is damaged, or was written by a newer podman-llm.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        db = _connect(path)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        prepared(db)
    except (OSError, sqlite3.Error) as err:
        raise StateError(f"{path} cannot be used: {err}", hint=_HINT) from err
    return PodLedger(db)


def prepared(db: sqlite3.Connection) -> sqlite3.Connection:
    """The connection with the table in place, as of now; it must be in autocommit mode."""
    with _whole(db):  # a crash in between would leave what is of neither format
        if _version(db) == _FIRST_SCHEMA:
            db.execute("ALTER TABLE pods ADD COLUMN disk INTEGER")
        db.execute(_SCHEMA)
        db.execute(f"PRAGMA user_version = {VERSION}")
    return db


def read_ledger(path: Path) -> PodLedger | None:
    """The ledger for a reader; None if there is none. Nothing can be entered through it.

    Raises:
        StateError: as ``open_ledger``.
    """
    if not path.exists():
        return None
    try:
        db = _connect(path)
        if _version(db) == _FIRST_SCHEMA:
            db.execute("CREATE TEMP VIEW pods AS SELECT *, NULL AS disk FROM main.pods")
        db.execute("PRAGMA query_only = ON")
    except sqlite3.Error as err:
        raise StateError(f"{path} cannot be read: {err}", hint=_HINT) from err
    return PodLedger(db)


def _connect(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)
    if (version := _version(db)) > VERSION:
        db.close()
        raise StateError(
            f"{path} has format version {version}; this podman-llm reads up to version {VERSION}",
            hint="use the newer podman-llm that wrote it",
        )
    return db


@contextmanager
def _whole(db: sqlite3.Connection) -> Iterator[None]:
    """All that is written within, or nothing of it."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if db.in_transaction:  # SQLite itself takes back what a full disk has stopped
            db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _version(db: sqlite3.Connection) -> int:
    return int(db.execute("PRAGMA user_version").fetchone()[0])


def _one(db: sqlite3.Connection, pod_id: str) -> PodHours | None:
    row = db.execute(f"{_SELECT} WHERE pod_id = ?", (pod_id,)).fetchone()
    return _line(row) if row else None


def _put(db: sqlite3.Connection, line: PodHours) -> None:
    parts = [[part.since, part.until, part.micros_per_hour] for part in line.stretches]
    db.execute(
        "INSERT OR REPLACE INTO pods VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            line.pod_id,
            line.name,
            line.gpu,
            line.since,
            line.until,
            total((*line.stretches, line.disk)).micros,
            json.dumps(parts),
            line.is_settled,
            line.reason,
            line.disk_micros_per_hour,
        ),
    )


def _line(row: tuple[str, str, str, str, int, str, int | None]) -> PodHours:
    pod_id, name, gpu, parts, is_settled, reason, disk = row
    stretches = tuple(Stretch(*part) for part in json.loads(parts))
    return PodHours(pod_id, name, gpu, stretches, bool(is_settled), reason, disk)


def _days(lines: Iterable[PodHours]) -> Mapping[int, int]:
    days: dict[int, int] = {}
    for line in lines:
        for day, amount in daily((*line.stretches, line.disk)).items():
            days[day] = days.get(day, 0) + amount.micros
    return days
