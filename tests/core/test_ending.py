from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from podman_llm.core import naming
from podman_llm.core.deeds import FetchLogs, LogTail, TerminatePod
from podman_llm.core.ending import (
    RETRY_MOST,
    conclude_logs,
    conclude_terminate,
    decide_lost,
    decide_stopping,
    decide_verifying,
)
from podman_llm.core.pod import Phase, StopReason
from podman_llm.core.sight import Gone, Terminated, TerminateFailed, Unknown
from podman_llm.core.world import Decision
from tests.core.worlds import (
    DOWN,
    MARKS,
    NO_LIST,
    START,
    UP,
    listed,
    phase_of,
    rests,
    sight_of,
    world_in,
)

NAMELESS = {"pod_id": None, "listed_at": None}
FOREIGN = sight_of(env={**MARKS, naming.OWNER_MARK: "xyz234"})


def stopping(**world: Any) -> Decision:
    return decide_stopping(world_in(Phase.STOPPING, **world))


def verifying(**world: Any) -> Decision:
    return decide_verifying(world_in(Phase.VERIFYING, **world))


def absent(*seconds: float) -> dict[str, Any]:
    return {"absences": tuple((START + second, 0) for second in seconds)}


# STOPPING --------------------------------------------------------------------------------------


@pytest.mark.parametrize("sight", [sight_of(), Gone(), Unknown("503")])
def test_the_order_goes_out_whatever_is_known(sight: Any) -> None:
    assert stopping(sight=sight, view=NO_LIST, wish=UP).deed == TerminatePod("pod1")


def test_a_failed_pods_last_words_are_kept_first_and_once() -> None:
    failed = {"reason": StopReason.CRASH_LOOP}
    assert stopping(record=failed).deed == FetchLogs("pod1")
    kept = conclude_logs(world_in(Phase.STOPPING, record=failed), LogTail(("boom",)))
    assert kept.book.record
    assert kept.book.record.log_tail == ("boom",)
    assert stopping(record={**failed, "log_tail": ("boom",)}).deed == TerminatePod("pod1")


def test_silence_is_kept_too_so_that_it_is_asked_for_only_once() -> None:
    kept = conclude_logs(world_in(Phase.STOPPING), LogTail(()))
    assert kept.book.record
    assert kept.book.record.log_tail == ("(it wrote nothing)",)


def test_an_accepted_order_is_verified() -> None:
    decision = conclude_terminate(world_in(Phase.STOPPING, strikes=3), Terminated(204))
    assert phase_of(decision) is Phase.VERIFYING
    assert decision.strikes == 0


@pytest.mark.parametrize(("strikes", "wait"), [(0, 5), (1, 10), (99, RETRY_MOST)])
def test_an_order_that_fails_is_repeated_ever_more_slowly(strikes: int, wait: float) -> None:
    world = world_in(Phase.STOPPING, strikes=strikes)
    decision = conclude_terminate(world, TerminateFailed("503"))
    assert phase_of(decision) is Phase.STOPPING
    assert (decision.strikes, decision.wait) == (strikes + 1, wait)
    assert "may still be billing" in decision.note


@pytest.mark.parametrize(
    ("phase", "decide"), [(Phase.STOPPING, stopping), (Phase.VERIFYING, verifying)]
)
def test_a_foreign_pod_is_not_touched_even_now(phase: Phase, decide: Any) -> None:
    decision = decide(sight=FOREIGN)
    assert phase_of(decision) is Phase.DISOWNED
    assert rests(decision)


def test_a_pod_without_an_id_is_waited_for_until_it_can_no_longer_come() -> None:
    decision = stopping(record=NAMELESS, after=100)
    assert phase_of(decision) is Phase.STOPPING
    assert rests(decision)
    assert "80 s" in decision.note
    assert decision.wait == 15
    assert phase_of(stopping(record=NAMELESS, after=180)) is Phase.VERIFYING
    assert phase_of(stopping(record=NAMELESS, after=180, view=NO_LIST)) is Phase.STOPPING


def test_a_pod_that_appears_while_it_is_unwanted_gets_its_id_and_is_ended() -> None:
    decision = stopping(record=NAMELESS, view=listed(sight_of()), sight=Unknown("no id"))
    assert decision.book.record
    assert decision.book.record.pod_id == "pod1"
    assert phase_of(decision) is Phase.STOPPING


# VERIFYING -------------------------------------------------------------------------------------


def test_a_pod_still_shown_is_given_a_moment_and_then_ended_again() -> None:
    early = verifying(after=19, record=absent(5))
    assert phase_of(early) is Phase.VERIFYING
    assert early.book.record
    assert early.book.record.absences == ()
    assert phase_of(verifying(after=20)) is Phase.STOPPING


def test_one_that_appears_without_an_id_gets_it() -> None:
    decision = verifying(
        record=NAMELESS, view=listed(sight_of()), sight=Unknown("no id"), after=200
    )
    assert decision.book.record
    assert (decision.book.record.phase, decision.book.record.pod_id) == (Phase.STOPPING, "pod1")


def test_absence_is_gathered_with_a_look_when_it_can_next_count() -> None:
    first = verifying(sight=Gone(), view=listed(), after=10)
    assert first.book.record
    assert first.book.record.absences == ((START + 10, 0),)
    assert first.wait == 5
    second = verifying(record=absent(10), sight=Gone(), view=listed(), after=27)
    assert second.wait == 3


def test_enough_absence_is_done_with_its_evidence() -> None:
    decision = verifying(record=absent(10), sight=Gone(), view=listed(), after=30)
    record = decision.book.record
    assert record
    assert record.phase is Phase.DONE
    assert record.evidence
    assert record.evidence.list_times == (START + 10, START + 30)
    assert "proved gone by two lists, 20 s apart; it cost $0.004" in decision.note


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"view": NO_LIST}, "503 from the provider"),
        ({"sight": Unknown("timeout")}, "look at it by id"),
        ({"record": {**absent(5), "listed_at": None}}, "too young"),
        ({}, "looking twice"),
    ],
)
def test_what_is_missing_for_the_proof_is_said(changes: Any, words: str) -> None:
    world = {"sight": Gone(), "view": listed(), "after": 10, **changes}
    decision = verifying(**world)
    assert phase_of(decision) is Phase.VERIFYING
    assert words in decision.note


def test_when_the_proof_lacks_only_age_it_is_looked_at_as_often_as_ever() -> None:
    young = {**absent(5), "listed_at": None}
    assert verifying(record=young, sight=Gone(), view=listed(), after=60).wait == 5


def test_a_failure_is_the_verdict_on_the_wish_it_served_and_on_no_other() -> None:
    failed = {**absent(10), "reason": StopReason.CRASH_LOOP, "reason_detail": "it crashed"}

    def verdict(**changes: Any) -> Any:
        gone = {"sight": Gone(), "view": listed(), "after": 30, **changes}
        return verifying(record=failed, **gone).book.verdict

    assert "it crashed" in verdict().message
    assert verdict(wish=DOWN) is None
    assert verdict(wish=replace(UP, generation=2)) is None


def test_a_lost_pod_is_verified_like_any_other() -> None:
    decision = decide_lost(world_in(Phase.LOST, record=absent(10)))
    assert decision.book.record
    assert (decision.book.record.phase, decision.book.record.absences) == (
        Phase.VERIFYING,
        ((START + 10, 0),),
    )
