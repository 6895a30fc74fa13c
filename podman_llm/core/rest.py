"""No pod is open: whether one should be, and whether anything is still owed."""

from __future__ import annotations

from dataclasses import replace

from podman_llm.core import lease
from podman_llm.core.attempts import first_intent
from podman_llm.core.deeds import Deed, MakePlan, Nothing, PlanFailed, Planned
from podman_llm.core.listing import ours
from podman_llm.core.pod import Candidate, ClockReading, Phase, PodRecord, WaitCause
from podman_llm.core.rebuild import taken_over
from podman_llm.core.sleep import is_called, known, pause_left, time_left, why_not
from podman_llm.core.verdicts import (
    ENDED_AS_ASKED,
    no_plan,
    not_adopted,
    nothing_free,
    outlives_down,
)
from podman_llm.core.waiting import put_off, remaining, waiting_line
from podman_llm.core.wording import duration, place
from podman_llm.core.world import Decision, World

IDLE_POLL = 60.0
"""Seconds between looks when nothing is wanted and nothing is owed."""


def decide_rest(world: World) -> Decision:
    """The next step when no record is open."""
    # 1. Nothing is wanted: what is left is to see that nothing is there.
    if not world.wish.is_up:
        return _be_down(world)
    # 2. A pod in no record is to be kept: one that was named, or whatever outlived a lost past.
    if takeover := _taking_over(world):
        return takeover
    # 3. This wish has had its pod, or its verdict.
    if over := _over(world):
        return over
    # 4. Nothing is free yet.
    if (waiting := world.book.waiting) and (left := remaining(world)) > 0:
        return _say(world, waiting_line(world, waiting), min(left, world.limits.poll))
    # 5. A pod is due.
    return _say(world, "working out what to rent", 0.0, MakePlan())


def conclude_plan(world: World, outcome: Planned | PlanFailed) -> Decision:
    """A pod is due, and here is what it could be; or why there is no telling."""
    if isinstance(outcome, PlanFailed):
        return _no_plan(world, outcome)
    if world.book.is_rebuilding or _is_adopting(world):
        return _take_over(world, outcome)
    waiting = world.book.waiting
    intent = _intend(world, outcome)
    settled = world.remember(
        record=intent,
        verdict=None,
        waiting=replace(waiting, has_plan=True) if waiting else None,
    )
    why = "woken by a request: " if world.book.sleep else ""
    note = f"{why}{len(outcome.candidates)} places to ask, first {place(intent.candidate)}"
    return settled.stay(note, 0.0)


# Down ------------------------------------------------------------------------------------------


def _be_down(world: World) -> Decision:
    """Settled only when a valid list shows nothing of ours, for long enough after the last."""
    verdict = world.book.verdict
    kept = verdict if verdict and outlives_down(verdict) else None
    calm = world.remember(waiting=None, verdict=kept)
    if not world.view.is_valid:
        return _say(calm, f"what runs is unknown: {world.view.why}")
    if others := ours(world.view, world.owner):
        return _say(calm, f"ending pod {others[0].pod_id} of ours, which is in no record")
    if (left := _owed(world)) > 0:
        what = f"nothing of ours is shown; sure in {duration(left)}"
        return _say(calm, what, min(left, world.limits.poll))
    return _settle(calm.remember(is_rebuilding=False), _last_words(world))


def _owed(world: World) -> float:
    """Seconds until an empty list may be called the end of it."""
    quarantine, orphan = world.book.quarantine_until, world.book.orphan_at
    until = max(
        quarantine if quarantine is not None else 0.0,
        orphan + world.limits.settle if orphan is not None else 0.0,
    )
    return until - world.reading.wall


# Over ------------------------------------------------------------------------------------------


def _over(world: World) -> Decision | None:
    verdict = _verdict_text(world)
    if not (verdict or _has_served(world)):
        return _too_late(world)
    if world.book.sleep:
        return _sleep(known(world))
    if verdict:
        return _settle(world, f"failed: {verdict}")
    return _settle(world, f"{_last_words(world)}; `podman-llm up` starts a new one")


def _too_late(world: World) -> Decision | None:
    """A pod that was lost is not replaced with less of its time left than a start takes."""
    began = _time_began(world)
    if began is None or time_left(world, began) > (lease.cold_start(world.record) or 0.0):
        return None
    told = f"{_last_words(world)}, and too little of its time is left for another"
    return _settle(world, f"{told}; `podman-llm up` starts a new one")


def _time_began(world: World) -> ClockReading | None:
    """When the time of this wish began: with its first pod that served. None before that."""
    last = world.book.record
    if last is None or last.generation != world.wish.generation:
        return None
    return last.lease_began or (last.intent if last.ready_at is not None else None)


# Asleep ----------------------------------------------------------------------------------------


def _sleep(world: World) -> Decision:
    """What is asked of a sleeping pod was written down by those who were asked; here it counts."""
    if why := why_not(world):
        return _settle(world, f"asleep, no request wakes it: {why}; `podman-llm up` does")
    if (left := pause_left(world)) > 0:
        what = f"asleep; waking it failed ({_verdict_text(world)}), a request may in "
        return replace(_settle(world, f"{what}{duration(left)}"), wait=min(left, IDLE_POLL))
    if not is_called(world):
        rested = _settle(world.remember(waiting=None), "asleep; a request wakes it")
        return replace(rested, heeds_demand=True)
    if (waiting := world.book.waiting) and (left := remaining(world)) > 0:
        return _say(world, waiting_line(world, waiting), min(left, world.limits.poll))
    return _say(world, "woken by a request; working out what to rent", 0.0, MakePlan())


# Taking over -----------------------------------------------------------------------------------


def _taking_over(world: World) -> Decision | None:
    if _is_adopting(world) and not (_verdict_text(world) or _has_served(world)):
        return _adopt(world)
    return _rebuild(world) if world.book.is_rebuilding else None


def _is_adopting(world: World) -> bool:
    """A pod that is woken is made, whatever the one was that fell asleep."""
    return bool(world.wish.adopt) and world.book.sleep is None


def _rebuild(world: World) -> Decision:
    if (waiting := world.book.waiting) and (pause := remaining(world)) > 0:
        return _say(world, waiting_line(world, waiting), min(pause, world.limits.poll))
    if found := ours(world.view, world.owner):
        what = f"the state was lost; taking over pod {found[0].pod_id}, which is ours"
        return _say(world, what, 0.0, MakePlan())
    if not world.view.is_valid:
        return _say(world, f"the state was lost and what runs is unknown: {world.view.why}")
    left = (world.book.quarantine_until or 0.0) - world.reading.wall
    if left > 0:
        what = f"the state was lost; a pod asked for before may appear for {duration(left)} more"
        return _say(world, what, min(left, world.limits.poll))
    return _say(world.remember(is_rebuilding=False), "the state was lost, and no pod is left", 0.0)


def _adopt(world: World) -> Decision:
    """The pod that the person named, if it is ours beyond doubt."""
    if any(pod.pod_id == world.wish.adopt for pod in ours(world.view, world.owner)):
        return _say(world, f"taking over pod {world.wish.adopt}", 0.0, MakePlan())
    if not world.view.is_valid:
        return _say(world, f"not adopting yet, what runs is unknown: {world.view.why}")
    return _say(world.remember(verdict=not_adopted(world)), "there is no such pod of ours", 0.0)


def _take_over(world: World, plan: Planned) -> Decision:
    record = taken_over(world, plan)
    done = world.remember(is_rebuilding=False, waiting=None)
    if record is None and world.wish.adopt:
        return _say(done.remember(verdict=not_adopted(world)), "it serves another model", 0.0)
    if record is None:
        # The sweep ends what lives; the ordinary way then begins, behind the quarantine.
        return _say(done, "the pods that live serve another model; ending them", 0.0)
    return done.remember(record=record).stay("taken over; it was in no record", 0.0)


# Up --------------------------------------------------------------------------------------------


def _has_served(world: World) -> bool:
    record = world.book.record
    return (
        record is not None
        and record.generation == world.wish.generation
        and (record.phase is not Phase.DONE or record.reason in ENDED_AS_ASKED)
    )


def _verdict_text(world: World) -> str:
    verdict = world.book.verdict
    is_ours = verdict is not None and verdict.generation == world.wish.generation
    return verdict.message if verdict and is_ours else ""


def _intend(world: World, plan: Planned) -> PodRecord:
    """The first attempt of this wish, or the next after one whose place failed."""
    last, sleep = world.book.record, world.book.sleep
    if last is None or last.generation != world.wish.generation:
        return first_intent(world, plan, attempt=1, billed_before=0)
    if sleep and _has_served(world):
        # Nothing failed: it is asked for where it was, and may fail as often as the first.
        return first_intent(
            world,
            plan,
            attempt=last.attempt + 1,
            billed_before=0,
            lease_began=sleep.lease_began,
        )
    fresh = tuple(one for one in plan.candidates if not _same_place(one, last.candidate))
    return first_intent(
        world,
        replace(plan, candidates=fresh or plan.candidates),
        attempt=last.attempt + 1,
        billed_before=last.billed_before + 1,
        lease_began=_time_began(world),
    )


def _same_place(one: Candidate, other: Candidate) -> bool:
    return (one.gpu_id, one.cloud, one.data_center_id) == (
        other.gpu_id,
        other.cloud,
        other.data_center_id,
    )


def _no_plan(world: World, outcome: PlanFailed) -> Decision:
    # Whoever has just asked is told at once that nobody answers; whoever waits goes on waiting,
    # and who asks by a request has nobody to tell.
    is_waited_for = world.book.waiting is not None or world.book.sleep is not None
    is_passing = outcome.cause is WaitCause.CAPACITY or (
        outcome.cause is not None and is_waited_for
    )
    if outcome.cause is None or not is_passing:
        verdict = no_plan(world, outcome)
        given_up = world.remember(verdict=verdict, waiting=None, is_rebuilding=False)
        return _say(given_up, outcome.message, 0.0)
    waiting = put_off(world, outcome.cause, outcome.message)
    if waiting is None:
        verdict = nothing_free(world, outcome.cause, outcome.message)
        given_up = world.remember(verdict=verdict, waiting=None, is_rebuilding=False)
        return _say(given_up, verdict.message, 0.0)
    patient = world.remember(waiting=waiting)
    wait = min(remaining(patient), world.limits.poll)
    return _say(patient, waiting_line(patient, waiting), wait)


# Words -----------------------------------------------------------------------------------------


def _settle(world: World, note: str) -> Decision:
    """Settled, unless pods of ours are shown that still have to be ended."""
    is_clean = not ours(world.view, world.owner)
    return replace(_say(world, note, IDLE_POLL if is_clean else None), is_settled=is_clean)


def _say(world: World, note: str, wait: float | None = None, deed: Deed | None = None) -> Decision:
    pause = world.limits.poll if wait is None else wait
    return Decision(world.book, deed or Nothing(), note, pause)


def _last_words(world: World) -> str:
    record = world.book.record
    if record is None or not record.transitions:
        return "no pod"
    return f"{record.phase}: {record.transitions[-1].note}"
