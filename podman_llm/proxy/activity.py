"""What this worker does: counted in memory, told to the control plane through one small file."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from podman_llm.core.breaker import CircuitState
from podman_llm.errors import StateError
from podman_llm.host.clock import Clock
from podman_llm.state.activity import Detour, WorkerActivity
from podman_llm.telemetry import names

_log = logging.getLogger(__name__)
_WRITE_SECONDS: Final = 1.0


class Activity:
    """The numbers of one worker slot. They go on from ``before``, its file of an earlier life.

    ``requests`` is how many were answered from the cache or meant for the upstream; each is one of
    ``hits``, ``misses``, ``bypassed`` and ``coalesced`` (it joined the call of another). ``stale``
    is how many of them got an answer past its time. ``in_flight`` and ``last_counted_at`` (wall
    seconds) know only requests that reach the upstream, because only those keep a pod from being
    idle.
    ``failed_attempts`` are those after which another upstream was asked or the request refused,
    ``fallbacks`` the answers of others than the pod, ``detour`` tells of the last one or of a
    refusal; ``circuits`` tells the breakers' states.
    """

    def __init__(
        self, *, slot: int, pid: int, clock: Clock, before: WorkerActivity | None = None
    ) -> None:
        self._slot = slot
        self._pid = pid
        self._clock = clock
        self.changed = asyncio.Event()
        self.in_flight = 0
        self.last_counted_at = before.last_counted_at if before else None
        self.hits = before.hits if before else 0
        self.misses = before.misses if before else 0
        self.bypassed = before.bypassed if before else 0
        self.coalesced = before.coalesced if before else 0
        self.stale = before.stale if before else 0
        self.errors = before.errors if before else 0
        self.failed_attempts = before.failed_attempts if before else 0
        self.fallbacks = before.fallbacks if before else 0
        self.detour = before.detour if before else None
        self.circuits: Callable[[], Mapping[str, CircuitState]] = dict
        self.cache_problem = ""

    @property
    def slot(self) -> int:
        """Which worker this is."""
        return self._slot

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Around everything that keeps the upstream busy, a stream to its last byte."""
        self.in_flight += 1
        self._touch()
        try:
            yield
        finally:
            self.in_flight -= 1
            self._touch()

    def _touch(self) -> None:
        self.last_counted_at = self._clock.wall()
        self.changed.set()

    def count(self, cache: str) -> None:
        """Note one answered request by its ``X-Cache`` word."""
        match cache:
            case "HIT":
                self.hits += 1
            case "MISS":
                self.misses += 1
            case "COALESCED":
                self.coalesced += 1
            case _:
                self.bypassed += 1
        self.changed.set()

    def note_detour(self, *, status: int, served_by: str, attempts: str, why: str) -> None:
        """Remember the last answer that was neither the pod's nor a kept one."""
        self.detour = Detour(
            at=self._clock.wall(), status=status, served_by=served_by, attempts=attempts, why=why
        )
        self.changed.set()

    def snapshot(self) -> WorkerActivity:
        """The numbers as they are now."""
        return WorkerActivity(
            slot=self._slot,
            pid=self._pid,
            at=self._clock.wall(),
            in_flight=self.in_flight,
            last_counted_at=self.last_counted_at,
            requests=self.hits + self.misses + self.bypassed + self.coalesced,
            hits=self.hits,
            misses=self.misses,
            bypassed=self.bypassed,
            coalesced=self.coalesced,
            stale=self.stale,
            errors=self.errors,
            failed_attempts=self.failed_attempts,
            fallbacks=self.fallbacks,
            circuits=dict(self.circuits()),
            detour=self.detour,
            cache_problem=self.cache_problem,
        )


async def keep_written(activity: Activity, save: Callable[[WorkerActivity], None]) -> None:
    """Write the activity at once, whenever it changes, and on cancellation a last time.

    At most once a second: a reader is at most that far behind, also about busy and idle, whatever
    the traffic. ``save`` blocks, so it runs in a thread; should it fail, it is told and tried
    again with the next change, and the control plane goes on with the older file.
    """
    try:
        while True:
            activity.changed.clear()
            await asyncio.to_thread(_save, activity.snapshot(), save)
            await asyncio.sleep(_WRITE_SECONDS)
            await activity.changed.wait()
    finally:
        _save(activity.snapshot(), save)


def _save(snapshot: WorkerActivity, save: Callable[[WorkerActivity], None]) -> None:
    try:
        save(snapshot)
    except StateError as err:
        _log.warning(names.ACTIVITY_UNWRITTEN, extra={"why": str(err)})
