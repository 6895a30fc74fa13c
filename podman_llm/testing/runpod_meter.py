"""What pods cost: stretches of time at a rate, and the bill made of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

HOUR = 3600.0


@dataclass
class Stretch:
    """USD per hour from ``since`` to ``until`` (wall seconds), or still running."""

    since: float
    until: float | None
    compute: float
    disk: float

    def seconds(self, start: float, end: float) -> float:
        """How much of [start, end) it covers."""
        until = end if self.until is None else min(self.until, end)
        return max(0.0, until - max(self.since, start))


@dataclass
class Meter:
    """One pod's meter. Rates change only forwards in time."""

    stretches: list[Stretch] = field(default_factory=list)

    def charge(self, at: float, *, compute: float, disk: float) -> None:
        """From ``at`` on, these rates."""
        if self.stretches and self.stretches[-1].until is None:
            self.stretches[-1].until = at
        if compute or disk:
            self.stretches.append(Stretch(at, None, compute, disk))

    def rates(self) -> tuple[float, float]:
        """USD per hour for compute and for disk, now."""
        if not self.stretches or self.stretches[-1].until is not None:
            return 0.0, 0.0
        return self.stretches[-1].compute, self.stretches[-1].disk

    def compute_seconds(self, now: float) -> float:
        """Seconds in which compute was billed."""
        return sum(s.seconds(0.0, now) for s in self.stretches if s.compute)

    def amounts(self, start: float, end: float) -> tuple[float, float]:
        """USD for compute and for disk within [start, end)."""
        parts = [(s, s.seconds(start, end) / HOUR) for s in self.stretches]
        return sum(s.compute * h for s, h in parts), sum(s.disk * h for s, h in parts)


@dataclass(frozen=True)
class BillLine:
    """One pod's share. ``seconds`` are those of billed compute, ``usd`` is compute and disk."""

    pod_id: str
    name: str
    status: str
    seconds: float
    usd: float


@dataclass(frozen=True)
class Bill:
    """What the account owes, and what goes on costing.

    ``live`` are the ids of pods that still exist, running or stopped: a test without leaks ends
    with none.
    """

    pods: tuple[BillLine, ...]
    live: tuple[str, ...]
    usd_per_hour: float
    balance: float

    @property
    def seconds(self) -> float:
        """Billed compute, over all pods."""
        return sum(line.seconds for line in self.pods)

    @property
    def usd(self) -> float:
        """Everything, over all pods."""
        return sum(line.usd for line in self.pods)

    def to_json(self) -> dict[str, Any]:
        """For the admin route."""
        return {
            "pods": [vars(line) for line in self.pods],
            "live": list(self.live),
            "seconds": self.seconds,
            "usd": self.usd,
            "usd_per_hour": self.usd_per_hour,
            "balance": self.balance,
        }
