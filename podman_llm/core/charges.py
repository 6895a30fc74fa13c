"""Pod-hours: what a pod cost, as stretches of time at a rate, in whole micro-dollars.

Rounding goes up and days are UTC days, so that sums never fall short of the bill and two readers
get the same numbers. A stretch without a price is not free: its seconds are counted beside the
sum, and nobody may read them as 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from podman_llm.core.pod import Phase, PodRecord
from podman_llm.core.sight import PodSight

DAY: Final = 86400
MICROS: Final = 1_000_000
"""Micro-dollars in a dollar."""
_HOUR: Final = 3600


@dataclass(frozen=True)
class Stretch:
    """Wall seconds at one rate; ``micros_per_hour`` is None where nobody told the price."""

    since: float
    until: float
    micros_per_hour: int | None


@dataclass(frozen=True)
class Amount:
    """Money spent; ``unpriced`` are seconds that cost something nobody told."""

    micros: int = 0
    unpriced: float = 0.0

    def __add__(self, other: Amount) -> Amount:
        """Both together."""
        return Amount(self.micros + other.micros, self.unpriced + other.unpriced)

    @property
    def usd(self) -> float:
        """For people and JSON."""
        return self.micros / MICROS


@dataclass(frozen=True)
class PodHours:
    """What one pod cost: one line of the ledger.

    ``is_settled`` says that the pod is proved gone, so that its last stretch has ended; an open
    line has been brought up to its end and goes on. The stretches are the GPUs'; the container's
    disk is ``disk_micros_per_hour`` all the while, None where its price is not known.
    """

    pod_id: str
    name: str
    gpu: str
    stretches: tuple[Stretch, ...]
    is_settled: bool = False
    reason: str = ""
    disk_micros_per_hour: int | None = None

    @property
    def since(self) -> float:
        """When it was asked for."""
        return self.stretches[0].since

    @property
    def until(self) -> float:
        """Up to when it is accounted for."""
        return self.stretches[-1].until

    @property
    def amount(self) -> Amount:
        """All that its GPUs cost."""
        return total(self.stretches)

    @property
    def disk(self) -> Stretch:
        """The time for which its container's disk is billed."""
        return Stretch(self.since, self.until, self.disk_micros_per_hour)


def micros(usd: float) -> int:
    """Dollars as whole micro-dollars."""
    return round(usd * MICROS)


def day_of(at: float) -> int:
    """The UTC day of a wall time, counted since 1970."""
    return math.floor(at / DAY)


def stretches(record: PodRecord, now: float) -> tuple[Stretch, ...]:
    """From the POST until ``now``, or until the proof of absence.

    A request that is proved to have made no pod cost nothing.
    """
    if record.phase is Phase.CANCELLED or (
        record.evidence is not None and record.evidence.kind == "never_appeared"
    ):
        return ()
    until = _end(record, now)
    ends = [rate.since for rate in record.rates[1:]] + [until]
    return tuple(
        Stretch(rate.since, max(rate.since, end), micros(rate.usd_per_hour))
        for rate, end in zip(record.rates, ends, strict=bool(record.rates))
    )


def daily(parts: Iterable[Stretch]) -> Mapping[int, Amount]:
    """The amount of each UTC day that has one."""
    found: dict[int, Amount] = {}
    for part in parts:
        for piece in _cut(part):
            day = day_of(piece.since)
            found[day] = found.get(day, Amount()) + _amount(piece)
    return found


def total(parts: Iterable[Stretch]) -> Amount:
    """The sum of all days."""
    return sum(daily(parts).values(), Amount())


def disk_stretches(record: PodRecord, now: float) -> tuple[Stretch, ...]:
    """When the container's disk was billed; nothing where its price is not known."""
    parts = stretches(record, now)
    rate = record.candidate.disk_per_hour
    if not parts or rate is None:
        return ()
    return (Stretch(parts[0].since, parts[-1].until, micros(rate)),)


def hours_of(record: PodRecord, now: float) -> PodHours | None:
    """The ledger's line of a pod of ours; None while there is no pod that anybody knows of."""
    parts = stretches(record, now)
    if record.pod_id is None or not parts:
        return None
    disk = record.candidate.disk_per_hour
    return PodHours(
        pod_id=record.pod_id,
        name=record.name,
        gpu=record.candidate.gpu_name,
        stretches=parts,
        is_settled=not record.is_open,
        reason=record.reason or "",
        disk_micros_per_hour=None if disk is None else micros(disk),
    )


def hours_of_orphan(pod: PodSight, now: float) -> PodHours:
    """The line of a pod of ours that is in no record: from its creation, at the price it shows."""
    since = min(now, now if pod.created_at is None else pod.created_at)
    rate = micros(pod.cost_per_hour) if pod.cost_per_hour else None
    parts = (Stretch(since, now, rate),)
    return PodHours(pod.pod_id, pod.name, pod.gpu_id or "", parts, reason="orphan")


def merged(known: PodHours, told: PodHours) -> PodHours:
    """Both accounts of one pod as one: it never gets cheaper, and no time of it is lost.

    What was told first stays when the new account is of less money, of less time, or lacks a
    price; it is then carried on at the last price known.
    """
    if told.disk_micros_per_hour is None:
        told = replace(told, disk_micros_per_hour=known.disk_micros_per_hour)
    dearer = told.amount.micros >= known.amount.micros and told.amount.unpriced == 0
    if dearer and told.since <= known.since and told.until >= known.until:
        return told
    return replace(told, stretches=_carried_on(known.stretches, told))


def _carried_on(known: tuple[Stretch, ...], told: PodHours) -> tuple[Stretch, ...]:
    *before, last = known
    if told.until <= last.until:
        return known
    rate = told.stretches[-1].micros_per_hour or last.micros_per_hour
    if rate == last.micros_per_hour:
        return (*before, replace(last, until=told.until))
    return (*known, Stretch(last.until, told.until, rate))


def _end(record: PodRecord, now: float) -> float:
    if record.evidence is not None:
        return record.evidence.at
    is_left = not record.is_open and record.transitions
    return record.transitions[-1].at if is_left else now


def _cut(part: Stretch) -> Iterator[Stretch]:
    since = part.since
    while since < part.until:
        until = min(part.until, float((day_of(since) + 1) * DAY))
        yield Stretch(since, until, part.micros_per_hour)
        since = until


def _amount(piece: Stretch) -> Amount:
    seconds = piece.until - piece.since
    if piece.micros_per_hour is None:
        return Amount(unpriced=seconds)
    return Amount(math.ceil(piece.micros_per_hour * seconds / _HOUR))
