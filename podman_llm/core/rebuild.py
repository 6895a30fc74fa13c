"""Going on after a restart, or after the state was lost."""

from __future__ import annotations

from dataclasses import replace

from podman_llm.core import lease, naming
from podman_llm.core.deeds import Planned
from podman_llm.core.listing import ours
from podman_llm.core.moves import advance
from podman_llm.core.pod import (
    Candidate,
    ClockReading,
    Guard,
    Phase,
    PodRecord,
    RateInterval,
    Transition,
)
from podman_llm.core.sight import PodSight
from podman_llm.core.world import World


def after_restart(record: PodRecord, reading: ClockReading, *, is_older: bool) -> PodRecord:
    """The record as a new process may believe it.

    Readiness is not restored from disk: it is proved again. ``is_older`` says that this is the
    generation before the one that was lost, which may have been saved just after it: an intent
    read here may have been sent since, so it counts as sent.
    """
    record = lease.of_this_boot(record, reading)
    now = lease.pod_time(record, reading)
    if record.phase in {Phase.READY, Phase.DEGRADED}:
        return advance(record, Phase.BOOTING, now, "restarted; readiness is proved again")
    if not is_older or record.phase not in {Phase.INTENT, Phase.SENT}:
        return record
    if record.phase is Phase.INTENT:
        # When it left is not known; what it cost is counted from the earliest moment it may have.
        rate = RateInterval(record.intent.wall, record.candidate.price_per_hour)
        note = "an older state was read: the request may have left"
        record = advance(record, Phase.SENT, now, note, sent=reading, rates=(rate,))
    return advance(record, Phase.UNRESOLVED, now, "looking for its pod by name", sent=reading)


def taken_over(world: World, plan: Planned) -> PodRecord | None:
    """A record for the oldest pod of ours that serves the planned model; None if none does.

    Where the wish names a pod, it is that one or none, and the time asked for begins now.

    What cannot be read from its marks comes from the plan and the catalog of now. Its hard
    deadline is the one in its name and environment, so that losing state extends nothing.
    """
    for pod in ours(world.view, world.owner):
        name = naming.parse(pod.name)
        is_wanted = world.wish.adopt in {"", pod.pod_id}
        serves = pod.env.get(naming.MODEL_MARK) == plan.spec.model_store_id
        if name and is_wanted and serves:
            return _record_of(world, plan, pod, hard_deadline=name.deadline)
    return None


def _record_of(world: World, plan: Planned, pod: PodSight, *, hard_deadline: float) -> PodRecord:
    reading = world.reading
    created = min(reading.wall, pod.created_at if pod.created_at is not None else reading.wall)
    asked = replace(reading, wall=created, boottime=reading.boottime - (reading.wall - created))
    candidate = _placement(plan, pod)
    begins = reading.wall if world.wish.adopt else created
    soft = min(hard_deadline, begins + world.limits.runtime)
    return PodRecord(
        name=pod.name,
        owner=world.owner,
        generation=world.wish.generation,
        phase=Phase.PROVISIONING,
        spec=plan.spec,
        attempt=_attempt(pod),
        candidate=candidate,
        candidates=(),
        intent=asked,
        sent=asked,
        soft_deadline=soft,
        first_deadline=soft,
        hard_deadline=hard_deadline,
        keyed=naming.KEY_MARK in pod.env,
        guard=Guard.AWAITED if world.is_guarded else Guard.NONE,
        pod_id=pod.pod_id,
        endpoint=pod.endpoint,
        created_at=pod.created_at,
        rates=(RateInterval(created, candidate.price_per_hour),),
        asked_model=world.wish.model,
        taken_over_at=reading.wall,
        lease_began=reading if world.wish.adopt else None,
        transitions=(
            Transition(Phase.PROVISIONING, reading.wall, "taken over; it was in no record"),
        ),
    )


def _placement(plan: Planned, pod: PodSight) -> Candidate:
    """Where it runs, as far as it says; prices of the plan stand in for one not told."""
    like = next((one for one in plan.candidates if one.gpu_id == pod.gpu_id), plan.candidates[0])
    return replace(
        like,
        gpu_id=pod.gpu_id or like.gpu_id,
        gpu_name=like.gpu_name if pod.gpu_id in {None, like.gpu_id} else str(pod.gpu_id),
        gpu_count=pod.gpu_count or like.gpu_count,
        cloud=pod.cloud or like.cloud,
        data_center_id=pod.data_center_id,
        price_per_hour=pod.cost_per_hour or like.price_per_hour,
    )


def _attempt(pod: PodSight) -> int:
    told = pod.env.get(naming.ATTEMPT_MARK, "")
    return int(told) if told.isdecimal() else 1
