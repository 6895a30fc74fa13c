from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from podman_llm.core import naming
from podman_llm.core.budget import Caps
from podman_llm.core.create_protocol import conclude_create, decide_sent, decide_unresolved
from podman_llm.core.pod import Phase, StopReason, WaitCause
from podman_llm.core.sight import Ambiguous, Created, NotCreated, Refusal
from podman_llm.core.world import Decision
from tests.core.worlds import (
    DOWN,
    L4,
    L40S,
    LIMITS,
    MARKS,
    NAME,
    NO_LIST,
    START,
    UP,
    listed,
    phase_of,
    rests,
    sight_of,
    world_in,
)

BROKE = replace(LIMITS, caps=Caps(usd_total=0.01))
ABSENT_TWICE = {"absences": ((START + 150, 0), (START + 165, 0))}


def answered(outcome: Any, **world: Any) -> Decision:
    return conclude_create(world_in(Phase.SENT, **world), outcome)


def sought(**world: Any) -> Decision:
    return decide_unresolved(world_in(Phase.UNRESOLVED, **world))


def refusal(kind: Refusal, **changes: Any) -> NotCreated:
    return NotCreated(kind, "says the provider", **changes)


def test_a_request_found_under_way_may_have_left() -> None:
    assert phase_of(decide_sent(world_in(Phase.SENT))) is Phase.UNRESOLVED


def test_an_id_is_kept_first_of_all() -> None:
    decision = answered(Created(sight_of()))
    record = decision.book.record
    assert record
    assert (record.phase, record.pod_id) == (Phase.PROVISIONING, "pod1")
    assert (record.endpoint, record.created_at) == ("http://pod1", START)
    assert rests(decision)


def test_an_unclear_answer_is_never_followed_by_another_request() -> None:
    decision = answered(Ambiguous("502"))
    assert phase_of(decision) is Phase.UNRESOLVED
    assert rests(decision)
    assert decision.wait == 0
    assert "502" in decision.note


@pytest.mark.parametrize("kind", [Refusal.CAPACITY, Refusal.CANDIDATE])
def test_a_refusing_place_is_followed_by_the_next(kind: Refusal) -> None:
    record = answered(refusal(kind)).book.record
    assert record
    assert (record.phase, record.candidate, record.candidates) == (Phase.INTENT, L40S, ())
    assert record.refusals == ((kind, "NVIDIA L4 (SECURE): says the provider"),)
    assert record.name != NAME


def test_after_the_last_place_it_waits_for_the_next_round() -> None:
    decision = answered(refusal(Refusal.CAPACITY), record={"candidates": ()})
    assert phase_of(decision) is Phase.INTENT
    assert decision.book.waiting
    assert decision.book.waiting.cause is WaitCause.CAPACITY


def test_when_every_place_refuses_the_request_itself_waiting_is_in_vain() -> None:
    decision = answered(refusal(Refusal.CANDIDATE), record={"candidates": ()})
    assert phase_of(decision) is Phase.CANCELLED
    assert decision.book.verdict
    assert decision.book.verdict.exit_code == 1


def test_one_place_that_was_only_full_makes_waiting_worth_it() -> None:
    full = ((Refusal.CAPACITY, "L40S: full"),)
    decision = answered(refusal(Refusal.CANDIDATE), record={"candidates": (), "refusals": full})
    assert phase_of(decision) is Phase.INTENT


@pytest.mark.parametrize(
    ("kind", "cause"),
    [(Refusal.NOT_SENT, WaitCause.UNREACHABLE), (Refusal.RATE, WaitCause.RATE)],
)
def test_a_request_that_was_not_heard_is_made_again_at_the_same_place(
    kind: Refusal, cause: WaitCause
) -> None:
    decision = answered(refusal(kind, retry_after=30.0))
    record, waiting = decision.book.record, decision.book.waiting
    assert record
    assert waiting
    assert (record.phase, record.candidate, record.candidates) == (Phase.INTENT, L4, (L40S,))
    assert (waiting.cause, waiting.retry_at) == (cause, START + 30)


@pytest.mark.parametrize(
    ("kind", "code"), [(Refusal.BALANCE, 9), (Refusal.AUTH, 9), (Refusal.SPEC, 1)]
)
def test_what_needs_a_person_ends_the_attempt(kind: Refusal, code: int) -> None:
    decision = answered(refusal(kind))
    assert phase_of(decision) is Phase.CANCELLED
    assert decision.book.verdict
    assert decision.book.verdict.exit_code == code


def test_a_pod_found_by_name_and_mark_is_adopted() -> None:
    decision = sought(view=replace(NO_LIST, pods=(sight_of(),)))
    record = decision.book.record
    assert record
    assert (record.phase, record.pod_id, record.candidate) == (Phase.PROVISIONING, "pod1", L4)


def test_a_pod_of_our_name_without_our_mark_is_not_adopted() -> None:
    assert phase_of(sought(view=listed(sight_of(env={})))) is Phase.UNRESOLVED


def test_a_pod_of_our_name_with_a_foreign_mark_is_left_alone() -> None:
    env = {**MARKS, naming.OWNER_MARK: "xyz234"}
    decision = sought(view=listed(sight_of(env=env)))
    assert phase_of(decision) is Phase.DISOWNED
    assert decision.book.verdict
    assert decision.book.verdict.exit_code == 7


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"wish": DOWN}, StopReason.USER),
        ({"wish": replace(UP, generation=2)}, StopReason.SUPERSEDED),
        ({"after": 3600}, StopReason.EXPIRY),
        ({"after": 60, "limits": BROKE}, StopReason.BUDGET),
    ],
)
def test_what_is_no_longer_wanted_is_still_looked_for_to_be_ended(
    changes: Any, reason: StopReason
) -> None:
    record = sought(**changes).book.record
    assert record
    assert (record.phase, record.reason) == (Phase.STOPPING, reason)


def test_it_is_looked_for_often_at_first() -> None:
    assert sought(after=0).wait == 0.25
    assert sought(after=100).wait == 15


@pytest.mark.parametrize(
    "changes",
    [
        {"record": ABSENT_TWICE, "after": 170},
        {"after": 200},
        {"record": ABSENT_TWICE, "after": 200, "view": NO_LIST},
    ],
)
def test_until_it_can_no_longer_come_nothing_else_is_asked_for(changes: Any) -> None:
    decision = sought(**changes)
    assert phase_of(decision) is Phase.UNRESOLVED
    assert rests(decision)


def test_what_never_came_is_asked_for_elsewhere_under_a_new_name() -> None:
    record = sought(record=ABSENT_TWICE, after=180).book.record
    assert record
    assert (record.phase, record.attempt, record.billed_before) == (Phase.INTENT, 2, 1)
    assert (record.candidate, record.candidates) == (L40S, (L4,))
    assert record.name != NAME


def test_what_may_have_come_and_ended_itself_unseen_is_not_asked_for_again() -> None:
    missed = {"absences": ((START + 31, 0), (START + 10760, 0)), "soft_deadline": START + 10800}
    record = sought(record=missed, after=10765).book.record
    assert record
    assert (record.phase, record.reason) == (Phase.STOPPING, StopReason.EXPIRY)


def test_requests_without_a_clear_answer_count_as_attempts_that_may_cost() -> None:
    record = sought(record={**ABSENT_TWICE, "billed_before": 2}, after=180).book.record
    assert record
    assert (record.phase, record.reason) == (Phase.STOPPING, StopReason.PROVISION_TIMEOUT)
