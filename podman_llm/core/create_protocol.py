"""SENT and UNRESOLVED: the request has left, or may have.

Its answer may say that a pod exists, that none does, or neither. After "neither" nothing else is
asked for until the pod has been found by its name, or has had all the time there is to appear: the
next GPU would be a second bill.
"""

from __future__ import annotations

from dataclasses import replace

from podman_llm.core import backoff, budget, lease, naming
from podman_llm.core.absence import absences, is_propagated
from podman_llm.core.attempts import cancel, next_attempt
from podman_llm.core.intent import wait_or_cancel
from podman_llm.core.listing import namesakes
from podman_llm.core.own_end import own_end
from podman_llm.core.pod import Phase, StopReason, WaitCause
from podman_llm.core.sight import Ambiguous, Created, CreateOutcome, NotCreated, PodSight, Refusal
from podman_llm.core.verdicts import not_ours, nothing_free, refused
from podman_llm.core.wording import place
from podman_llm.core.world import Decision, World


def decide_sent(world: World) -> Decision:
    """A tick that finds SENT comes after a crash: the request may have left."""
    return world.go(
        Phase.UNRESOLVED, "stopped while the request was under way; looking for its pod"
    )


def conclude_create(world: World, outcome: CreateOutcome) -> Decision:
    """What the one request answered."""
    match outcome:
        case Created(pod):
            return _adopt(world, pod, f"got pod {pod.pod_id}")
        case Ambiguous(why):
            return world.go(Phase.UNRESOLVED, f"no clear answer ({why}); looking for the pod")
        case NotCreated():
            return _not_created(world, outcome)


def decide_unresolved(world: World) -> Decision:
    """The answer was lost: find the pod by its name, or wait until it can no longer appear."""
    if found := namesakes(world.view, world.record):
        # Others of the same name are orphans once this one has its id in the record.
        return _adopt(world, found[0], f"found it as pod {found[0].pod_id}")
    return _taken(world) or _unwanted(world) or _seek(world)


def _taken(world: World) -> Decision | None:
    same = (pod for pod in world.view.pods if pod.name == world.record.name)
    taken = next((pod.pod_id for pod in same if naming.is_foreign(pod.env, world.owner)), None)
    if taken is None:
        return None
    disowned = world.remember(verdict=not_ours(world, taken))
    return disowned.go(Phase.DISOWNED, f"pod {taken} has our name and another owner's mark")


def _unwanted(world: World) -> Decision | None:
    """Not wanted any more: it is still looked for, but to be ended."""
    if not world.wish.is_up:
        return world.stop(StopReason.USER, "asked to end")
    if world.record.generation != world.wish.generation:
        return world.stop(StopReason.SUPERSEDED, "something else is wanted")
    if out := budget.exhausted(world.limits.caps, world.spent, world.record, world.now):
        return world.stop(StopReason.BUDGET, out)
    if lease.expiry(world.record, world.now):
        return world.stop(StopReason.EXPIRY, "the time asked for is over")
    return None


def _seek(world: World) -> Decision:
    seeking = world.remember(record=replace(world.record, absences=absences(world)))
    if len(seeking.record.absences) > 1 and world.view.is_valid and is_propagated(world):
        if own := own_end(seeking):  # it may have come, and gone again unseen
            return seeking.stop(*own)
        return _ask_under_new_name(seeking)
    pause = backoff.until_next_look(world.in_phase)
    return seeking.stay("looking for it by name, as its request got no clear answer", pause)


def _adopt(world: World, pod: PodSight, note: str) -> Decision:
    moved = world.moved(
        Phase.PROVISIONING,
        note,
        pod_id=pod.pod_id,
        endpoint=pod.endpoint,
        created_at=pod.created_at,
        absences=(),
    )
    return moved.remember(waiting=None).stay(note, 0.0)


def _not_created(world: World, outcome: NotCreated) -> Decision:
    record = world.record
    said = f"{place(record.candidate)}: {outcome.message}"
    match outcome.refusal:
        case Refusal.CAPACITY | Refusal.CANDIDATE:
            refusals = (*record.refusals, (outcome.refusal, said))
            return _next_candidate(world.remember(record=replace(record, refusals=refusals)), said)
        case Refusal.NOT_SENT | Refusal.RATE:
            is_rate = outcome.refusal is Refusal.RATE
            cause = WaitCause.RATE if is_rate else WaitCause.UNREACHABLE
            back = next_attempt(world, record.candidate, record.candidates, said)
            return wait_or_cancel(back, cause, outcome.message, outcome.retry_after or 0.0)
        case Refusal.BALANCE | Refusal.AUTH | Refusal.SPEC:
            back = next_attempt(world, record.candidate, record.candidates, said)
            return cancel(back, said, refused(world, outcome))


def _next_candidate(world: World, said: str) -> Decision:
    record = world.record
    if record.candidates:
        following, *others = record.candidates
        return next_attempt(world, following, tuple(others), said).stay(said, 0.0)
    back = next_attempt(world, record.candidate, (), said)
    if all(refusal is Refusal.CANDIDATE for refusal, _ in record.refusals):
        # Nobody was merely full: then it is the request that is wrong, and waiting is in vain.
        return cancel(back, said, nothing_free(back, None, said))
    return wait_or_cancel(back, WaitCause.CAPACITY, said)


def _ask_under_new_name(world: World) -> Decision:
    record = world.record
    billed = record.billed_before + 1
    if billed >= world.limits.max_billed_attempts:
        detail = f"{billed} requests got no clear answer and made no pod"
        return world.stop(StopReason.PROVISION_TIMEOUT, detail)
    following, *others = (*record.candidates, record.candidate)
    note = f"{record.name} never appeared; asking under a new name"
    return next_attempt(world, following, tuple(others), note, billed).stay(note, 0.0)
