from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from podman_llm.core.deeds import CreatePod, LogTail, MakePlan, PlanFailed, Planned
from podman_llm.core.lease import Traffic
from podman_llm.core.lifecycle import DECISIONS, conclude, decide
from podman_llm.core.pod import ALLOWED, CLOSED, Phase, StopReason
from podman_llm.core.sight import (
    Ambiguous,
    Created,
    Gone,
    NotCreated,
    PodStatus,
    Readiness,
    Refusal,
    Rung,
    Terminated,
    TerminateFailed,
    Unknown,
)
from tests.core.worlds import (
    DOWN,
    L4,
    NO_LIST,
    QUIET,
    SPEC,
    UP,
    listed,
    phase_of,
    sight_of,
    world_in,
    world_with,
)


def test_every_open_phase_has_its_decision_and_no_closed_one() -> None:
    assert set(DECISIONS) == set(Phase) - CLOSED


SIGHTS = [
    sight_of(),
    sight_of(status=PodStatus.STARTING),
    sight_of(status=PodStatus.EXITED),
    Gone(),
    Unknown("503"),
]
WISHES = [UP, DOWN, replace(DOWN, now=True), replace(UP, generation=2, model="other")]
TRAFFIC = [QUIET, replace(QUIET, in_flight=1), Traffic(0, None, None, is_known=False)]


@pytest.mark.parametrize("phase", sorted(set(Phase) - CLOSED))
def test_whatever_is_seen_no_decision_leaves_the_table_or_sends_without_its_fence(
    phase: Phase,
) -> None:
    worlds = [
        world_in(phase, sight=sight, view=view, wish=wish, traffic=traffic, after=after)
        for sight in SIGHTS
        for view in (listed(), listed(sight_of()), NO_LIST)
        for wish in WISHES
        for traffic in TRAFFIC
        for after in (0.0, 30.0, 700.0, 4000.0, 20000.0)
    ]
    for world in worlds:
        decision = decide(world)
        after = phase_of(decision)
        assert after is phase or after in ALLOWED[phase]
        if isinstance(decision.deed, CreatePod):
            assert decision.deed.record == decision.book.record
            assert after is Phase.SENT
            assert world.view.is_valid
        assert decision.wait >= 0
        assert decision.note


@pytest.mark.parametrize(
    ("phase", "outcome", "after"),
    [
        (Phase.SENT, Created(sight_of()), Phase.PROVISIONING),
        (Phase.SENT, Ambiguous("502"), Phase.UNRESOLVED),
        (Phase.SENT, NotCreated(Refusal.CAPACITY, "full"), Phase.INTENT),
        (Phase.STOPPING, Terminated(204), Phase.VERIFYING),
        (Phase.STOPPING, TerminateFailed("503"), Phase.STOPPING),
        (Phase.STOPPING, LogTail(("a",)), Phase.STOPPING),
        (Phase.BOOTING, Readiness(Rung.ANSWERING, "yes"), Phase.READY),
        (Phase.INTENT, Planned(SPEC, (L4,)), Phase.INTENT),
        (Phase.INTENT, PlanFailed(2, "no", ""), Phase.CANCELLED),
        (Phase.DONE, Planned(SPEC, (L4,)), Phase.INTENT),
        (Phase.CANCELLED, PlanFailed(2, "no", ""), Phase.CANCELLED),
    ],
)
def test_each_outcome_is_concluded_by_its_phase(phase: Phase, outcome: Any, after: Phase) -> None:
    record = {"generation": 0} if phase in CLOSED else None
    assert phase_of(conclude(world_in(phase, record=record), outcome)) is after


def test_without_an_open_record_it_is_decided_whether_one_is_due() -> None:
    assert decide(world_with(None)).deed == MakePlan()
    assert decide(world_in(Phase.DONE, wish=DOWN)).is_settled


def test_without_a_record_a_plan_begins_one() -> None:
    assert phase_of(conclude(world_with(None), Planned(SPEC, (L4,)))) is Phase.INTENT


@pytest.mark.parametrize("asked", ["tiny", ""])
def test_a_second_up_for_the_same_model_follows_the_pod(asked: str) -> None:
    decision = decide(
        world_in(Phase.READY, record={"asked_model": asked}, wish=replace(UP, generation=2))
    )
    assert decision.book.record
    assert decision.book.record.generation == 2
    assert decision.book.record.phase is Phase.READY


def test_an_up_for_another_model_supersedes_it() -> None:
    wish = replace(UP, generation=2, model="other")
    decision = decide(world_in(Phase.READY, wish=wish))
    assert decision.book.record
    assert decision.book.record.reason is StopReason.SUPERSEDED
    assert phase_of(decide(world_in(Phase.INTENT, wish=wish))) is Phase.CANCELLED


def test_a_pod_that_is_ending_is_not_followed() -> None:
    decision = decide(world_in(Phase.VERIFYING, wish=replace(UP, generation=2)))
    assert decision.book.record
    assert decision.book.record.generation == 1


def test_each_warning_is_remembered_and_given_once() -> None:
    world = world_in(Phase.READY, after=3590)
    first = decide(world)
    assert [notice.text for notice in first.book.notices] == [
        "the pod ends in 10 s; `podman-llm extend` moves that"
    ]
    assert decide(replace(world, book=first.book)).book.notices == first.book.notices
