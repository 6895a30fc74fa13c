"""How long a pod may live: deadlines, extension, and the idle limit.

The wall clock alone is not trusted. A pod's time is the latest of what the wall clock says, what
the time since boot says (it counts suspend, and nobody sets it), and, after a reboot has broken
that thread, what the provider's own creation time says; from there the time since boot goes on. So
a clock set back never extends a lease while the host runs, nor by more than what passed since the
last move over a reboot; one set forward may end it early, which is the side that costs nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import Enum, auto

from podman_llm.core.pod import ClockReading, PodRecord


class Expiry(Enum):
    """Which deadline has passed."""

    SOFT = auto()  # the lease: requests in flight may finish
    HARD = auto()  # the cap fixed at creation: at once


@dataclass(frozen=True)
class Deadlines:
    """Wall seconds. ``hard`` is whole seconds, as it is part of the pod's name."""

    soft: float
    hard: float


@dataclass(frozen=True)
class Traffic:
    """What the proxy says about requests that reach the pod.

    ``last_counted_at`` and ``busy_at`` are wall seconds: the latest request counted, and the
    latest time a request was seen in flight, None for never. When ``is_known`` is false nothing
    may be concluded.
    """

    in_flight: int
    last_counted_at: float | None
    busy_at: float | None
    is_known: bool


def deadlines(
    start: float, *, runtime: float, extension: float, affordable_until: float = math.inf
) -> Deadlines:
    """The deadlines of a pod asked for at ``start``; ``extension`` is the most ``extend`` may add.

    Boot counts, because it is billed. No deadline is later than the money lasts.
    """
    hard = float(math.floor(min(start + runtime + extension, affordable_until)))
    return Deadlines(soft=min(start + runtime, hard), hard=hard)


def pod_time(record: PodRecord, reading: ClockReading) -> float:
    """Now, as this pod's lease counts: wall seconds that no clock move can hold back."""
    if record.intent.boot_id == reading.boot_id or record.created_at is None:
        # The time since the intent is known exactly; a provider's clock that is merely behind
        # ours must not shorten the lease. Only after a reboot is it the better witness.
        return max(reading.wall, steady_time(record, reading))
    return reading.wall + max(0.0, record.intent.wall - record.created_at)


def steady_time(record: PodRecord, reading: ClockReading) -> float:
    """Now, for measuring how far apart two events of this pod are.

    No step of the wall clock enters, in either direction, until the host reboots.
    """
    if record.intent.boot_id == reading.boot_id:
        return record.intent.wall + reading.boottime - record.intent.boottime
    return reading.wall


def of_this_boot(record: PodRecord, reading: ClockReading) -> PodRecord:
    """The record with its beginnings told in the time since this boot of the host.

    Time does not go back behind the last move, whatever the wall clock says after a reboot, and
    from there it goes on as steadily as it did before.
    """
    if record.intent.boot_id == reading.boot_id:
        return record
    return replace(
        record,
        intent=retold(record.intent, record, reading),
        sent=retold(record.sent, record, reading) if record.sent else None,
        lease_began=retold(record.lease_began, record, reading) if record.lease_began else None,
    )


def retold(since: ClockReading, record: PodRecord, reading: ClockReading) -> ClockReading:
    """A beginning of the record's, told in the time since this boot of the host."""
    if since.boot_id == reading.boot_id:
        return since
    latest = record.transitions[-1].at if record.transitions else record.intent.wall
    passed = max(0.0, max(pod_time(record, reading), latest) - since.wall)
    return replace(reading, wall=since.wall, boottime=reading.boottime - passed)


def elapsed(since: ClockReading, reading: ClockReading) -> float:
    """Seconds between two looks at the clocks, as well as it can be known; never negative."""
    if since.boot_id == reading.boot_id:
        return max(0.0, reading.boottime - since.boottime)
    return max(0.0, reading.wall - since.wall)


def extended(record: PodRecord, seconds: float) -> float:
    """The soft deadline with ``seconds`` granted: never earlier than now in force, never past hard.

    ``seconds`` is the sum granted so far, so that applying it twice changes nothing.
    """
    first = record.soft_deadline if record.first_deadline is None else record.first_deadline
    return min(record.hard_deadline, max(record.soft_deadline, first + max(0.0, seconds)))


def expiry(record: PodRecord, now: float) -> Expiry | None:
    """Which deadline has passed at ``now`` (pod time), if any."""
    if now >= record.hard_deadline:
        return Expiry.HARD
    if now >= record.soft_deadline:
        return Expiry.SOFT
    return None


def idle_seconds(record: PodRecord, traffic: Traffic, now: float) -> float | None:
    """How long no request has reached the pod, or None when that cannot be said.

    It cannot while the model has not answered yet, while anything is in flight, and while the
    proxy's numbers are unreadable.
    """
    if record.ready_at is None or not traffic.is_known or traffic.in_flight:
        return None
    seen = (record.ready_at, traffic.last_counted_at, traffic.busy_at)
    return max(0.0, now - max(at for at in seen if at is not None))


def idle_limit(record: PodRecord, configured: float | None) -> float | None:
    """The idle time that ends the pod; None for never.

    Never shorter than the cold start that was measured: whoever comes back would wait longer for
    the next pod than this one would have idled. Of a pod taken over the cold start is not known.
    """
    took = cold_start(record)
    return None if configured is None or took is None else max(configured, took)


def cold_start(record: PodRecord) -> float | None:
    """Seconds from the request to the first answer of the model; None before that."""
    if record.ready_at is None:
        return None
    return record.ready_at - (record.taken_over_at or (record.sent or record.intent).wall)
