"""Asking again later, which is free, and giving up, which is said."""

from __future__ import annotations

from typing import Final

from podman_llm.core import backoff
from podman_llm.core.pod import WaitCause, Waiting
from podman_llm.core.wording import duration
from podman_llm.core.world import World

ROUND_FIRST: Final = 15.0
ROUND_MOST: Final = 300.0
"""Seconds between rounds over all candidates: stock changes within minutes, not seconds."""
REACH_FIRST: Final = 1.0
REACH_MOST: Final = 60.0
"""Seconds between tries to reach a provider, or to be let in again."""


def put_off(world: World, cause: WaitCause, detail: str, at_least: float = 0.0) -> Waiting | None:
    """When to ask again, or None when the time to wait for capacity is over."""
    now, earlier = world.reading.wall, world.book.waiting
    since = earlier.since if earlier else now
    left = since + world.limits.wait_capacity - now
    if left <= 0:
        return None
    rounds = (earlier.rounds if earlier else 0) + 1
    pause = max(at_least, _pause(cause, rounds))
    return Waiting(since, rounds, now + min(pause, left), cause, detail)


def unstretched(world: World) -> World:
    """The world with no wait longer than it ever is: a clock set back must not stretch it."""
    now, book = world.reading.wall, world.book
    quarantine, orphan = book.quarantine_until, book.orphan_at
    longest = now + world.limits.quarantine
    return world.remember(
        quarantine_until=None if quarantine is None else min(quarantine, longest),
        orphan_at=None if orphan is None else min(orphan, now),
    )


def remaining(world: World) -> float:
    """Seconds until asking is due; 0 or less when it is, or when nothing was put off."""
    waiting = world.book.waiting
    return waiting.retry_at - world.reading.wall if waiting else 0.0


def waiting_line(world: World, waiting: Waiting) -> str:
    """What is being waited for, until when."""
    give_up = waiting.since + world.limits.wait_capacity - world.reading.wall
    return (
        f"{waiting.detail}; asking again in {duration(remaining(world))} "
        f"(round {waiting.rounds + 1}), giving up in {duration(give_up)}"
    )


def _pause(cause: WaitCause, rounds: int) -> float:
    if cause is WaitCause.CAPACITY:
        return backoff.exponential(rounds, first=ROUND_FIRST, most=ROUND_MOST)
    return backoff.exponential(rounds, first=REACH_FIRST, most=REACH_MOST)
