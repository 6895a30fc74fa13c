from __future__ import annotations

from dataclasses import replace

import pytest

from podman_llm.core.charges import DAY, Amount, PodHours, Stretch
from podman_llm.core.pod import Phase
from podman_llm.providers.base import BilledHours
from podman_llm.usage.report import (
    Drift,
    Period,
    bill_span,
    complete,
    days,
    disks,
    disks_on_day,
    drift,
    in_all,
    in_month,
    months,
    on_day,
)
from tests.core.worlds import START, record_in

NOVEMBER_30 = 20_787.0 * DAY  # 2026-11-30


def hours(pod_id: str, since: float, length: float, rate: int | None = 1_000_000) -> PodHours:
    return PodHours(pod_id, "name", "L4", (Stretch(since, since + length, rate),))


LINES = (
    hours("a", NOVEMBER_30 + 20 * 3600, 6 * 3600),
    hours("b", NOVEMBER_30 + DAY + 3600, 3600, None),
)


def test_days_and_months_are_summed_as_utc_has_them() -> None:
    assert days(LINES) == (
        Period("2026-11-30", Amount(4_000_000)),
        Period("2026-12-01", Amount(2_000_000, 3600.0)),
    )
    assert [one.name for one in months(LINES)] == ["2026-11", "2026-12"]
    assert in_all(LINES) == Amount(6_000_000, 3600.0)


def test_a_day_without_pods_cost_nothing() -> None:
    assert on_day(LINES, NOVEMBER_30 - 1) == Period("2026-11-29", Amount())
    assert in_month(LINES, NOVEMBER_30 + 40 * DAY) == Period("2027-01", Amount())


def test_the_ledger_is_brought_up_to_now_by_the_records() -> None:
    record = record_in(Phase.READY)
    (fresh,) = complete((), [record], START + 3600)
    assert fresh.amount == Amount(500_000)
    stale = hours("pod1", START, 60, 500_000)
    assert complete([stale], [record], START + 3600)[0].amount == Amount(500_000)
    assert complete([stale], [record_in(Phase.CANCELLED)], START)[0] == stale


def test_the_bill_is_held_against_our_pods_and_no_others() -> None:
    bill = (
        BilledHours("a", NOVEMBER_30, NOVEMBER_30 + DAY, 4.2),
        BilledHours("a", NOVEMBER_30 - DAY, NOVEMBER_30, 99.0),
        BilledHours("someone", NOVEMBER_30, NOVEMBER_30 + DAY, 99.0),
    )
    found = drift(LINES, bill, NOVEMBER_30)
    assert found == Drift(NOVEMBER_30, ours=6.0, theirs=4.2)
    assert round(found.drift, 6) == -1.8


def test_a_bill_that_tells_disks_apart_is_compared_without_them() -> None:
    bill = (
        BilledHours("a", NOVEMBER_30, NOVEMBER_30 + DAY, 4.2, disk_usd=0.2),
        BilledHours("a", NOVEMBER_30 + DAY, NOVEMBER_30 + 2 * DAY, 2.1, disk_usd=0.1),
    )
    found = drift(LINES, bill, NOVEMBER_30)
    assert found.theirs == pytest.approx(6.0)
    assert found.theirs_disks == pytest.approx(0.3)
    untold = replace(bill[0], disk_usd=None)
    assert drift(LINES, (*bill, untold), NOVEMBER_30).theirs_disks is None


def test_a_bill_that_tells_no_disks_apart_is_compared_with_ours_in_it() -> None:
    bill = (BilledHours("a", NOVEMBER_30, NOVEMBER_30 + 2 * DAY, 6.06),)
    told = [replace(LINES[0], disk_micros_per_hour=10_000), LINES[1]]
    assert drift(told, bill, NOVEMBER_30).drift == pytest.approx(0.0)


def test_disks_are_summed_by_day_and_in_all_where_their_price_is_known() -> None:
    day = PodHours("a", "n", "L4", (Stretch(NOVEMBER_30, NOVEMBER_30 + 2 * DAY, 0),))
    told = replace(day, disk_micros_per_hour=1000)
    assert disks([told]) == Amount(48_000)
    assert disks([told, day]) == Amount(48_000, 2.0 * DAY)
    assert disks_on_day([told], NOVEMBER_30 + 5) == Amount(24_000)
    assert disks_on_day([told], NOVEMBER_30 - 5) == Amount()


def test_a_bill_is_asked_for_from_a_midnight_on_and_a_month_back_at_most() -> None:
    assert bill_span(LINES, NOVEMBER_30 + DAY) == NOVEMBER_30
    assert bill_span(LINES, NOVEMBER_30 + 100 * DAY) == NOVEMBER_30 + 69 * DAY
    assert bill_span((), NOVEMBER_30 + 7) == NOVEMBER_30
