from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from podman_llm.core.budget import Caps, Spent
from podman_llm.core.deeds import CreatePod, MakePlan, PlanFailed, Planned
from podman_llm.core.intent import conclude_plan, decide_intent, wait_or_cancel
from podman_llm.core.pod import Phase, WaitCause, Waiting
from podman_llm.core.world import BLIND_ALARM, Decision
from tests.core.worlds import (
    DOWN,
    L4,
    L40S,
    LIMITS,
    NO_LIST,
    SPEC,
    START,
    UP,
    listed,
    phase_of,
    rests,
    sight_of,
    world_in,
    world_with,
)

FULL = Waiting(START, 1, START + 15, WaitCause.CAPACITY, "L4: full")


def decided(**world: Any) -> Decision:
    return decide_intent(world_in(Phase.INTENT, **world))


def test_the_fence_is_up_before_the_request_leaves() -> None:
    decision = decided(after=3)
    record = decision.book.record
    assert record
    assert record.phase is Phase.SENT
    assert decision.deed == CreatePod(record)
    assert record.sent
    assert record.sent.wall == START + 3
    assert [(rate.since, rate.usd_per_hour) for rate in record.rates] == [(START + 3, 0.5)]


@pytest.mark.parametrize("wish", [DOWN, replace(UP, generation=2)])
def test_an_intent_that_nobody_wants_is_dropped(wish: Any) -> None:
    assert phase_of(decided(wish=wish)) is Phase.CANCELLED


def test_nothing_is_asked_for_before_its_time() -> None:
    decision = decided(book={"waiting": FULL}, after=12)
    assert rests(decision)
    assert decision.wait == 3
    assert "asking again in 3 s" in decision.note


def test_when_it_is_due_the_market_is_looked_at_anew() -> None:
    assert decided(book={"waiting": FULL}, after=15).deed == MakePlan()
    planned = replace(FULL, has_plan=True)
    assert isinstance(decided(book={"waiting": planned}, after=15).deed, CreatePod)


def test_an_intent_whose_time_went_by_is_planned_again() -> None:
    assert decided(after=3600).deed == MakePlan()


def test_nothing_is_asked_for_without_a_valid_list() -> None:
    decision = decided(view=NO_LIST)
    assert rests(decision)
    assert "503 from the provider" in decision.note


def test_an_up_that_holds_nothing_is_given_up_when_blind_for_too_long() -> None:
    decision = decided(view=NO_LIST, blind_for=BLIND_ALARM + 1)
    assert phase_of(decision) is Phase.CANCELLED
    assert decision.book.verdict
    assert decision.book.verdict.exit_code == 6


def test_nothing_is_asked_for_while_another_pod_of_ours_lives() -> None:
    decision = decided(view=listed(sight_of(pod_id="pod7")))
    assert rests(decision)
    assert "pod7" in decision.note


def test_nothing_is_asked_for_in_quarantine() -> None:
    decision = decided(book={"quarantine_until": START + 4})
    assert rests(decision)
    assert decision.wait == 4
    assert isinstance(decided(book={"quarantine_until": START + 4}, after=4).deed, CreatePod)


def test_a_new_plan_takes_the_place_of_the_old() -> None:
    world = world_in(Phase.INTENT, book={"waiting": FULL}, after=15)
    decision = conclude_plan(world, Planned(SPEC, (L40S,)))
    assert decision.book.record
    assert decision.book.record.candidate == L40S
    assert decision.book.waiting == replace(FULL, has_plan=True)
    again = conclude_plan(world_in(Phase.INTENT), Planned(SPEC, (L40S,)))
    assert again.book.waiting is None


def test_a_plan_that_fails_for_now_is_waited_for() -> None:
    failed = PlanFailed(5, "all sold out", "", WaitCause.CAPACITY)
    decision = conclude_plan(world_in(Phase.INTENT), failed)
    assert phase_of(decision) is Phase.INTENT
    assert decision.book.waiting
    assert "all sold out" in decision.note


def test_a_plan_that_fails_for_good_drops_the_intent() -> None:
    decision = conclude_plan(world_in(Phase.INTENT), PlanFailed(2, "no such model", "try x"))
    assert phase_of(decision) is Phase.CANCELLED
    assert decision.book.verdict
    assert (decision.book.verdict.exit_code, decision.book.verdict.hint) == (2, "try x")


def test_waiting_has_an_end() -> None:
    world = world_in(Phase.INTENT, book={"waiting": FULL}, after=600)
    decision = wait_or_cancel(world, WaitCause.CAPACITY, "full")
    assert phase_of(decision) is Phase.CANCELLED
    assert decision.book.verdict
    assert decision.book.verdict.exit_code == 5


def capped(caps: Caps, spent: Spent | None = None, **world: Any) -> Decision:
    return decided(limits=replace(LIMITS, caps=caps), spent=spent or Spent(), **world)


def test_a_cap_that_no_place_keeps_to_refuses_and_rents_nothing() -> None:
    decision = capped(Caps(usd_per_hour=0.4))
    assert phase_of(decision) is Phase.CANCELLED
    verdict = decision.book.verdict
    assert verdict
    assert verdict.exit_code == 8
    assert "over budget.max_usd_per_hour = 0.4" in verdict.message


def test_a_place_over_the_cap_is_passed_over_for_one_within_it() -> None:
    decision = capped(
        Caps(usd_per_hour=1.0), record={"candidate": L40S, "candidates": (L4,)}, after=2
    )
    record = decision.book.record
    assert record
    assert (record.phase, record.candidate, record.candidates) == (Phase.INTENT, L4, ())
    assert rests(decision)


def test_a_lease_is_shortened_when_money_went_elsewhere_meanwhile() -> None:
    caps, spent = Caps(usd_total=1.0, useful=60.0), Spent(total=500_000)
    decision = capped(caps, spent, after=10)
    record = decision.book.record
    assert record
    assert record.hard_deadline == START + 10 + 3600
    assert record.name.endswith(f"-x{int(record.hard_deadline)}")
    later = world_with(record, after=11, limits=replace(LIMITS, caps=caps), spent=spent)
    assert phase_of(decide_intent(later)) is Phase.SENT
