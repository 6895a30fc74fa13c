"""Attempts: each has a name of its own, a lease of its own, and a place to be asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, TypedDict

from podman_llm.core import lease, naming
from podman_llm.core.budget import affordable_until
from podman_llm.core.deeds import Planned
from podman_llm.core.pod import (
    Candidate,
    ClockReading,
    Guard,
    Phase,
    PodRecord,
    RateInterval,
    Transition,
)
from podman_llm.core.wording import place
from podman_llm.core.world import Decision, Verdict, World

_WHOLE_SECONDS: Final = 1.0  # a hard deadline without extension is rounded down by up to this


class _Fresh(TypedDict):
    """The fields that are new with each attempt."""

    name: str
    intent: ClockReading
    soft_deadline: float
    first_deadline: float
    hard_deadline: float
    is_cut_short: bool
    sent: ClockReading | None
    rates: tuple[RateInterval, ...]
    absences: tuple[tuple[float, int], ...]


def first_intent(
    world: World,
    plan: Planned,
    *,
    attempt: int,
    billed_before: int,
    lease_began: ClockReading | None = None,
) -> PodRecord:
    """The record of a pod that is now decided on; the best candidate is asked first.

    Its time begins now, unless ``lease_began`` says that it did before.
    """
    first, *others = plan.candidates
    return PodRecord(
        owner=world.owner,
        generation=world.wish.generation,
        phase=Phase.INTENT,
        spec=plan.spec,
        attempt=attempt,
        candidate=first,
        candidates=tuple(others),
        asked_model=world.wish.model,
        billed_before=billed_before,
        keyed=world.is_keyed,
        guard=Guard.AWAITED if world.is_guarded else Guard.NONE,
        lease_began=lease_began,
        transitions=(Transition(Phase.INTENT, world.reading.wall, f"first {place(first)}"),),
        **_fresh(world, plan.spec.model_store_id, first, lease_began),
    )


def planned_anew(world: World, plan: Planned) -> PodRecord:
    """The same intent over the places that are free now; its lease starts again, as it is free.

    That of a pod that is woken does not: it has what is left of an older one.
    """
    first, *others = plan.candidates
    return replace(
        world.record,
        spec=plan.spec,
        candidate=first,
        candidates=tuple(others),
        refusals=(),
        **_fresh(world, plan.spec.model_store_id, first, world.record.lease_began),
    )


def next_attempt(
    world: World,
    candidate: Candidate,
    candidates: tuple[Candidate, ...],
    note: str,
    billed_before: int | None = None,
) -> World:
    """Back to INTENT under a new name, once it is certain that the last one made nothing.

    A pod of the old name that appears after all is in no record: an orphan, ended on sight.
    """
    record = world.record
    return world.moved(
        Phase.INTENT,
        note,
        candidate=candidate,
        candidates=candidates,
        attempt=record.attempt + 1,
        billed_before=record.billed_before if billed_before is None else billed_before,
        **_fresh(world, record.spec.model_store_id, candidate, record.lease_began),
    )


def cancel(world: World, why: str, verdict: Verdict | None = None) -> Decision:
    """Drop an intent that was never sent."""
    return world.moved(Phase.CANCELLED, why).remember(waiting=None, verdict=verdict).stay(why, 0.0)


def _fresh(
    world: World, model: str, candidate: Candidate, lease_began: ClockReading | None
) -> _Fresh:
    limits, start = world.limits, world.reading.wall
    spent = lease.elapsed(lease_began, world.reading) if lease_began else 0.0
    runtime = limits.runtime - spent
    ends = lease.deadlines(
        start,
        runtime=runtime,
        extension=limits.max_extension,
        affordable_until=affordable_until(
            limits.caps, world.spent, candidate.billed_per_hour, start
        ),
    )
    return {
        "name": naming.make(owner=world.owner, model=model, token=world.token, deadline=ends.hard),
        "intent": world.reading,
        "soft_deadline": min(ends.hard, ends.soft + world.wish.extended_seconds),
        "first_deadline": ends.soft,
        "hard_deadline": ends.hard,
        "is_cut_short": ends.soft < start + runtime - _WHOLE_SECONDS,
        "sent": None,
        "rates": (),
        "absences": (),
    }
