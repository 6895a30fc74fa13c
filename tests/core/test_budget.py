from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podman_llm.core.budget import (
    TEARDOWN,
    Caps,
    Spent,
    affordable_until,
    exhausted,
    refusal,
    uses,
)
from podman_llm.core.charges import DAY, day_of
from podman_llm.core.pod import Phase, RateInterval
from tests.core.worlds import L4, NAME, START, record_in, sight_of

TODAY = day_of(START)
MIDNIGHT = float((TODAY + 1) * DAY)


def usd(amount: float) -> int:
    return round(amount * 1_000_000)


def test_without_a_budget_nothing_ends() -> None:
    assert affordable_until(Caps(), Spent(), 0.5, START) == math.inf
    assert exhausted(Caps(), Spent(), record_in(Phase.READY), START + 10**9) == ""
    assert refusal(Caps(), None, 99.0, (), START) == ""


def test_what_is_left_divided_by_the_rate_is_the_deadline() -> None:
    caps, spent = Caps(usd_total=10.0), Spent(total=usd(9.0))
    assert affordable_until(caps, spent, 0.5, START) == START + 7200
    assert affordable_until(caps, Spent(total=usd(11.0)), 0.5, START) == START


def test_what_costs_nothing_is_affordable_for_ever() -> None:
    assert affordable_until(Caps(usd_total=1.0), Spent(total=usd(1.0)), 0.0, START) == math.inf


@pytest.mark.parametrize(
    ("cap", "today", "until"),
    [
        (10.0, 9.5, 3600.0),  # over before midnight
        (10.0, 0.0, math.inf),  # a whole day costs no more than the cap
        (6.0, 4.5, 7200 + 6.0 / 0.5 * 3600),  # reaches midnight, then a new day's money
    ],
)
def test_a_days_budget_begins_anew_at_midnight_utc(cap: float, today: float, until: float) -> None:
    now = MIDNIGHT - 7200
    rate = 0.4 if until == math.inf else 0.5
    spent = Spent({TODAY: usd(today)})
    assert affordable_until(Caps(usd_per_day=cap), spent, rate, now) == pytest.approx(now + until)


def test_too_little_money_for_a_boot_is_refused() -> None:
    caps = Caps(usd_total=1.0, useful=1800)
    assert refusal(caps, Spent(total=usd(0.5)), 0.5, (), START) == ""
    said = refusal(caps, Spent(total=usd(0.9)), 0.5, (), START)
    assert said.startswith("the budget leaves 12 min at $0.5000/h, less than the 30 min")


def test_unknown_spending_is_no_spending_only_where_no_budget_asks() -> None:
    assert "unknown" in refusal(Caps(usd_per_day=9.0), None, 0.5, (), START)
    assert refusal(Caps(usd_per_hour=9.0, pods=3), None, 0.5, (), START) == ""


def test_other_pods_of_ours_count_and_those_of_other_tools_do_not() -> None:
    mine, other = sight_of(cost_per_hour=1.6), sight_of(name="a-notebook", cost_per_hour=9.0)
    assert refusal(Caps(usd_per_hour=2.0), Spent(), 0.5, [mine, other], START) == (
        "$0.5000/h beside $1.60/h that run already is over budget.max_usd_per_hour = 2"
    )
    assert refusal(Caps(usd_per_hour=2.1), Spent(), 0.5, [mine, other], START) == ""
    assert "max_pods = 1" in refusal(Caps(pods=1), Spent(), 0.5, [mine], START)
    assert refusal(Caps(pods=1), Spent(), 0.5, [other], START) == ""


def test_a_pod_that_tells_no_price_is_not_taken_for_free() -> None:
    silent = sight_of(name=NAME, cost_per_hour=None)
    assert "does not tell its price" in refusal(
        Caps(usd_per_hour=9.0), Spent(), 0.5, [silent], START
    )


def test_the_pod_is_ended_in_time_to_be_gone_when_the_money_is() -> None:
    record, caps = record_in(Phase.READY), Caps(usd_total=1.0)
    spent = Spent(total=usd(0.5))  # an hour of this pod is left
    assert exhausted(caps, spent, record, START + 3600 - TEARDOWN - 1) == ""
    assert "$1.00 is used up" in exhausted(caps, spent, record, START + 3600 - TEARDOWN)


def test_a_day_that_is_over_ends_no_pod_and_one_that_begins_may() -> None:
    record = record_in(Phase.READY, rates=(RateInterval(MIDNIGHT - 3600, 0.5),))
    caps = Caps(usd_per_day=0.6)
    assert exhausted(caps, Spent(), record, MIDNIGHT - 60) == ""
    assert exhausted(caps, Spent({TODAY: usd(0.2)}), record, MIDNIGHT - 60) != ""
    assert exhausted(caps, Spent({TODAY + 1: usd(0.7)}), record, MIDNIGHT - 60) != ""
    assert exhausted(caps, Spent({TODAY: usd(0.2)}), record, MIDNIGHT + 60) == ""


def test_a_pods_own_hours_count_even_when_the_past_is_unknown() -> None:
    record = record_in(Phase.READY)
    assert exhausted(Caps(usd_total=0.1), None, record, START + 3600) != ""


@given(
    cap=st.floats(0.01, 100),
    spent_before=st.floats(0, 120),
    rate=st.floats(0.05, 10),
    tick=st.floats(1, 120),
)
def test_spending_stays_within_the_cap_and_what_a_tick_and_the_end_cost(
    cap: float, spent_before: float, rate: float, tick: float
) -> None:
    caps, spent = Caps(usd_total=cap), Spent(total=usd(spent_before))
    until = affordable_until(caps, spent, rate, START)
    record = record_in(Phase.READY, rates=(RateInterval(START, rate),))
    assert (until - START) * rate / 3600 <= max(0.0, cap - spent_before) + 1e-5
    # The last tick at which the budget was not used up yet, and everything after it.
    last = max(START, until - TEARDOWN - 0.1)
    if last > START and not exhausted(caps, spent, record, last):
        ended = last + tick + TEARDOWN
        used = spent_before + (ended - START) * rate / 3600
        assert used <= cap + rate * (tick + TEARDOWN) / 3600 + 1e-4
        assert exhausted(caps, spent, record, last + tick + 1)


def test_the_disk_is_part_of_what_a_budget_pays() -> None:
    dear = record_in(Phase.READY, candidate=replace(L4, disk_per_hour=0.1))
    caps = Caps(usd_total=1.2)
    [use] = uses(caps, Spent(), dear, START + 7200)
    assert use.spent == 1_200_000
    assert dear.candidate.billed_per_hour == pytest.approx(0.6)
    assert L4.billed_per_hour == 0.5


def test_near_midnight_both_days_are_in_force() -> None:
    record = record_in(Phase.READY, rates=(RateInterval(MIDNIGHT - 3600, 0.5),))
    caps = Caps(usd_per_day=1.0, usd_total=5.0)
    found = uses(caps, Spent(), record, MIDNIGHT + TEARDOWN)
    assert [use.key for use in found] == [f"day {TODAY + 1}", "total"]
    found = uses(caps, Spent(), record, MIDNIGHT + TEARDOWN - 1)
    assert [use.key for use in found] == [f"day {TODAY}", f"day {TODAY + 1}", "total"]
