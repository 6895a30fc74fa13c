from __future__ import annotations

import pytest

from podman_llm.core.budget import Caps, Spent
from podman_llm.core.notices import KEPT, Notice, due, remembered
from podman_llm.core.pod import Phase, PodRecord
from tests.core.worlds import START, record_in

LEASE = record_in(Phase.READY, soft_deadline=START + 36_000, hard_deadline=START + 40_000)


def run(
    record: PodRecord, *seconds: float, caps: Caps | None = None, spent: Spent | None = None
) -> list[str]:
    """What is told at each look; a look that tells nothing adds an empty text."""
    told: tuple[Notice, ...] = ()
    texts = []
    for after in seconds:
        new = due(record, START + after, caps=caps or Caps(), spent=spent or Spent(), told=told)
        told = remembered(told, new)
        texts.append("; ".join(notice.text for notice in new))
    return texts


def test_the_end_is_told_at_80_and_95_per_cent_and_five_minutes_before_once_each() -> None:
    texts = run(LEASE, 28_799, 28_800, 28_900, 34_200, 34_300, 35_700, 35_800, 35_999)
    assert [text.partition(";")[0] for text in texts] == [
        "",
        "the pod ends in 2 h 00 min",
        "",
        "the pod ends in 30 min",
        "",
        "the pod ends in 5 min",
        "",
        "",
    ]


def test_after_a_suspend_only_the_most_urgent_is_told() -> None:
    assert run(LEASE, 0, 35_900, 35_950) == [
        "",
        "the pod ends in 100 s; `podman-llm extend` moves that",
        "",
    ]


def test_a_deadline_that_was_moved_is_another_one() -> None:
    first = due(LEASE, START + 35_900, caps=Caps(), spent=Spent(), told=())
    moved = record_in(Phase.READY, soft_deadline=START + 40_000, hard_deadline=START + 40_000)
    assert due(moved, START + 35_950, caps=Caps(), spent=Spent(), told=first)[0].text == (
        "the pod ends in 67 min; it cannot be extended"
    )


def test_a_minute_long_pod_is_not_warned_of_five_minutes_before_it_was_made() -> None:
    short = record_in(Phase.READY, soft_deadline=START + 60, hard_deadline=START + 60)
    assert run(short, 0, 30)[0] == run(short, 0, 30)[1] == ""
    assert run(short, 50)[0].startswith("the pod ends in 10 s")


@pytest.mark.parametrize("phase", [Phase.INTENT, Phase.SENT, Phase.STOPPING, Phase.DONE])
def test_what_is_not_there_or_ending_is_not_warned_of(phase: Phase) -> None:
    record = record_in(phase, soft_deadline=START + 3600)
    assert due(record, START + 3500, caps=Caps(), spent=Spent(), told=()) == ()


def test_a_budget_is_told_of_at_its_shares_and_before_its_end() -> None:
    caps = Caps(usd_total=10.0)  # 20 h of this pod
    record = record_in(Phase.READY, soft_deadline=START + 10**6, hard_deadline=START + 10**6)
    hour = 3600.0
    assert run(record, 15.9 * hour, 16 * hour, 19 * hour, 19.92 * hour, caps=caps) == [
        "",
        "$8.00 of the budget of $10.00 is spent",
        "$9.50 of the budget of $10.00 is spent",
        "$9.96 of the budget of $10.00 is spent; the pod ends within minutes",
    ]


def test_a_pod_that_the_budget_cuts_short_says_so_once() -> None:
    cut = record_in(Phase.BOOTING, is_cut_short=True, first_deadline=START + 1800)
    texts = run(cut, 1, 2)
    assert texts == ["the budget lets this pod live 30 min, less than was asked for", ""]


def test_only_so_many_are_remembered() -> None:
    told = remembered((), [Notice(str(n), "", 0.0) for n in range(99)])
    assert len(told) == KEPT
    assert told[-1].flag == "98"
