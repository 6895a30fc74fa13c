from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podman_llm.core import lease
from podman_llm.core.lease import Expiry, Traffic
from podman_llm.core.pod import ClockReading, Phase, StopReason, Transition
from tests.core.worlds import QUIET, START, reading, record_in


def test_boot_counts_and_the_cap_is_whole_seconds() -> None:
    ends = lease.deadlines(100.7, runtime=3600, extension=60)
    assert (ends.soft, ends.hard) == (3700.7, 3760.0)
    assert lease.deadlines(100.7, runtime=3600, extension=0).soft == 3700.0


def test_time_is_the_wall_clock_while_nothing_happened_to_it() -> None:
    assert lease.pod_time(record_in(Phase.READY), reading(60)) == START + 60


def test_a_clock_set_back_holds_nothing_back() -> None:
    now = replace(reading(600), wall=START - 7200)
    assert lease.pod_time(record_in(Phase.READY), now) == START + 600


def test_a_clock_set_forward_counts() -> None:
    now = replace(reading(600), wall=START + 9000)
    assert lease.pod_time(record_in(Phase.READY), now) == START + 9000


def test_after_a_reboot_time_goes_on_from_the_last_move_whatever_the_wall_clock_says() -> None:
    moves = (Transition(Phase.READY, START + 50, ""),)
    record = record_in(Phase.READY, transitions=moves, sent=reading(10))
    rebooted = ClockReading(START - 7200, 5.0, "boot-2")
    tied = lease.of_this_boot(record, rebooted)
    assert lease.pod_time(tied, rebooted) == START + 50
    later = ClockReading(START - 9000, 65.0, "boot-2")
    assert lease.pod_time(tied, later) == lease.steady_time(tied, later) == START + 110
    assert tied.sent
    assert (tied.intent.wall, tied.sent.wall) == (START, START + 10)
    assert lease.elapsed(tied.sent, later) == 100
    assert lease.of_this_boot(tied, later) == tied
    assert lease.of_this_boot(record, reading(9)) == record
    assert lease.of_this_boot(record_in(Phase.INTENT), rebooted).sent is None


def test_a_provider_clock_behind_ours_takes_nothing_while_the_boot_lasts() -> None:
    record = record_in(Phase.READY, created_at=START - 900)
    assert lease.pod_time(record, reading(60)) == START + 60


def test_after_a_reboot_the_earlier_of_our_and_their_beginning_counts() -> None:
    rebooted = ClockReading(START - 1000, 5.0, "boot-2")
    ahead = record_in(Phase.READY, created_at=START - 3600)
    assert lease.pod_time(ahead, rebooted) == START + 2600
    behind = record_in(Phase.READY, created_at=START + 10)
    assert lease.pod_time(behind, rebooted) == START - 1000
    unknown = record_in(Phase.READY, created_at=None)
    assert lease.pod_time(unknown, rebooted) == START - 1000


def test_spans_are_measured_since_boot_or_else_by_the_wall() -> None:
    assert lease.elapsed(reading(0), replace(reading(50), wall=0.0)) == 50
    assert lease.elapsed(reading(0), reading(50, "boot-2")) == 50
    assert lease.elapsed(reading(50), reading(0, "boot-2")) == 0
    record = record_in(Phase.READY)
    assert lease.steady_time(record, replace(reading(50), wall=0.0)) == START + 50
    assert lease.steady_time(record, reading(70, "boot-2")) == START + 70


@pytest.mark.parametrize(
    ("after", "expiry"),
    [(3599, None), (3600, Expiry.SOFT), (10799, Expiry.SOFT), (10800, Expiry.HARD)],
)
def test_deadlines_pass_at_their_second(after: float, expiry: Expiry | None) -> None:
    assert lease.expiry(record_in(Phase.READY), START + after) is expiry


def test_an_extension_counts_from_the_first_deadline_and_stops_at_the_cap() -> None:
    record = record_in(Phase.READY)
    assert lease.extended(record, 600) == START + 4200
    twice = replace(record, soft_deadline=lease.extended(record, 600))
    assert lease.extended(twice, 600) == START + 4200
    assert lease.extended(twice, 0) == START + 4200
    assert lease.extended(record, 10**9) == record.hard_deadline
    assert lease.extended(record, -600) == record.soft_deadline
    assert lease.extended(replace(record, first_deadline=None), 60) == START + 3660


def test_idle_time_starts_when_the_model_first_answers() -> None:
    record = record_in(Phase.READY, ready_at=START + 100)
    assert lease.idle_seconds(record, QUIET, START + 160) == 60
    assert lease.idle_seconds(record_in(Phase.BOOTING), QUIET, START + 160) is None


def test_the_latest_sign_of_use_counts() -> None:
    record = record_in(Phase.READY)
    asked = replace(QUIET, last_counted_at=START + 50, busy_at=START + 90)
    assert lease.idle_seconds(record, asked, START + 100) == 10


@pytest.mark.parametrize(
    "traffic", [replace(QUIET, in_flight=1), Traffic(0, None, None, is_known=False)]
)
def test_what_is_busy_or_unknown_is_not_idle(traffic: Traffic) -> None:
    assert lease.idle_seconds(record_in(Phase.READY), traffic, START + 10**6) is None


def test_the_idle_limit_is_at_least_the_cold_start() -> None:
    record = record_in(Phase.READY, ready_at=START + 900)
    assert lease.idle_limit(record, 600) == 900
    assert lease.idle_limit(record, 1800) == 1800
    assert lease.idle_limit(record, None) is None
    assert lease.idle_limit(record_in(Phase.BOOTING), 600) is None
    unsent = replace(record, sent=None)
    assert lease.idle_limit(unsent, 600) == 900


@given(
    elapsed=st.floats(0, 1e6),
    wall=st.floats(-1e6, 1e6),
    created=st.none() | st.floats(-1e6, 1e6),
    granted=st.lists(st.floats(-1e6, 1e6), max_size=5),
)
def test_no_clock_move_and_no_extension_puts_off_the_cap(
    elapsed: float, wall: float, created: float | None, granted: list[float]
) -> None:
    record = record_in(Phase.READY, created_at=None if created is None else START + created)
    cap = record.hard_deadline
    for seconds in granted:
        soft = lease.extended(record, seconds)
        assert record.soft_deadline <= soft <= cap
        record = replace(record, soft_deadline=soft)
    now = replace(reading(elapsed), wall=START + wall)
    assert lease.pod_time(record, now) >= START + elapsed - 1e-6
    if elapsed >= 10800 + 1e-6:
        assert lease.expiry(record, lease.pod_time(record, now)) is Expiry.HARD


def test_no_deadline_is_later_than_the_money_lasts() -> None:
    ends = lease.deadlines(START, runtime=3600, extension=7200, affordable_until=START + 1800.9)
    assert (ends.soft, ends.hard) == (START + 1800, START + 1800)
    rich = lease.deadlines(START, runtime=3600, extension=7200, affordable_until=START + 5400)
    assert (rich.soft, rich.hard) == (START + 3600, START + 5400)


def test_a_pod_taken_over_has_no_cold_start_to_measure() -> None:
    old = record_in(Phase.READY, ready_at=START + 9060, taken_over_at=START + 9000)
    assert lease.idle_limit(old, 600) == 600


def test_a_beginning_of_this_boot_needs_no_retelling() -> None:
    record = record_in(Phase.DONE, reason=StopReason.IDLE)
    assert lease.retold(reading(3), record, reading(900)) == reading(3)
