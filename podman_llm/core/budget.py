"""What may be spent: how long a pod may be paid for, whether one may be asked for, and when to end.

A budget is first of all a deadline: what is left of it, divided by the rate, is fixed as the
pod's own hard deadline when it is made, so that the cap holds when nobody of ours lives any more.
The look at each tick only ends the pod a little earlier, in time to be gone when the money is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from podman_llm.core.charges import (
    DAY,
    MICROS,
    day_of,
    disk_stretches,
    micros,
    stretches,
    total,
)
from podman_llm.core.charges import daily as by_day
from podman_llm.core.naming import parse
from podman_llm.core.pod import PodRecord
from podman_llm.core.sight import PodSight
from podman_llm.core.wording import duration, money

TEARDOWN: Final = 120.0
"""Seconds that ending a pod may take, billed."""
_HOUR: Final = 3600.0


@dataclass(frozen=True)
class Caps:
    """What the person allows; None is no cap.

    ``usd_per_hour`` and ``pods`` are over all pods that podman-llm made in the account, from
    whichever machine; the two budgets are over those of this state directory. ``useful`` are the
    seconds below which a pod is not worth renting.
    """

    usd_per_hour: float | None = None
    pods: int | None = None
    usd_per_day: float | None = None
    usd_total: float | None = None
    useful: float = 0.0

    @property
    def is_budgeted(self) -> bool:
        """Whether what was spent before matters."""
        return self.usd_per_day is not None or self.usd_total is not None


@dataclass(frozen=True)
class Spent:
    """Micro-dollars that all pods but the one in question cost: by UTC day, and in all."""

    days: Mapping[int, int] = field(default_factory=dict)
    total: int = 0


NO_CAPS: Final = Caps()
NOTHING_SPENT: Final = Spent()


@dataclass(frozen=True)
class Use:
    """How far one budget is used. ``key`` is the same for the same budget."""

    key: str
    what: str
    spent: int
    cap: int


def affordable_until(caps: Caps, spent: Spent | None, rate: float, now: float) -> float:
    """Wall time at which a pod at ``rate`` (USD per hour) made ``now`` has used up a budget.

    Infinite without a budget. Where it is unknown what was spent nothing is said here: ``refusal``
    forbids asking at all.
    """
    if spent is None or rate <= 0:
        return math.inf
    ends = [math.inf]
    if caps.usd_total is not None:
        ends.append(now + _left(caps.usd_total, spent.total) / rate * _HOUR)
    if caps.usd_per_day is not None:
        ends.append(_day_budget_end(caps.usd_per_day, spent, rate, now))
    return min(ends)


def refusal(
    caps: Caps, spent: Spent | None, rate: float, others: Sequence[PodSight], now: float
) -> str:
    """Why no pod at ``rate`` may be asked for ``now``; empty if it may.

    ``others`` are the pods that exist besides, whoever made them.
    """
    return next(_refusals(caps, spent, rate, [pod for pod in others if parse(pod.name)], now), "")


def exhausted(caps: Caps, spent: Spent | None, record: PodRecord, now: float) -> str:
    """Which budget this pod uses up before it could be gone if it were ended now; empty if none."""
    for use in uses(caps, spent, record, now + TEARDOWN):
        if use.spent >= use.cap:
            return f"{use.what} of {_money(use.cap)} is used up"
    return ""


def uses(caps: Caps, spent: Spent | None, record: PodRecord, now: float) -> tuple[Use, ...]:
    """Each budget as it is used, by this pod until ``now`` and by all before it.

    Near midnight there are two days in force: the one that ends and the one that begins.
    """
    if not caps.is_budgeted:
        return ()
    past = spent or Spent()  # what nobody knows of ended no pod; its own hours still may
    own = (*stretches(record, now), *disk_stretches(record, now))
    days = by_day(own)
    found = []
    if caps.usd_per_day is not None:
        for day in sorted({day_of(now - TEARDOWN), day_of(now)}):
            today = past.days.get(day, 0) + (days[day].micros if day in days else 0)
            found.append(Use(f"day {day}", "the day's budget", today, micros(caps.usd_per_day)))
    if caps.usd_total is not None:
        in_all = past.total + total(own).micros
        found.append(Use("total", "the budget", in_all, micros(caps.usd_total)))
    return tuple(found)


def _refusals(
    caps: Caps, spent: Spent | None, rate: float, others: Sequence[PodSight], now: float
) -> Iterator[str]:
    if caps.pods is not None and len(others) >= caps.pods:
        named = ", ".join(pod.pod_id for pod in others)
        yield f"budget.max_pods = {caps.pods}, and there are {len(others)} already ({named})"
    if caps.usd_per_hour is not None:
        yield from _rate_refusal(caps.usd_per_hour, rate, others)
    if not caps.is_budgeted:
        return
    if spent is None:
        yield "what was spent so far is unknown, and a budget is set"
    left = affordable_until(caps, spent, rate, now) - now
    if left < caps.useful:
        yield (
            f"the budget leaves {duration(left)} at {money(rate)}/h, "
            f"less than the {duration(caps.useful)} a pod may need to boot"
        )


def _rate_refusal(cap: float, rate: float, others: Sequence[PodSight]) -> Iterator[str]:
    unpriced = [pod.pod_id for pod in others if pod.cost_per_hour is None]
    if unpriced:
        yield f"budget.max_usd_per_hour is set, and pod {unpriced[0]} does not tell its price yet"
    running = sum(pod.cost_per_hour or 0.0 for pod in others)
    if micros(running + rate) > micros(cap):
        besides = f" beside {money(running)}/h that run already" if running else ""
        yield f"{money(rate)}/h{besides} is over budget.max_usd_per_hour = {cap:g}"


def _day_budget_end(cap: float, spent: Spent, rate: float, now: float) -> float:
    midnight = float((day_of(now) + 1) * DAY)
    today = _left(cap, spent.days.get(day_of(now), 0)) / rate * _HOUR
    if now + today < midnight:
        return now + today
    full_day = cap / rate * _HOUR
    return math.inf if full_day >= DAY else midnight + full_day


def _left(cap: float, spent: int) -> float:
    """USD, never negative."""
    return max(0, micros(cap) - spent) / MICROS


def _money(amount: int) -> str:
    return money(amount / MICROS)
