"""Warnings before a pod ends: at 80 %, at 95 %, and five minutes before, of its time and budgets.

Each is given once; the flag that says so is remembered with what was said. A deadline that was
moved is another deadline, and is warned of again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from podman_llm.core import budget
from podman_llm.core.budget import Caps, Spent, Use
from podman_llm.core.charges import MICROS, micros
from podman_llm.core.pod import Phase, PodRecord
from podman_llm.core.wording import duration, money

SHARES: Final = (0.8, 0.95)
LAST_CALL: Final = 300.0
"""Seconds before the end at which the last warning comes."""
KEPT: Final = 32
"""Notices remembered: more than any set of deadlines and budgets in force can bring forth."""

_LIVES: Final = frozenset({Phase.PROVISIONING, Phase.BOOTING, Phase.READY, Phase.DEGRADED})


@dataclass(frozen=True)
class Notice:
    """One thing to tell a person, once. ``flag`` is the same for the same occasion."""

    flag: str
    text: str
    at: float


def due(
    record: PodRecord,
    now: float,
    *,
    caps: Caps,
    spent: Spent | None,
    told: Sequence[Notice],
) -> tuple[Notice, ...]:
    """What has to be told at ``now`` (pod time) and was not told yet."""
    if record.phase not in _LIVES:
        return ()
    flags = {notice.flag for notice in told}
    found = (
        *_of_lease(record, now),
        *_of_deadline(record, now, flags),
        *_of_budgets(record, now, caps, spent, flags),
    )
    return tuple(notice for notice in found if notice.flag not in flags)


def remembered(told: Sequence[Notice], new: Sequence[Notice]) -> tuple[Notice, ...]:
    """The notices to keep, oldest first."""
    return (*told, *new)[-KEPT:]


def _of_lease(record: PodRecord, now: float) -> Iterator[Notice]:
    if record.is_cut_short:
        lease = (record.first_deadline or record.soft_deadline) - record.intent.wall
        text = f"the budget lets this pod live {duration(lease)}, less than was asked for"
        yield Notice(f"short {record.name}", text, now)


def _of_deadline(record: PodRecord, now: float, flags: set[str]) -> Iterator[Notice]:
    start, end = (record.sent or record.intent).wall, record.soft_deadline
    share = (now - start) / (end - start) if end > start else 1.0
    is_last = end - now <= LAST_CALL < end - start
    key = f"deadline {record.name} {end:.0f}"
    left = f"the pod ends in {duration(end - now)}"
    can_move = record.hard_deadline > end
    hint = "; `podman-llm extend` moves that" if can_move else "; it cannot be extended"
    for step in _steps(key, share, is_last=is_last, flags=flags):
        yield Notice(f"{key} {step}", f"{left}{hint}", now)


def _of_budgets(
    record: PodRecord, now: float, caps: Caps, spent: Spent | None, flags: set[str]
) -> Iterator[Notice]:
    rate = micros(record.cost_per_hour)
    for use in budget.uses(caps, spent, record, now):
        key = f"budget {use.key} {use.cap}"
        is_last = use.cap - use.spent <= rate * (LAST_CALL + budget.TEARDOWN) / 3600
        share = use.spent / use.cap if use.cap else 1.0
        for step in _steps(key, share, is_last=is_last, flags=flags):
            yield Notice(f"{key} {step}", _spent_text(use, is_last=is_last), now)


def _spent_text(use: Use, *, is_last: bool) -> str:
    spent, cap = money(use.spent / MICROS), money(use.cap / MICROS)
    ends = "; the pod ends within minutes" if is_last else ""
    return f"{spent} of {use.what} of {cap} is spent{ends}"


def _steps(key: str, share: float, *, is_last: bool, flags: set[str]) -> Iterator[str]:
    """The furthest step that was reached; those before it need not be told any more."""
    reached = [f"{step:.0%}" for step in SHARES if share >= step]
    reached += ["last"] if is_last else []
    if reached and f"{key} {reached[-1]}" not in flags:
        yield reached[-1]
