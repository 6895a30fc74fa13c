from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from podman_llm.core.budget import Caps, Spent
from podman_llm.core.draining import DRAIN_LEAST, drain, start_drain, unwanted
from podman_llm.core.lease import Traffic
from podman_llm.core.pod import Phase, StopReason
from podman_llm.core.world import Decision
from tests.core.worlds import DOWN, LIMITS, QUIET, START, UP, phase_of, world_in

BUSY = replace(QUIET, in_flight=2)
UNKNOWN = Traffic(0, None, None, is_known=False)


def reason_of(decision: Decision | None) -> StopReason | None:
    assert decision
    assert decision.book.record
    return decision.book.record.reason


def test_a_pod_within_its_time_that_is_wanted_stays() -> None:
    assert unwanted(world_in(Phase.READY)) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"after": 3600}, StopReason.EXPIRY),
        ({"wish": DOWN}, StopReason.USER),
        ({"wish": replace(UP, generation=2)}, StopReason.SUPERSEDED),
    ],
)
def test_what_is_over_ends_at_once_when_nothing_is_in_flight(
    changes: Any, reason: StopReason
) -> None:
    for traffic in (QUIET, UNKNOWN):
        decision = unwanted(world_in(Phase.READY, traffic=traffic, **changes))
        assert decision
        assert (phase_of(decision), reason_of(decision)) == (Phase.STOPPING, reason)


@pytest.mark.parametrize("phase", [Phase.READY, Phase.DEGRADED])
def test_what_is_in_flight_may_finish(phase: Phase) -> None:
    decision = unwanted(world_in(phase, traffic=BUSY, after=3600))
    assert decision
    assert (phase_of(decision), reason_of(decision)) == (Phase.DRAINING, StopReason.EXPIRY)
    assert decision.book.record
    assert decision.book.record.draining_at == START + 3600


@pytest.mark.parametrize(
    ("phase", "changes"),
    [
        (Phase.BOOTING, {"wish": DOWN}),
        (Phase.READY, {"wish": replace(DOWN, now=True)}),
        (Phase.READY, {"after": 10800}),
        (Phase.READY, {"wish": DOWN, "limits": replace(LIMITS, drain=0.0)}),
        (Phase.DRAINING, {"wish": replace(DOWN, now=True)}),
        (Phase.DRAINING, {"after": 10800}),
    ],
)
def test_at_boot_on_request_and_at_the_hard_deadline_nothing_is_waited_for(
    phase: Phase, changes: Any
) -> None:
    decision = unwanted(world_in(phase, traffic=BUSY, **changes))
    assert decision
    assert phase_of(decision) is Phase.STOPPING


def test_a_drain_that_goes_on_is_not_begun_again() -> None:
    drained = {"reason": StopReason.IDLE, "reason_detail": "nobody came"}
    world = world_in(Phase.DRAINING, record=drained, traffic=BUSY, wish=DOWN, after=5)
    decision = unwanted(world)
    assert decision
    assert phase_of(decision) is Phase.DRAINING
    assert "2 requests in flight may finish, at most 25 s more" in decision.note
    assert decision.wait == 1.0


@pytest.mark.parametrize(
    ("traffic", "after", "phase"),
    [
        (QUIET, 0, Phase.DRAINING),
        (QUIET, DRAIN_LEAST, Phase.STOPPING),
        (BUSY, 29, Phase.DRAINING),
        (BUSY, 30, Phase.STOPPING),
        (UNKNOWN, 29, Phase.DRAINING),
        (UNKNOWN, 30, Phase.STOPPING),
    ],
)
def test_a_drain_ends_when_all_is_done_or_its_time_is_over(
    traffic: Traffic, after: float, phase: Phase
) -> None:
    world = world_in(Phase.DRAINING, traffic=traffic, after=after)
    assert phase_of(drain(world)) is phase


def test_the_reason_of_the_drain_is_the_reason_of_the_end() -> None:
    begun = start_drain(world_in(Phase.READY), StopReason.IDLE, "nobody came")
    world = replace(world_in(Phase.READY, after=60), book=begun.book)
    assert reason_of(drain(world)) is StopReason.IDLE


def test_a_used_up_budget_ends_it_at_once_whatever_is_in_flight() -> None:
    limits = replace(LIMITS, caps=Caps(usd_total=1.0))
    busy = replace(QUIET, in_flight=3)
    spent = Spent(total=600_000)
    world = world_in(Phase.READY, after=3000, limits=limits, spent=spent, traffic=busy)
    decision = unwanted(world)
    assert decision
    assert decision.book.record
    assert decision.book.record.phase is Phase.STOPPING
    assert decision.book.record.reason is StopReason.BUDGET
    assert unwanted(world_in(Phase.READY, after=2700, limits=limits, spent=spent)) is None
