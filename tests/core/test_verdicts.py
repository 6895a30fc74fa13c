from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from podman_llm.core import verdicts
from podman_llm.core.deeds import PlanFailed
from podman_llm.core.pod import Evidence, Phase, StopReason, WaitCause, Waiting
from podman_llm.core.sight import NotCreated, Refusal
from podman_llm.core.verdicts import ENDED_AS_ASKED, FAILURES, WORTH_ANOTHER, of_ended
from podman_llm.core.world import Verdict
from tests.core.worlds import L4, NO_LIST, START, record_in, world_in, world_with

PROOF = Evidence("absent", START + 3600, (1.0, 2.0), (0, 0), 404)


def verdict_on(reason: StopReason | None, **changes: Any) -> Verdict | None:
    detail = {"reason": reason, "reason_detail": "it did something", "evidence": PROOF}
    record = record_in(Phase.DONE, **{**detail, **changes})
    return of_ended(record, world_with(record))


def test_every_reason_is_either_asked_for_or_a_failure() -> None:
    assert set(StopReason) == ENDED_AS_ASKED | FAILURES
    assert ENDED_AS_ASKED.isdisjoint(FAILURES)
    assert WORTH_ANOTHER <= FAILURES


@pytest.mark.parametrize("reason", sorted(ENDED_AS_ASKED))
def test_what_ended_as_asked_is_no_failure(reason: StopReason) -> None:
    assert verdict_on(reason) is None


@pytest.mark.parametrize("reason", sorted(FAILURES))
def test_every_failure_says_what_happened_what_it_cost_and_what_to_do(reason: StopReason) -> None:
    verdict = verdict_on(reason, billed_before=2)
    assert verdict
    assert verdict.message == (
        "The pod pod1 on NVIDIA L4 was ended: it did something. "
        "It is proved gone and cost about $0.5000. That was attempt 3, and the last."
    )
    assert verdict.hint
    assert verdict.exit_code == (8 if reason is StopReason.PRICE else 1)


@pytest.mark.parametrize("reason", sorted(FAILURES))
def test_a_failure_of_the_place_is_tried_again_while_attempts_are_left(
    reason: StopReason,
) -> None:
    assert (verdict_on(reason, billed_before=1) is None) == (reason in WORTH_ANOTHER)


def test_without_a_reason_there_is_nothing_to_say() -> None:
    assert verdict_on(None) is None


@pytest.mark.parametrize(
    ("refusal", "code", "words"),
    [
        (Refusal.BALANCE, 9, "balance"),
        (Refusal.AUTH, 9, "API key"),
        (Refusal.SPEC, 1, "refused the request"),
    ],
)
def test_a_refusal_names_who_must_act(refusal: Refusal, code: int, words: str) -> None:
    verdict = verdicts.refused(world_in(Phase.INTENT), NotCreated(refusal, "it says"))
    assert verdict.exit_code == code
    assert words in verdict.message
    assert "it says" in verdict.message
    assert verdict.hint


@pytest.mark.parametrize(
    ("cause", "code", "words"),
    [
        (WaitCause.CAPACITY, 5, "Nothing was free in 10 min: L4: full; L40S: full"),
        (WaitCause.UNREACHABLE, 6, "could not be asked"),
        (WaitCause.RATE, 6, "could not be asked"),
        (None, 1, "Every place refused"),
    ],
)
def test_giving_up_lists_what_each_place_said(
    cause: WaitCause | None, code: int, words: str
) -> None:
    said = ((Refusal.CAPACITY, "L4: full"), (Refusal.CAPACITY, "L40S: full"))
    waiting = Waiting(START - 600, 9, START, WaitCause.CAPACITY, "full")
    world = world_in(Phase.INTENT, record={"refusals": said}, book={"waiting": waiting})
    verdict = verdicts.nothing_free(world, cause, "full")
    assert verdict.exit_code == code
    assert words in verdict.message
    assert "L40S: full" in verdict.message
    assert verdict.hint


def test_without_refusals_the_last_word_counts_and_an_old_record_says_nothing() -> None:
    old = record_in(Phase.DONE, refusals=((Refusal.CAPACITY, "long ago"),))
    for world in (world_with(None), world_with(old)):
        verdict = verdicts.nothing_free(world, WaitCause.CAPACITY, "sold out")
        assert verdict.message == "Nothing was free in 0 s: sold out"


def test_a_failed_plan_speaks_for_itself() -> None:
    verdict = verdicts.no_plan(world_with(None), PlanFailed(2, "no such model", "try x"))
    assert verdict == Verdict(1, 2, "no such model", "try x", START)


def test_not_knowing_is_told_as_that() -> None:
    verdict = verdicts.no_list(world_with(None, view=NO_LIST, blind_for=601.0))
    assert (verdict.exit_code, verdict.message) == (
        6,
        "What runs is unknown since 10 min: 503 from the provider",
    )


def test_a_foreign_pod_may_bill_and_is_named() -> None:
    verdict = verdicts.not_ours(world_in(Phase.READY), "pod1")
    assert verdict.exit_code == 7
    assert "pod1" in verdict.message


def test_a_price_over_the_ceiling_is_told_with_both() -> None:
    record = replace(record_in(Phase.BOOTING), candidate=L4)
    assert verdicts.over_price(record, 9.0, 4.0) == (
        "NVIDIA L4 (SECURE) costs $9.00/h, the ceiling is $4.00/h"
    )
    assert "did not say" in verdicts.over_price(record, None, 4.0)
