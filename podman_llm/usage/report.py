"""The ledger summed up for people, and held against the provider's own bill."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final, Protocol

from podman_llm.core.charges import DAY, Amount, PodHours, daily, day_of, hours_of, merged, total
from podman_llm.core.pod import PodRecord

_EPOCH: Final = date(1970, 1, 1).toordinal()


@dataclass(frozen=True)
class Period:
    """One UTC day (``2026-11-20``) or month (``2026-11``) and what it cost."""

    name: str
    amount: Amount


class Charged(Protocol):
    """One line of the provider's bill: a pod, the start of its bucket (wall seconds), USD."""

    @property
    def pod_id(self) -> str:
        """Whose."""

    @property
    def since(self) -> float:
        """From when on."""

    @property
    def usd(self) -> float:
        """How much."""

    @property
    def disk_usd(self) -> float | None:
        """How much of it is for disks, if that is told."""


@dataclass(frozen=True)
class Drift:
    """The provider's bill beside ours, for our pods from ``since`` on; USD, wall seconds.

    ``drift`` is theirs less ours, of the GPUs where their bill tells disks apart, as
    ``theirs_disks``, and of everything where that is None. It is shown and changes nothing: their
    bill lags behind, and what we counted is never taken back.
    """

    since: float
    ours: float
    theirs: float
    theirs_disks: float | None = None

    @property
    def drift(self) -> float:
        """More than nothing where the provider charged more than we counted."""
        return self.theirs - self.ours


def complete(
    lines: Iterable[PodHours], records: Iterable[PodRecord], now: float
) -> tuple[PodHours, ...]:
    """The ledger brought up to ``now`` with the records, oldest first.

    The open pod's line is up to a minute old, and the daemon may not have run since.
    """
    found = {line.pod_id: line for line in lines}
    for record in records:
        if line := hours_of(record, now):
            known = found.get(line.pod_id)
            found[line.pod_id] = merged(known, line) if known else line
    return tuple(sorted(found.values(), key=lambda line: (line.since, line.pod_id)))


def days(lines: Iterable[PodHours]) -> tuple[Period, ...]:
    """The days that cost something, oldest first."""
    sums = _sums(lines)
    return tuple(Period(_date(day).isoformat(), sums[day]) for day in sorted(sums))


def months(lines: Iterable[PodHours]) -> tuple[Period, ...]:
    """The months that cost something, oldest first."""
    found: dict[str, Amount] = {}
    for period in days(lines):
        month = period.name[:7]
        found[month] = found.get(month, Amount()) + period.amount
    return tuple(Period(name, amount) for name, amount in found.items())


def on_day(lines: Iterable[PodHours], at: float) -> Period:
    """The UTC day of ``at``, also if it cost nothing."""
    name = _date(day_of(at)).isoformat()
    return next((one for one in days(lines) if one.name == name), Period(name, Amount()))


def in_month(lines: Iterable[PodHours], at: float) -> Period:
    """The month of ``at``, also if it cost nothing."""
    name = _date(day_of(at)).isoformat()[:7]
    return next((one for one in months(lines) if one.name == name), Period(name, Amount()))


def in_all(lines: Iterable[PodHours]) -> Amount:
    """Everything."""
    return sum((line.amount for line in lines), Amount())


def disks(lines: Iterable[PodHours]) -> Amount:
    """What the containers' own disks cost."""
    return total(line.disk for line in lines)


def disks_on_day(lines: Iterable[PodHours], at: float) -> Amount:
    """What they cost on the UTC day of ``at``."""
    return daily(line.disk for line in lines).get(day_of(at), Amount())


def bill_span(lines: Sequence[PodHours], now: float, *, most_days: int = 31) -> float:
    """The midnight (wall) from which on our account and the bill are to be compared."""
    first = min((day_of(line.since) for line in lines), default=day_of(now))
    return float(max(first, day_of(now) - most_days) * DAY)


def drift(lines: Sequence[PodHours], bill: Iterable[Charged], since: float) -> Drift:
    """Both accounts of our pods from ``since``, a midnight, on. Others' pods are left out."""
    ours = {line.pod_id for line in lines}
    charged = [one for one in bill if one.pod_id in ours and one.since >= since]
    parts = [one.disk_usd for one in charged]
    disks = None if None in parts else sum(part or 0.0 for part in parts)
    own = [part for line in lines for part in line.stretches]
    if disks is None:
        own += [line.disk for line in lines]
    counted = sum((amount for day, amount in daily(own).items() if day >= day_of(since)), Amount())
    return Drift(since, counted.usd, sum(one.usd for one in charged) - (disks or 0.0), disks)


def _sums(lines: Iterable[PodHours]) -> Mapping[int, Amount]:
    return daily(part for line in lines for part in line.stretches)


def _date(day: int) -> date:
    return date.fromordinal(_EPOCH + day)
