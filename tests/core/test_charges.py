from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from podman_llm.core.charges import (
    DAY,
    Amount,
    PodHours,
    Stretch,
    daily,
    day_of,
    disk_stretches,
    hours_of,
    hours_of_orphan,
    merged,
    stretches,
    total,
)
from podman_llm.core.pod import Evidence, Phase, RateInterval, Transition
from tests.core.worlds import L4, START, record_in, sight_of

MIDNIGHT = float((day_of(START) + 1) * DAY)

rates = st.none() | st.integers(0, 5_000_000)
lengths = st.floats(0, 3 * DAY)


def gone(at: float, kind: str = "absent") -> Evidence:
    return Evidence(kind, at, (at - 20, at), (0, 0), 404)


def hours(*parts: Stretch, **changes: object) -> PodHours:
    return replace(PodHours("pod1", "a name", "L4", parts), **changes)  # type: ignore[arg-type]  # fields by name


def test_a_pod_costs_from_its_request_to_the_proof_of_its_absence() -> None:
    record = record_in(Phase.READY)
    assert total(stretches(record, START + 3600)) == Amount(500_000)
    done = record_in(Phase.DONE, evidence=gone(START + 7200))
    assert total(stretches(done, START + 99_999)) == Amount(1_000_000)


def test_each_rate_counts_for_its_own_time() -> None:
    record = record_in(
        Phase.READY, rates=(RateInterval(START, 0.5), RateInterval(START + 3600, 1.0))
    )
    assert total(stretches(record, START + 7200)) == Amount(1_500_000)


def test_days_are_utc_days() -> None:
    part = Stretch(MIDNIGHT - 1800, MIDNIGHT + 3600, 600_000)
    assert daily([part]) == {
        day_of(MIDNIGHT) - 1: Amount(300_000),
        day_of(MIDNIGHT): Amount(600_000),
    }


def test_what_was_never_sent_or_never_came_to_be_cost_nothing() -> None:
    assert stretches(record_in(Phase.CANCELLED), START + 60) == ()
    phantom = record_in(Phase.DONE, pod_id=None, evidence=gone(START + 300, "never_appeared"))
    assert stretches(phantom, START + 300) == ()
    assert phantom.spent(START + 300) == 0.0
    assert hours_of(phantom, START + 300) is None


def test_a_pod_that_turned_out_to_be_somebody_elses_stops_counting_then() -> None:
    left = record_in(
        Phase.DISOWNED, transitions=(Transition(Phase.DISOWNED, START + 3600, "not ours"),)
    )
    assert total(stretches(left, START + 99_999)) == Amount(500_000)


def test_an_unknown_price_is_time_without_money_and_never_a_zero() -> None:
    assert total([Stretch(START, START + 60, None)]) == Amount(0, unpriced=60.0)
    silent = hours_of_orphan(sight_of(cost_per_hour=None), START + 60)
    assert silent.amount == Amount(0, unpriced=60.0)
    stopped = hours_of_orphan(sight_of(cost_per_hour=0.0), START + 60)
    assert stopped.amount.unpriced == 60.0


def test_the_disk_is_a_line_of_its_own_from_the_same_request_to_the_same_proof() -> None:
    place = replace(L4, disk_per_hour=0.01)
    record = record_in(Phase.READY, candidate=place)
    line = hours_of(record, START + 7200)
    assert line
    assert line.disk == Stretch(START, START + 7200, 10_000)
    assert disk_stretches(record, START + 7200) == (line.disk,)
    assert disk_stretches(record_in(Phase.READY), START + 7200) == ()
    assert disk_stretches(record_in(Phase.CANCELLED, candidate=place), START + 7200) == ()
    nobody_told = replace(line, disk_micros_per_hour=None)
    assert merged(line, nobody_told).disk_micros_per_hour == 10_000
    assert merged(nobody_told, line).disk_micros_per_hour == 10_000


def test_a_request_without_an_id_is_in_no_ledger_yet() -> None:
    assert hours_of(record_in(Phase.UNRESOLVED), START + 60) is None


def test_a_running_pod_is_a_line_of_the_ledger_in_dollars_too() -> None:
    line = hours_of(record_in(Phase.READY), START + 7200)
    assert line
    assert (line.pod_id, line.amount.usd) == ("pod1", 1.0)


@given(rate=rates, since=lengths, length=lengths, more=lengths)
def test_money_only_grows_with_time(
    rate: int | None, since: float, length: float, more: float
) -> None:
    start = START + since
    shorter = total([Stretch(start, start + length, rate)])
    longer = total([Stretch(start, start + length + more, rate)])
    assert longer.micros >= shorter.micros
    assert longer.unpriced >= shorter.unpriced


@given(rate=st.integers(0, 5_000_000), since=lengths, length=lengths)
def test_the_sum_is_never_below_the_bill_and_hardly_above(
    rate: int, since: float, length: float
) -> None:
    start = START + since
    bill = rate * length / 3600
    counted = total([Stretch(start, start + length, rate)]).micros
    assert bill - 1 <= counted <= bill + 6  # one micro-dollar of rounding a day


parts = st.lists(st.tuples(st.floats(0, 9999), rates), min_size=1, max_size=4).map(
    lambda found: tuple(
        Stretch(START + sum(n for n, _ in found[:i]), START + sum(n for n, _ in found[: i + 1]), r)
        for i, (_, r) in enumerate(found)
    )
)


@given(known=parts, told=parts, later=st.floats(0, 9999))
def test_a_second_account_makes_no_pod_cheaper_and_loses_no_time(
    known: tuple[Stretch, ...], told: tuple[Stretch, ...], later: float
) -> None:
    shifted = tuple(replace(p, since=p.since + later, until=p.until + later) for p in told)
    result = merged(hours(*known), hours(*shifted))
    assert result.amount.micros >= total(known).micros
    assert result.until >= known[-1].until
    assert result.since <= known[0].since


def test_a_poorer_account_carries_the_first_on_at_the_last_price_known() -> None:
    known = hours(Stretch(START, START + 3600, 500_000))
    orphan = hours(Stretch(START + 1800, START + 7200, None), reason="orphan")
    result = merged(known, orphan)
    assert result.stretches == (Stretch(START, START + 7200, 500_000),)
    assert result.reason == "orphan"
