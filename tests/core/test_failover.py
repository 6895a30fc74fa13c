from __future__ import annotations

import pytest

from podman_llm.core.failover import (
    Effect,
    Outcome,
    Tried,
    all_failed,
    edge_error,
    fallback_reason,
    in_full,
    judge_error,
    judge_status,
    may_have_arrived,
    status_text,
    trail,
)
from podman_llm.core.routing import POD, Exclusion, Refuse
from podman_llm.errors import UpstreamBroke, UpstreamError, UpstreamUnreachable

REFUSED = Tried("pod/abc", Outcome.UNREACHABLE, "connection refused", is_pod=True)
SLOW_DOWN = Tried("bedrock/claude", Outcome.OVERLOADED, "status 429", retry_after=7)


@pytest.mark.parametrize(
    ("status", "outcome", "told"),
    [
        (404, Outcome.UNREACHABLE, 502),
        (502, Outcome.UNREACHABLE, 502),
        (503, Outcome.UNREACHABLE, 502),
        (521, Outcome.UNREACHABLE, 502),
        (504, Outcome.SILENT, 504),
        (524, Outcome.SILENT, 504),
    ],
)
def test_the_edges_word_tells_of_the_pod(status: int, outcome: Outcome, told: int) -> None:
    err = edge_error(status, is_rented=True)
    assert err
    assert (judge_error(err), err.status) == (outcome, told)
    assert f"its edge says {status}" in str(err)


@pytest.mark.parametrize("status", [200, 400, 401, 403, 429, 500])
def test_other_pages_are_no_word_of_an_edge(status: int) -> None:
    assert edge_error(status, is_rented=True) is None


def test_a_page_that_says_404_may_be_about_the_path_where_no_pod_is() -> None:
    assert edge_error(404, is_rented=False) is None
    assert edge_error(502, is_rented=False) is not None


@pytest.mark.parametrize(
    ("status", "is_pod", "is_page", "outcome"),
    [
        (200, True, False, Outcome.ANSWERED),
        (304, True, False, Outcome.ANSWERED),
        (400, True, False, Outcome.REJECTED),
        (400, False, False, Outcome.REJECTED),
        (401, True, False, Outcome.REJECTED),
        (401, False, False, Outcome.MISPLACED),
        (404, True, False, Outcome.REJECTED),
        (404, True, True, Outcome.MISPLACED),
        (404, False, False, Outcome.MISPLACED),
        (402, False, False, Outcome.MISPLACED),
        (408, False, False, Outcome.ERROR),
        (429, True, False, Outcome.OVERLOADED),
        (500, True, False, Outcome.ERROR),
        (502, True, True, Outcome.ERROR),
        (503, False, False, Outcome.ERROR),
    ],
)
def test_a_status_tells_the_outcome(
    status: int, is_pod: bool, is_page: bool, outcome: Outcome
) -> None:
    assert judge_status(status, is_pod=is_pod, is_page=is_page) is outcome


@pytest.mark.parametrize(
    ("err", "outcome"),
    [
        (UpstreamUnreachable("refused"), Outcome.UNREACHABLE),
        (UpstreamBroke("cut"), Outcome.BROKE),
        (UpstreamError("nothing for 120 s", status=504), Outcome.SILENT),
    ],
)
def test_a_failure_tells_the_outcome(err: UpstreamError, outcome: Outcome) -> None:
    assert judge_error(err) is outcome


@pytest.mark.parametrize(
    ("status", "body", "text"),
    [
        (503, b'{"error": {"message": "Overloaded."}}', "status 503: Overloaded."),
        (503, b'{"error": {"message": "' + b"x" * 900 + b'"}}', f"status 503: {'x' * 200}"),
        (402, b"{}", "status 402: the account behind the key has no credit"),
        (502, b"<html>", "status 502"),
        (500, b'{"error": "x"}', "status 500"),
        (500, b"[" * 100_000, "status 500"),
    ],
)
def test_a_refusal_is_told_in_its_own_words(status: int, body: bytes, text: str) -> None:
    assert status_text(status, body) == text


def test_what_is_said_about_a_key_is_not_repeated() -> None:
    assert "sk-abc" not in status_text(401, b'{"error": {"message": "bad key sk-abc***"}}')


@pytest.mark.parametrize(
    ("outcome", "was_asked", "spent"),
    [
        (Outcome.BROKE, True, 9),
        (Outcome.SILENT, True, 9),
        (Outcome.ERROR, True, 9),
        (Outcome.UNREACHABLE, True, 9),
        (Outcome.UNREACHABLE, False, 0),
        (Outcome.OVERLOADED, True, 0),
        (Outcome.MISPLACED, True, 0),
    ],
)
def test_a_failure_may_have_cost_what_it_could_unless_it_was_refused_or_never_asked(
    outcome: Outcome, was_asked: bool, spent: int
) -> None:
    assert Tried("x", outcome, micros=9, was_asked=was_asked).spent == spent


def test_who_asked_nobody_is_not_told_of_too_much_to_do() -> None:
    late = Exclusion("other", "is not asked: no time is left")
    assert all_failed([], [late]) == Refuse(
        503, "Nobody answered. other is not asked: no time is left.", "all_failed", 2
    )


def test_what_went_wrong_is_told_with_what_to_do() -> None:
    assert in_full(UpstreamBroke("cut")) == "cut"
    assert in_full(UpstreamUnreachable("no keys", hint="get some")) == "no keys (get some)"


def test_whether_a_question_got_there_is_known_of_who_was_not_reached() -> None:
    assert may_have_arrived(UpstreamBroke("cut"))
    assert may_have_arrived(UpstreamUnreachable("silent"))
    assert not may_have_arrived(UpstreamUnreachable("refused", was_asked=False))


def test_only_what_the_request_itself_got_is_final() -> None:
    final = {outcome for outcome in Outcome if not outcome.fails_over}
    assert final == {Outcome.ANSWERED, Outcome.REJECTED}


def test_every_outcome_has_its_effect_and_a_bad_request_or_much_to_do_has_none() -> None:
    by_effect = {effect: {o for o in Outcome if o.effect is effect} for effect in Effect}
    assert by_effect[Effect.GOOD] == {Outcome.ANSWERED}
    assert by_effect[Effect.NONE] == {Outcome.REJECTED, Outcome.OVERLOADED}
    assert by_effect[Effect.GRAVE] == {Outcome.UNREACHABLE}


def test_the_trail_names_each_attempt() -> None:
    tried = [REFUSED, Tried("openai/gpt", Outcome.ANSWERED)]
    assert trail(tried) == "pod/abc;outcome=unreachable, openai/gpt;outcome=answered"


def test_the_reason_is_the_pods_and_fit_for_a_header() -> None:
    assert fallback_reason([REFUSED], ()) == "unreachable: connection refused"
    assert fallback_reason([], [Exclusion(POD, "It is\nBOOTING\u2026")]) == "It is BOOTING "
    assert "tried by another" in fallback_reason([], [])


def test_when_all_fail_each_attempt_is_told_with_its_reason() -> None:
    told = all_failed([REFUSED, SLOW_DOWN], [Exclusion("openai", "lacks tools")])
    message = (
        "Nobody answered. pod/abc: connection refused. bedrock/claude: status 429."
        " openai lacks tools."
    )
    assert told == Refuse(503, message, "all_failed", 7)


def test_when_all_have_too_much_to_do_that_is_what_is_said() -> None:
    told = all_failed([SLOW_DOWN], [Exclusion(POD, "The pod is BOOTING.")])
    assert (told.status, told.retry_after) == (429, 7)
    assert told.message.endswith("The pod is BOOTING.")


def test_nobody_is_sent_away_for_longer_than_clients_wait() -> None:
    patient = Tried("a", Outcome.OVERLOADED, "status 429", retry_after=3600)
    assert all_failed([patient], ()).retry_after == 60
    assert all_failed([REFUSED], ()).retry_after == 2
