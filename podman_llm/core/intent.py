"""INTENT: decided and saved, nothing sent. Everything that must hold before a request is here."""

from __future__ import annotations

from dataclasses import replace

from podman_llm.core import lease
from podman_llm.core.attempts import cancel, planned_anew
from podman_llm.core.budget import affordable_until, refusal
from podman_llm.core.deeds import CreatePod, MakePlan, PlanFailed, Planned
from podman_llm.core.listing import ours
from podman_llm.core.pod import Phase, RateInterval, WaitCause
from podman_llm.core.sleep import needless
from podman_llm.core.verdicts import no_list, no_plan, nothing_free, over_cap
from podman_llm.core.waiting import put_off, remaining, waiting_line
from podman_llm.core.wording import duration, place
from podman_llm.core.world import BLIND_ALARM, Decision, World


def decide_intent(world: World) -> Decision:
    """The one place where a request may begin, or be dropped for free."""
    return _dropped(world) or _put_off(world) or _not_yet(world) or _over_cap(world) or _send(world)


def _dropped(world: World) -> Decision | None:
    if not world.wish.is_up:
        return cancel(world, "no longer wanted")
    if world.record.generation != world.wish.generation:
        return cancel(world, "something else is wanted")
    if why := needless(world):
        return cancel(world, why)
    return None


def _put_off(world: World) -> Decision | None:
    """Asking was put off; when it is due, the market is looked at anew."""
    waiting = world.book.waiting
    if waiting and not waiting.has_plan:
        if (left := remaining(world)) > 0:
            return world.stay(waiting_line(world, waiting), min(left, world.limits.poll))
        return world.stay("looking for free GPUs again", 0.0, MakePlan())
    if lease.expiry(world.record, world.now):
        return world.stay("planning again, the time asked for went by", 0.0, MakePlan())
    return None


def _not_yet(world: World) -> Decision | None:
    """Whether a pod of ours runs already, or may still appear, must be known before asking."""
    quarantine = (world.book.quarantine_until or 0.0) - world.reading.wall
    if quarantine > 0:
        what = f"a pod asked for before the state was lost may appear for {duration(quarantine)}"
        return world.stay(what, min(quarantine, world.limits.poll))
    if not world.view.is_valid and world.blind_for > BLIND_ALARM:
        return cancel(world, f"no usable list of pods: {world.view.why}", no_list(world))
    if not world.view.is_valid:
        return world.stay(f"not asking yet, what runs is unknown ({world.view.why})")
    if others := ours(world.view, world.owner):
        return world.stay(f"waiting until pod {others[0].pod_id} of ours has ended")
    return None


def _over_cap(world: World) -> Decision | None:
    """A place that a cap forbids is passed over for one that it allows; else it is refused."""
    record = world.record
    places = (record.candidate, *record.candidates)
    why = [
        refusal(world.limits.caps, world.spent, one.price_per_hour, world.view.pods, world.now)
        for one in places
    ]
    if not why[0]:
        return _short_of_money(world)
    allowed = tuple(one for one, no in zip(places, why, strict=True) if not no)
    if not allowed:
        return cancel(world, f"refused: {why[0]}", over_cap(world, why[0]))
    replaced = world.remember(record=planned_anew(world, Planned(record.spec, allowed)))
    return replaced.stay(f"passed over {place(places[0])}: {why[0]}", 0.0)


def _short_of_money(world: World) -> Decision | None:
    """What another pod has cost since the intent shortens the lease, which is part of the name."""
    record = world.record
    rate = record.candidate.price_per_hour
    if affordable_until(world.limits.caps, world.spent, rate, world.now) >= record.hard_deadline:
        return None
    again = Planned(record.spec, (record.candidate, *record.candidates))
    shorter = world.remember(record=planned_anew(world, again))
    return shorter.stay("less money is left than before; shortening its lease", 0.0)


def conclude_plan(world: World, outcome: Planned | PlanFailed) -> Decision:
    """A new plan for an intent that waited."""
    if isinstance(outcome, PlanFailed):
        if outcome.cause is not None:
            return wait_or_cancel(world, outcome.cause, outcome.message)
        return cancel(world, outcome.message, no_plan(world, outcome))
    waiting = world.book.waiting
    planned = world.remember(
        record=planned_anew(world, outcome),
        waiting=replace(waiting, has_plan=True) if waiting else None,
    )
    return planned.stay(f"{len(outcome.candidates)} places to ask", 0.0)


def wait_or_cancel(world: World, cause: WaitCause, detail: str, at_least: float = 0.0) -> Decision:
    """Put the intent off, or drop it when it has been put off for long enough."""
    waiting = put_off(world, cause, detail, at_least)
    if waiting is None:
        return cancel(world, f"gave up: {detail}", nothing_free(world, cause, detail))
    patient = world.remember(waiting=waiting)
    wait = min(remaining(patient), world.limits.poll)
    return patient.stay(waiting_line(patient, waiting), wait)


def _send(world: World) -> Decision:
    """The fence goes up, then the request leaves."""
    what = f"asking for {place(world.record.candidate)}"
    rate = RateInterval(world.now, world.record.candidate.price_per_hour)
    sent = world.moved(Phase.SENT, what, sent=world.reading, rates=(rate,))
    return sent.stay(what, 0.0, CreatePod(sent.record))
