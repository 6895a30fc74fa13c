"""What the proxy workers do, for the idle limit and for people.

An unreadable file is *unknown*, never idle: a pod is not ended because a file was lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import Field

from podman_llm.core.breaker import CircuitState
from podman_llm.errors import StateError
from podman_llm.state import documents
from podman_llm.state.paths import StatePaths

_DISTRUST: Final[tuple[CircuitState, ...]] = ("CLOSED", "HALF_OPEN", "OPEN")


class Detour(documents.Document):
    """An answer that was neither the pod's nor a kept one: whose, when (wall seconds), and why.

    A refusal is ours, with its ``status``; ``attempts`` are those made before, as in the header.
    """

    at: float
    status: int
    served_by: str
    attempts: str
    why: str


class WorkerActivity(documents.Document):
    """One worker's doings. ``at`` and ``last_counted_at`` are wall seconds.

    ``last_counted_at`` is the last request that reached the pod: cache hits and probes do not
    count. The numbers are totals of the slot over all its restarts.
    """

    version: int = 1
    slot: int
    pid: int
    at: float
    in_flight: int
    last_counted_at: float | None
    requests: int
    hits: int
    misses: int
    bypassed: int
    coalesced: int = 0
    stale: int = 0
    errors: int
    cache_problem: str = ""
    failed_attempts: int = 0
    fallbacks: int = 0
    circuits: dict[str, CircuitState] = Field(default_factory=dict)
    detour: Detour | None = None


@dataclass(frozen=True)
class ActivitySummary:
    """All workers together. ``known`` is False when no live worker's file could be read."""

    in_flight: int
    last_counted_at: float | None
    requests: int
    hits: int
    misses: int
    bypassed: int
    errors: int
    hit_rate: float | None
    known: bool
    failed_attempts: int = 0
    fallbacks: int = 0
    circuits: Mapping[str, CircuitState] = field(default_factory=dict)
    coalesced: int = 0
    stale: int = 0
    detour: Detour | None = None


def save_activity(paths: StatePaths, activity: WorkerActivity) -> None:
    """Replace this slot's file.

    Raises:
        StateError: it cannot be written.
    """
    documents.save(paths.activity_dir / f"worker-{activity.slot}.json", activity)


def load_activities(paths: StatePaths) -> tuple[WorkerActivity, ...]:
    """Every slot that can be read, by slot; a damaged file is left out."""
    found = (_load_one(file) for file in paths.activity_dir.glob("worker-*.json"))
    return tuple(sorted((one for one in found if one), key=lambda one: one.slot))


def summarise(
    activities: Iterable[WorkerActivity], *, is_alive: Callable[[int], bool]
) -> ActivitySummary:
    """Add the slots up. A dead worker's totals count; what it had in flight is gone with it."""
    slots = tuple(activities)
    live = [one for one in slots if is_alive(one.pid)]
    hits, misses = sum(one.hits for one in slots), sum(one.misses for one in slots)
    counted = [one.last_counted_at for one in slots if one.last_counted_at is not None]
    return ActivitySummary(
        in_flight=sum(one.in_flight for one in live),
        last_counted_at=max(counted, default=None),
        requests=sum(one.requests for one in slots),
        hits=hits,
        misses=misses,
        bypassed=sum(one.bypassed for one in slots),
        errors=sum(one.errors for one in slots),
        hit_rate=hits / (hits + misses) if hits + misses else None,
        known=bool(live),
        failed_attempts=sum(one.failed_attempts for one in slots),
        fallbacks=sum(one.fallbacks for one in slots),
        circuits=_worst(live),
        coalesced=sum(one.coalesced for one in slots),
        stale=sum(one.stale for one in slots),
        detour=max(
            (one.detour for one in slots if one.detour), key=lambda last: last.at, default=None
        ),
    )


def _worst(live: Iterable[WorkerActivity]) -> Mapping[str, CircuitState]:
    """Each circuit as the worker sees it that trusts it least."""
    worst: dict[str, CircuitState] = {}
    for one in live:
        for name, state in one.circuits.items():
            worst[name] = max(worst.get(name, state), state, key=_DISTRUST.index)
    return worst


def _load_one(file: Path) -> WorkerActivity | None:
    try:
        return documents.load(file, WorkerActivity)
    except StateError:
        return None
