from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from podman_llm.core.deeds import MakePlan, PlanFailed, Planned
from podman_llm.core.pod import Phase, PodRecord, StopReason, WaitCause, Waiting
from podman_llm.core.rest import conclude_plan, decide_rest
from podman_llm.core.world import Decision, Verdict
from tests.core.worlds import (
    DOWN,
    L4,
    L40S,
    MARKS,
    NO_LIST,
    SPEC,
    START,
    UP,
    listed,
    record_in,
    rests,
    sight_of,
    world_with,
)

PLAN = Planned(SPEC, (L4, L40S))
FULL = Waiting(START, 1, START + 15, WaitCause.CAPACITY, "sold out")
SOLD_OUT = PlanFailed(5, "sold out", "", WaitCause.CAPACITY)
LOST_PAST = {"is_rebuilding": True, "quarantine_until": START + 180}


def rested(record: PodRecord | None = None, **world: Any) -> Decision:
    return decide_rest(world_with(record, **world))


def planned(outcome: Any, record: PodRecord | None = None, **world: Any) -> Decision:
    return conclude_plan(world_with(record, **world), outcome)


def ended(reason: StopReason, **changes: Any) -> PodRecord:
    return record_in(Phase.DONE, reason=reason, **changes)


# Down ------------------------------------------------------------------------------------------


def test_down_is_settled_by_a_valid_list_without_our_pods() -> None:
    decision = rested(wish=DOWN)
    assert decision.is_settled
    assert decision.note == "no pod"
    assert rested(ended(StopReason.USER), wish=DOWN).note == "DONE: as the test has it"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"view": NO_LIST}, "503 from the provider"),
        ({"view": listed(sight_of())}, "pod1"),
        ({"book": {"orphan_at": START - 5}}, "sure in 15 s"),
        ({"book": {"quarantine_until": START + 4}}, "sure in 4 s"),
    ],
)
def test_down_is_not_settled_while_anything_may_be_left(changes: Any, words: str) -> None:
    decision = rested(wish=DOWN, **changes)
    assert not decision.is_settled
    assert words in decision.note
    assert 0 < decision.wait <= 5


def test_down_forgets_what_was_waited_for_and_the_lost_past() -> None:
    book = rested(wish=DOWN, book={"waiting": FULL, "is_rebuilding": True}).book
    assert (book.waiting, book.is_rebuilding) == (None, False)


@pytest.mark.parametrize(("exit_code", "is_kept"), [(5, False), (1, False), (7, True)])
def test_down_forgets_why_an_up_failed_unless_something_may_bill(
    exit_code: int, is_kept: bool
) -> None:
    verdict = Verdict(1, exit_code, "why", "", START)
    assert (rested(wish=DOWN, book={"verdict": verdict}).book.verdict == verdict) is is_kept


# Up --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "record", [None, record_in(Phase.DONE, generation=0), ended(StopReason.LOST)]
)
def test_a_pod_that_is_due_is_planned(record: PodRecord | None) -> None:
    assert rested(record).deed == MakePlan()


@pytest.mark.parametrize(
    "record",
    [ended(StopReason.IDLE), ended(StopReason.EXPIRY), record_in(Phase.CANCELLED)],
)
def test_a_wish_that_had_its_pod_gets_no_other(record: PodRecord) -> None:
    decision = rested(record)
    assert decision.is_settled
    assert rests(decision)
    assert "`podman-llm up` starts a new one" in decision.note
    assert rested(record, wish=replace(UP, generation=2)).deed == MakePlan()


def test_a_wish_that_failed_is_settled_until_the_next() -> None:
    book = {"verdict": Verdict(1, 5, "nothing was free", "later", START)}
    decision = rested(book=book)
    assert decision.is_settled
    assert "nothing was free" in decision.note
    assert rested(book=book, wish=replace(UP, generation=2)).deed == MakePlan()


def test_nothing_is_settled_while_our_pods_are_shown() -> None:
    decision = rested(ended(StopReason.IDLE), view=listed(sight_of()))
    assert not decision.is_settled
    assert decision.wait == 5


def test_what_was_sold_out_is_asked_for_when_it_is_due() -> None:
    early = rested(book={"waiting": FULL}, after=12)
    assert rests(early)
    assert early.wait == 3
    assert rested(book={"waiting": FULL}, after=15).deed == MakePlan()


def test_a_plan_becomes_an_intent() -> None:
    decision = planned(PLAN, book={"waiting": FULL, "verdict": Verdict(0, 5, "", "", START)})
    record = decision.book.record
    assert record
    assert (record.phase, record.attempt, record.billed_before) == (Phase.INTENT, 1, 0)
    assert decision.book.verdict is None
    assert decision.book.waiting == replace(FULL, has_plan=True)
    assert planned(PLAN).book.waiting is None


def test_the_next_attempt_avoids_the_place_that_failed() -> None:
    lost = ended(StopReason.LOST, attempt=4, billed_before=1)
    record = planned(PLAN, lost).book.record
    assert record
    assert (record.candidate, record.attempt, record.billed_before) == (L40S, 5, 2)
    only = planned(Planned(SPEC, (L4,)), lost).book.record
    assert only
    assert only.candidate == L4


def test_a_pod_that_served_and_was_lost_is_replaced_for_what_is_left_of_its_time() -> None:
    lost = ended(StopReason.LOST, ready_at=START + 300)
    record = planned(PLAN, lost, after=3000).book.record
    assert record
    assert (record.lease_began, record.soft_deadline) == (lost.intent, START + 3600)
    again = planned(PLAN, replace(record, phase=Phase.DONE, reason=StopReason.LOST), after=3200)
    assert again.book.record
    assert again.book.record.soft_deadline == START + 3600


def test_a_pod_that_never_served_took_nothing_of_the_time() -> None:
    record = planned(PLAN, ended(StopReason.LOST, ready_at=None), after=3000).book.record
    assert record
    assert (record.lease_began, record.soft_deadline) == (None, START + 6600)


@pytest.mark.parametrize(("after", "is_due"), [(3299, True), (3300, False), (9999, False)])
def test_none_replaces_it_when_less_is_left_than_a_start_takes(after: float, is_due: bool) -> None:
    lost = ended(StopReason.LOST, ready_at=START + 300)
    decision = rested(lost, after=after)
    assert (decision.deed == MakePlan()) is is_due
    assert decision.is_settled is not is_due
    anew = rested(lost, after=after, wish=replace(UP, generation=2))
    assert anew.deed == MakePlan()


def test_what_extend_granted_is_part_of_what_is_left() -> None:
    lost = ended(StopReason.LOST, ready_at=START + 300)
    extended = replace(UP, extended_seconds=1800)
    assert rested(lost, after=5099, wish=extended).deed == MakePlan()
    record = planned(PLAN, lost, after=5000, wish=extended).book.record
    assert record
    assert record.soft_deadline == START + 5400


def test_another_wish_counts_its_attempts_anew() -> None:
    lost = ended(StopReason.LOST, attempt=4, billed_before=1)
    record = planned(PLAN, lost, wish=replace(UP, generation=2)).book.record
    assert record
    assert (record.candidate, record.attempt, record.billed_before) == (L4, 1, 0)


def test_a_sold_out_catalog_is_waited_for_but_not_for_ever() -> None:
    decision = planned(SOLD_OUT)
    assert decision.book.waiting
    assert decision.book.waiting.retry_at == START + 15
    over = planned(SOLD_OUT, book={"waiting": FULL}, after=600)
    assert over.book.waiting is None
    assert over.book.verdict
    assert over.book.verdict.exit_code == 5


def test_who_just_asked_is_told_that_nobody_answers_and_who_waits_goes_on() -> None:
    unreachable = PlanFailed(6, "no answer", "", WaitCause.UNREACHABLE)
    told = planned(unreachable)
    assert told.book.verdict
    assert told.book.verdict.exit_code == 6
    waits = planned(unreachable, book={"waiting": FULL}, after=15)
    assert waits.book.verdict is None
    assert waits.book.waiting


def test_a_plan_that_needs_a_person_is_a_verdict() -> None:
    decision = planned(PlanFailed(2, "no such model", "try x"), book={"waiting": FULL})
    assert decision.book.verdict == Verdict(1, 2, "no such model", "try x", START)
    assert decision.book.waiting is None


# A lost past -----------------------------------------------------------------------------------


def test_what_lives_is_taken_over() -> None:
    decision = rested(book=LOST_PAST, view=listed(sight_of()))
    assert decision.deed == MakePlan()
    taken = planned(PLAN, book=LOST_PAST, view=listed(sight_of()))
    assert taken.book.record
    assert (taken.book.record.pod_id, taken.book.is_rebuilding) == ("pod1", False)


def test_what_serves_another_model_is_left_to_the_sweep() -> None:
    other = sight_of(env={**MARKS, "PLLM_MODEL": "other"})
    decision = planned(PLAN, book=LOST_PAST, view=listed(other))
    assert (decision.book.record, decision.book.is_rebuilding) == (None, False)
    assert decision.book.quarantine_until == START + 180


def test_nothing_is_made_while_it_may_still_appear() -> None:
    decision = rested(book=LOST_PAST, after=178)
    assert rests(decision)
    assert decision.wait == 2
    over = rested(book=LOST_PAST, after=180)
    assert not over.book.is_rebuilding
    assert over.wait == 0


def test_a_lost_past_needs_a_valid_list() -> None:
    decision = rested(book=LOST_PAST, view=NO_LIST, after=999)
    assert decision.book.is_rebuilding
    assert "503 from the provider" in decision.note


def test_a_lost_past_without_a_plan_waits_for_one() -> None:
    decision = planned(SOLD_OUT, book=LOST_PAST)
    assert decision.book.is_rebuilding
    assert decision.book.waiting
    again = rested(book={**LOST_PAST, "waiting": decision.book.waiting}, view=listed(sight_of()))
    assert rests(again)
    assert "sold out" in again.note


# Adopting --------------------------------------------------------------------------------------

ADOPT = replace(UP, adopt="pod1")


def test_a_named_pod_of_ours_is_planned_for_and_taken_over() -> None:
    world: dict[str, Any] = {"wish": ADOPT, "view": listed(sight_of())}
    assert rested(**world).deed == MakePlan()
    record = planned(PLAN, **world).book.record
    assert record
    assert (record.pod_id, record.phase) == ("pod1", Phase.PROVISIONING)


def test_nothing_is_adopted_on_a_list_that_may_lack_it() -> None:
    decision = rested(wish=ADOPT, view=NO_LIST)
    assert rests(decision)
    assert decision.book.verdict is None


@pytest.mark.parametrize("pods", [(), (sight_of(env={}),), (sight_of(pod_id="pod2"),)])
def test_what_is_not_there_or_not_ours_is_a_verdict(pods: tuple[Any, ...]) -> None:
    decision = rested(wish=ADOPT, view=listed(*pods))
    assert decision.book.verdict
    assert decision.book.verdict.exit_code == 4
    assert decision.book.record is None


def test_a_pod_that_serves_another_model_is_a_verdict() -> None:
    other = sight_of(env={**MARKS, "PLLM_MODEL": "other"})
    decision = planned(PLAN, wish=ADOPT, view=listed(other))
    assert decision.book.verdict
    assert decision.book.verdict.exit_code == 4


def test_after_its_end_it_is_not_adopted_again() -> None:
    decision = rested(ended(StopReason.USER), wish=ADOPT, view=listed())
    assert rests(decision)
    assert decision.book.verdict is None
