from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from podman_llm.core import sleep
from podman_llm.core.deeds import MakePlan, PlanFailed, Planned
from podman_llm.core.demand import NO_DEMAND, Demand
from podman_llm.core.intent import decide_intent
from podman_llm.core.lifecycle import conclude, decide
from podman_llm.core.pod import Phase, Sleep, StopReason, WaitCause, Waiting
from podman_llm.core.rest import conclude_plan, decide_rest
from podman_llm.core.sight import Readiness, Rung
from podman_llm.core.world import Verdict, World
from tests.core.worlds import (
    DOWN,
    L4,
    LIMITS,
    SPEC,
    START,
    UP,
    listed,
    phase_of,
    reading,
    record_in,
    rests,
    sight_of,
    world_with,
)

WAKES = replace(LIMITS, wake=True)
SLEEP = Sleep(generation=1, since=START + 100, lease_began=reading(0), cold_start=90.0)
NOW = 600.0
CALLED = Demand(held_at=START + NOW)
IDLE = record_in(Phase.DONE, reason=StopReason.IDLE)
PLAN = Planned(SPEC, (L4,))


def sleeping(record: Any = IDLE, *, book: dict[str, Any] | None = None, **changes: Any) -> World:
    fields: dict[str, Any] = {"after": NOW, "limits": WAKES, "view": listed(at=START + NOW)}
    return world_with(record, book={"sleep": SLEEP} | (book or {}), **(fields | changes))


def verdict(exit_code: int, at: float = START + NOW) -> Verdict:
    return Verdict(1, exit_code, "no", "", at)


# Falling asleep --------------------------------------------------------------------------------


def idle(**changes: Any) -> World:
    fields: dict[str, Any] = {"after": NOW, "limits": replace(WAKES, idle=300.0)}
    return world_with(record_in(Phase.READY), **(fields | changes))


def test_only_idleness_puts_to_sleep_and_only_where_requests_may_wake() -> None:
    decision = decide(idle())
    assert phase_of(decision) is Phase.DRAINING
    assert decision.book.sleep == Sleep(1, START + NOW, reading(0), 0.0)
    assert decide(idle(limits=replace(LIMITS, idle=300.0))).book.sleep is None
    assert decide(idle(after=3600.0)).book.sleep is None


def test_the_time_of_a_woken_pod_began_with_the_first() -> None:
    began = reading(-500)
    record = record_in(Phase.READY, lease_began=began, ready_at=START + 40)
    decision = decide(world_with(record, after=NOW, limits=replace(WAKES, idle=300.0)))
    assert decision.book.sleep
    assert (decision.book.sleep.lease_began, decision.book.sleep.cold_start) == (began, 40.0)


# Waking up, or not -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("record", "changes"),
    [
        (IDLE, {"wish": DOWN}),
        (IDLE, {"wish": replace(UP, generation=2)}),
    ],
)
def test_a_sleep_ends_with_the_wish(record: Any, changes: Any) -> None:
    assert decide(sleeping(record, demand=CALLED, **changes)).book.sleep is None


def test_a_sleep_ends_with_a_pod_that_is_ready() -> None:
    booting = sleeping(record_in(Phase.BOOTING), sight=sight_of())
    assert decide(booting).book.sleep == SLEEP
    ready = conclude(booting, Readiness(Rung.ANSWERING, ""))
    assert (phase_of(ready), ready.book.sleep) == (Phase.READY, None)


def test_down_is_down_whoever_calls() -> None:
    decision = decide(sleeping(wish=DOWN, demand=CALLED))
    assert rests(decision)
    assert decision.is_settled


def test_it_sleeps_until_it_is_called() -> None:
    quiet = decide_rest(sleeping())
    assert quiet.is_settled
    assert quiet.heeds_demand
    assert quiet.note == "asleep; a request wakes it"
    called = decide_rest(sleeping(demand=CALLED))
    assert called.deed == MakePlan()
    assert not called.heeds_demand


def test_nothing_that_lives_is_slept_upon() -> None:
    shown = decide_rest(sleeping(view=listed(sight_of())))
    assert not shown.is_settled


@pytest.mark.parametrize(
    ("record", "changes", "words"),
    [
        (IDLE, {"after": 3600.0}, "less is left of the time asked for"),
        (IDLE, {"after": 3511.0}, "than it takes to start (90 s)"),
        (IDLE, {"book": {"verdict": verdict(9)}}, "waking it failed: no"),
        (record_in(Phase.DISOWNED), {"book": {"verdict": verdict(7)}}, "waking it failed: no"),
        (record_in(Phase.DONE, reason=StopReason.BUDGET), {}, "it was ended (budget)"),
        (record_in(Phase.DONE, reason=StopReason.EXPIRY), {}, "it was ended (expiry)"),
    ],
)
def test_what_no_request_changes_is_written_down(record: Any, changes: Any, words: str) -> None:
    after = changes.get("after", NOW)
    decision = decide_rest(sleeping(record, demand=Demand(held_at=START + after), **changes))
    assert rests(decision)
    assert decision.is_settled
    assert not decision.heeds_demand
    assert words in decision.note
    assert decision.book.sleep
    assert words in decision.book.sleep.why_not


def test_an_extension_is_time_asked_for_up_to_what_is_allowed() -> None:
    for granted, left in ((0.0, 600.0), (300.0, 900.0), (99999.0, 600.0 + 7200.0)):
        world = sleeping(after=3000.0, wish=replace(UP, extended_seconds=granted))
        assert sleep.time_left(world, SLEEP.lease_began) == left
    assert sleep.time_left(sleeping(after=9999.0), SLEEP.lease_began) == 0.0


@pytest.mark.parametrize("exit_code", [5, 6])
def test_after_a_failure_that_mends_itself_a_request_tries_again_later(exit_code: int) -> None:
    book = {"verdict": verdict(exit_code, at=START + NOW - 20)}
    early = decide_rest(sleeping(demand=CALLED, book=book))
    assert rests(early)
    assert (early.wait, early.heeds_demand) == (40.0, False)
    assert early.book.sleep
    assert early.book.sleep.why_not == ""
    book = {"verdict": verdict(exit_code, at=START + NOW - 60)}
    assert decide_rest(sleeping(demand=CALLED, book=book)).deed == MakePlan()


def test_a_clock_set_back_keeps_no_request_from_counting() -> None:
    asleep = replace(SLEEP, since=START + 9000)
    book = {"sleep": asleep, "verdict": verdict(5, at=START + 9000)}
    decision = decide(sleeping(book=book))
    assert decision.book.sleep
    assert decision.book.sleep.since == START + NOW
    later = sleeping(
        after=NOW + 1,
        demand=Demand(held_at=START + NOW + 1),
        book={"verdict": book["verdict"], "sleep": decision.book.sleep},
    )
    assert decide(later).deed == MakePlan()


def test_while_nothing_is_free_it_waits_and_no_longer_than_anybody_asks() -> None:
    waiting = Waiting(START + NOW, 1, START + NOW + 15, WaitCause.CAPACITY, "sold out")
    waits = decide_rest(sleeping(demand=CALLED, book={"waiting": waiting}))
    assert rests(waits)
    assert "sold out" in waits.note
    assert waits.book.waiting == waiting
    left = decide_rest(sleeping(book={"waiting": waiting}))
    assert left.book.waiting is None
    assert left.heeds_demand


def test_there_is_no_sleep_to_ask_about_in_other_worlds() -> None:
    world = sleeping(book={"sleep": None})
    assert sleep.why_not(world)
    assert not sleep.is_called(world)
    assert sleep.known(world) == world
    assert sleep.pause_left(world) <= 0


# The attempt -----------------------------------------------------------------------------------


def test_a_woken_pod_is_asked_for_where_it_was_and_with_the_time_left() -> None:
    slept = replace(IDLE, attempt=3, billed_before=2)
    record = conclude_plan(sleeping(slept, demand=CALLED), PLAN).book.record
    assert record
    assert (record.candidate, record.attempt, record.billed_before) == (L4, 4, 0)
    assert record.lease_began == reading(0)
    assert (record.soft_deadline, record.first_deadline) == (START + 3600, START + 3600)
    assert record.hard_deadline == START + 10800
    assert not record.is_cut_short


def test_an_extension_is_in_a_woken_pods_deadline_from_the_start() -> None:
    world = sleeping(after=3000.0, wish=replace(UP, extended_seconds=900.0))
    record = conclude_plan(world, PLAN).book.record
    assert record
    assert (record.first_deadline, record.soft_deadline) == (START + 3600, START + 4500)


def test_the_next_attempt_of_a_woken_pod_has_no_more_time() -> None:
    lost = record_in(Phase.DONE, reason=StopReason.LOST, lease_began=reading(-60))
    record = conclude_plan(sleeping(lost, demand=CALLED), PLAN).book.record
    assert record
    assert (record.lease_began, record.billed_before) == (reading(-60), 1)
    assert record.soft_deadline == START + 3540


def test_an_adopted_pod_is_woken_by_making_one() -> None:
    world = sleeping(demand=CALLED, wish=replace(UP, adopt="pod1"))
    assert decide_rest(world).deed == MakePlan()
    record = conclude_plan(world, PLAN).book.record
    assert record
    assert (record.phase, record.pod_id) == (Phase.INTENT, None)


def test_an_unreachable_provider_is_waited_for_as_nobody_is_there_to_be_told() -> None:
    failed = PlanFailed(6, "no answer", "", WaitCause.UNREACHABLE)
    decision = conclude_plan(sleeping(demand=CALLED), failed)
    assert decision.book.verdict is None
    assert decision.book.waiting


def waking(**changes: Any) -> World:
    record = record_in(Phase.INTENT, lease_began=reading(0), soft_deadline=START + 9999)
    return sleeping(record, **changes)


def test_an_intent_is_sent_for_who_still_waits() -> None:
    assert phase_of(decide_intent(waking(demand=CALLED))) is Phase.SENT


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"demand": NO_DEMAND}, "nobody waits for it any more"),
        ({"demand": CALLED, "after": 3601.0}, "the time asked for is over"),
    ],
)
def test_an_intent_that_nobody_needs_is_dropped(changes: Any, why: str) -> None:
    decision = decide_intent(waking(**changes))
    assert phase_of(decision) is Phase.CANCELLED
    assert why in decision.note
    assert decision.book.sleep == SLEEP


def test_an_intent_of_a_person_needs_no_request() -> None:
    record = record_in(Phase.INTENT)
    world = sleeping(record, book={"sleep": None}, after=0.0)
    assert phase_of(decide_intent(world)) is Phase.SENT
