from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podman_llm.core.pod import ALLOWED, CLOSED, MAY_BILL, Evidence, Phase, RateInterval
from tests.core.worlds import SPEC, START, record_in

P = Phase

# Written out a second time on purpose: the table is changed in two places, or not at all.
MOVES = {
    (P.INTENT, P.SENT),
    (P.INTENT, P.CANCELLED),
    (P.INTENT, P.STOPPING),
    (P.SENT, P.PROVISIONING),
    (P.SENT, P.UNRESOLVED),
    (P.SENT, P.INTENT),
    (P.SENT, P.STOPPING),
    (P.SENT, P.DISOWNED),
    (P.UNRESOLVED, P.PROVISIONING),
    (P.UNRESOLVED, P.INTENT),
    (P.UNRESOLVED, P.STOPPING),
    (P.UNRESOLVED, P.DISOWNED),
    (P.PROVISIONING, P.BOOTING),
    (P.PROVISIONING, P.STOPPING),
    (P.PROVISIONING, P.LOST),
    (P.PROVISIONING, P.DISOWNED),
    (P.BOOTING, P.READY),
    (P.BOOTING, P.STOPPING),
    (P.BOOTING, P.LOST),
    (P.BOOTING, P.DISOWNED),
    (P.READY, P.DEGRADED),
    (P.READY, P.BOOTING),
    (P.READY, P.DRAINING),
    (P.READY, P.STOPPING),
    (P.READY, P.LOST),
    (P.READY, P.DISOWNED),
    (P.DEGRADED, P.READY),
    (P.DEGRADED, P.BOOTING),
    (P.DEGRADED, P.DRAINING),
    (P.DEGRADED, P.STOPPING),
    (P.DEGRADED, P.LOST),
    (P.DEGRADED, P.DISOWNED),
    (P.DRAINING, P.STOPPING),
    (P.DRAINING, P.LOST),
    (P.DRAINING, P.DISOWNED),
    (P.STOPPING, P.VERIFYING),
    (P.STOPPING, P.DISOWNED),
    (P.VERIFYING, P.STOPPING),
    (P.VERIFYING, P.DONE),
    (P.VERIFYING, P.DISOWNED),
    (P.LOST, P.VERIFYING),
    (P.LOST, P.DISOWNED),
}


@pytest.mark.parametrize("before", Phase)
@pytest.mark.parametrize("after", Phase)
def test_the_table_allows_these_moves_and_no_others(before: Phase, after: Phase) -> None:
    assert (after in ALLOWED[before]) == ((before, after) in MOVES)


def test_closed_phases_lead_nowhere_and_owe_nothing() -> None:
    assert {phase for phase in Phase if not ALLOWED[phase]} == CLOSED
    assert {phase for phase in Phase if not record_in(phase).is_open} == CLOSED


def test_only_what_was_sent_may_bill() -> None:
    assert P.SENT in MAY_BILL
    assert MAY_BILL.isdisjoint({P.INTENT, *CLOSED})


def test_from_every_open_phase_an_end_can_be_reached() -> None:
    for start in set(Phase) - CLOSED:
        reached = {start}
        while more := {after for before in reached for after in ALLOWED[before]} - reached:
            reached |= more
        assert P.DONE in reached


def test_a_pod_that_is_being_ended_never_serves_again() -> None:
    reached = {P.STOPPING}
    while more := {after for before in reached for after in ALLOWED[before]} - reached:
        reached |= more
    assert reached == {P.STOPPING, P.VERIFYING, P.DONE, P.DISOWNED}


def test_the_tag_names_the_exact_weights() -> None:
    assert SPEC.model_tag == "tiny/llama-random@main"


def test_nothing_is_spent_before_anything_is_sent_or_when_it_never_was() -> None:
    assert record_in(P.INTENT).spent(START + 999) == 0.0
    assert record_in(P.INTENT).cost_per_hour == 0.0
    rates = (RateInterval(START, 9.0),)
    assert record_in(P.CANCELLED, rates=rates).spent(START + 3600) == 0.0


def test_spending_stops_at_the_proof_of_absence() -> None:
    evidence = Evidence("absent", START + 1800, (1.0, 2.0), (0, 0), 404)
    assert record_in(P.DONE, evidence=evidence).spent(START + 10**6) == pytest.approx(0.25)


def test_each_price_counts_for_its_own_time() -> None:
    rates = (RateInterval(START, 1.0), RateInterval(START + 3600, 2.0))
    record = record_in(P.READY, rates=rates)
    assert record.spent(START + 5400) == pytest.approx(2.0)
    assert record.cost_per_hour == 2.0


@given(
    rates=st.lists(
        st.tuples(st.floats(0, 1e5), st.floats(0, 100)),
        min_size=1,
        max_size=5,
        unique_by=lambda x: x[0],
    ),
    moments=st.lists(st.floats(0, 1e6), min_size=2, max_size=6),
)
def test_what_was_spent_never_shrinks(
    rates: list[tuple[float, float]], moments: list[float]
) -> None:
    intervals = tuple(RateInterval(START + since, usd) for since, usd in sorted(rates))
    record = record_in(P.READY, rates=intervals)
    # A rate is known once it begins, so no look comes before the latest one.
    earliest = max(since for since, _ in rates)
    spent = [record.spent(START + earliest + moment) for moment in sorted(moments)]
    assert spent == sorted(spent)
    assert spent[0] >= 0
