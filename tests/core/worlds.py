"""Worlds to decide in, each an ordinary one but for what the test names."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from podman_llm.core import naming
from podman_llm.core.deeds import Nothing
from podman_llm.core.lease import Traffic
from podman_llm.core.listing import ListView
from podman_llm.core.pod import (
    Candidate,
    ClockReading,
    Phase,
    PodRecord,
    PodSpec,
    RateInterval,
    StopReason,
    Transition,
)
from podman_llm.core.sight import PodSight, PodStatus, Sight, Unknown
from podman_llm.core.world import Book, Decision, Limits, Wish, World

OWNER = "abc234"
START = 1_000_000.0
TOKEN = "0123456789ab"
POD_ID = "pod1"
QUIET = Traffic(in_flight=0, last_counted_at=None, busy_at=None, is_known=True)

SPEC = PodSpec(
    model_store_id="tiny",
    hf_id="tiny/llama-random",
    revision="main",
    served_names=("tiny",),
    context=512,
    image="image",
    command=("serve",),
    port=8000,
    disk_gb=40,
    min_cuda=None,
    env={},
    template_id=None,
    network_volume_id=None,
)
L4 = Candidate("L4", "NVIDIA L4", 1, "SECURE", None, 0.5, 24.0, "HIGH")
L40S = Candidate("L40S", "NVIDIA L40S", 2, "COMMUNITY", "EU-RO-1", 1.6, 48.0, "LOW")
LIMITS = Limits(
    runtime=3600.0,
    max_extension=7200.0,
    idle=1800.0,
    max_price=4.0,
    provision_timeout=900.0,
    initial_wait=10.0,
    boot_timeout=600.0,
    wait_capacity=600.0,
    max_billed_attempts=3,
    max_restarts=2,
    drain=30.0,
    settle=20.0,
    quarantine=180.0,
    poll=5.0,
)
UP = Wish(generation=1, is_up=True, now=False, extended_seconds=0.0, model="tiny")
DOWN = replace(UP, is_up=False)
NAME = naming.make(owner=OWNER, model="tiny", token="a" * 12, deadline=START + 10800)
MARKS = {naming.OWNER_MARK: OWNER, naming.INTENT_MARK: NAME, naming.MODEL_MARK: "tiny"}

_WITH_ID = frozenset(Phase) - {Phase.INTENT, Phase.SENT, Phase.UNRESOLVED, Phase.CANCELLED}
_WAS_READY = frozenset({Phase.READY, Phase.DEGRADED, Phase.DRAINING})


def reading(seconds: float, boot_id: str = "boot-1") -> ClockReading:
    """All clocks ``seconds`` after the start, agreeing."""
    return ClockReading(START + seconds, 500.0 + seconds, boot_id)


def record_in(phase: Phase, **changes: Any) -> PodRecord:
    """A record asked for at the start that came into ``phase`` then."""
    was_sent = phase not in {Phase.INTENT, Phase.CANCELLED}
    has_id = phase in _WITH_ID
    ends = phase in {Phase.STOPPING, Phase.VERIFYING, Phase.DONE}
    record = PodRecord(
        name=NAME,
        owner=OWNER,
        generation=1,
        phase=phase,
        spec=SPEC,
        attempt=1,
        candidate=L4,
        candidates=(L40S,),
        intent=reading(0),
        soft_deadline=START + 3600,
        first_deadline=START + 3600,
        hard_deadline=START + 10800,
        keyed=True,
        sent=reading(0) if was_sent else None,
        pod_id=POD_ID if has_id else None,
        endpoint="http://pod1" if has_id else None,
        created_at=START if has_id else None,
        listed_at=START if has_id else None,
        running_at=START if phase in _WAS_READY | {Phase.BOOTING} else None,
        ready_at=START if phase in _WAS_READY else None,
        rates=(RateInterval(START, 0.5),) if was_sent else (),
        reason=StopReason.USER if ends else None,
        asked_model="tiny",
        transitions=(Transition(phase, START, "as the test has it"),),
    )
    return replace(record, **changes)


def sight_of(**changes: Any) -> PodSight:
    """The record's pod, running."""
    sight = PodSight(
        pod_id=POD_ID,
        name=NAME,
        status=PodStatus.RUNNING,
        cost_per_hour=0.5,
        created_at=START,
        started_at=START,
        uptime=100.0,
        endpoint="http://pod1",
        gpu_count=1,
        gpu_id="L4",
        cloud="SECURE",
        data_center_id=None,
        env=MARKS,
    )
    return replace(sight, **changes)


def listed(*pods: PodSight, at: float = START) -> ListView:
    """A valid list of these pods."""
    return ListView(pods, is_valid=True, at=at, count=len(pods))


NO_LIST = ListView((), is_valid=False, at=START, count=None, why="503 from the provider")


def world_with(
    record: PodRecord | None,
    *,
    after: float = 0.0,
    view: ListView | None = None,
    sight: Sight | None = None,
    book: dict[str, Any] | None = None,
    **changes: Any,
) -> World:
    """This record, ``after`` seconds, with the pod seen and listed unless the test says else."""
    has_pod = record is not None and record.pod_id is not None and record.is_open
    seen = sight if sight is not None else (sight_of() if has_pod else Unknown("no pod"))
    shown = listed(*([sight_of()] if isinstance(seen, PodSight) else []), at=START + after)
    world = World(
        reading=reading(after),
        owner=OWNER,
        token=TOKEN,
        wish=UP,
        limits=LIMITS,
        book=Book(record=record, **(book or {})),
        view=shown if view is None else view,
        sight=seen,
        traffic=QUIET,
    )
    return replace(world, **changes)


def world_in(phase: Phase, *, record: dict[str, Any] | None = None, **rest: Any) -> World:
    """A world whose record is in ``phase``."""
    return world_with(record_in(phase, **(record or {})), **rest)


def phase_of(decision: Decision) -> Phase:
    assert decision.book.record
    return decision.book.record.phase


def rests(decision: Decision) -> bool:
    return isinstance(decision.deed, Nothing)
