"""A pod that was ended for idleness sleeps, and a request may bring it up again.

Only idleness puts to sleep, and only within what was asked for: a woken pod has what is left of the
time that its ``up`` was given. It begins like any other attempt, so however many ask at once, one
pod is made.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from podman_llm.core import lease
from podman_llm.core.pod import ClockReading, Phase, Sleep, StopReason
from podman_llm.core.verdicts import may_pass
from podman_llm.core.wording import duration
from podman_llm.core.world import World

RETRY_PAUSE: Final = 60.0
"""Seconds after waking has failed until a request may try again."""


def falling_asleep(world: World) -> World:
    """The world in which the record's pod is about to be ended for idleness."""
    if not world.limits.wake:
        return world
    record = world.record
    return world.remember(
        sleep=Sleep(
            generation=world.wish.generation,
            since=world.reading.wall,
            lease_began=record.lease_began or record.intent,
            cold_start=lease.cold_start(record) or 0.0,
        )
    )


def as_wished(world: World) -> World:
    """The world without a sleep that the person's wish has ended.

    One that goes on began in the past: a clock set back must not keep requests from counting.
    """
    sleep, wish = world.book.sleep, world.wish
    if sleep is None:
        return world
    if not wish.is_up or sleep.generation != wish.generation:
        return world.remember(sleep=None)
    return world.remember(sleep=replace(sleep, since=min(sleep.since, world.reading.wall)))


def is_called(world: World) -> bool:
    """Whether a request wants the pod that did not want it before it slept."""
    sleep = world.book.sleep
    return sleep is not None and world.demand.is_pressing(since=sleep.since, now=world.reading.wall)


def why_not(world: World) -> str:
    """Why no request wakes it; empty if one does."""
    sleep, record, verdict = world.book.sleep, world.record, world.book.verdict
    if sleep is None:
        return "it does not sleep"
    if verdict and verdict.generation == sleep.generation and not may_pass(verdict):
        return f"waking it failed: {verdict.message}"
    if record.phase is Phase.DONE and record.reason is not StopReason.IDLE and not verdict:
        return f"it was ended ({record.reason})"
    if time_left(world, sleep.lease_began) <= sleep.cold_start:
        took = duration(sleep.cold_start)
        return f"less is left of the time asked for than it takes to start ({took})"
    return ""


def pause_left(world: World) -> float:
    """Seconds until a request may wake it after waking has failed; 0 when it may."""
    verdict = world.book.verdict
    passed = world.reading.wall - verdict.at if verdict else RETRY_PAUSE
    return RETRY_PAUSE - passed if 0 <= passed < RETRY_PAUSE else 0.0


def known(world: World) -> World:
    """The sleeping world, with what keeps it asleep written down for those who ask."""
    sleep = world.book.sleep
    return world.remember(sleep=replace(sleep, why_not=why_not(world))) if sleep else world


def needless(world: World) -> str:
    """Why a pod that was about to be woken need not come after all; empty if it must."""
    began = world.record.lease_began
    if began is not None and time_left(world, began) <= 0:
        return "the time asked for is over"
    if world.book.sleep is not None and not is_called(world):
        return "nobody waits for it any more"
    return ""


def time_left(world: World, began: ClockReading) -> float:
    """Seconds left of the time that was asked for, extensions included; never negative."""
    granted = min(world.wish.extended_seconds, world.limits.max_extension)
    return max(0.0, world.limits.runtime + granted - lease.elapsed(began, world.reading))
