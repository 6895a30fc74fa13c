from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from podman_llm.core import naming
from podman_llm.core.deeds import Probe
from podman_llm.core.guard import Heard
from podman_llm.core.pod import Guard, Phase, StopReason
from podman_llm.core.serving import PRICE_GRACE, decide_live
from podman_llm.core.sight import Gone, PodStatus, Unknown
from podman_llm.core.world import Decision
from tests.core.worlds import (
    DOWN,
    LIMITS,
    MARKS,
    NAME,
    START,
    listed,
    phase_of,
    rests,
    sight_of,
    world_in,
)

LIVE = [Phase.PROVISIONING, Phase.BOOTING, Phase.READY, Phase.DEGRADED, Phase.DRAINING]
STARTING = sight_of(status=PodStatus.STARTING, uptime=None, started_at=None)


def decided(phase: Phase, **world: Any) -> Decision:
    return decide_live(world_in(phase, **world))


def stopped(phase: Phase, **world: Any) -> StopReason | None:
    record = decided(phase, **world).book.record
    assert record
    return record.reason if record.phase is Phase.STOPPING else None


# Ours, wanted, there, fit ----------------------------------------------------------------------


@pytest.mark.parametrize("phase", LIVE)
def test_a_pod_with_a_foreign_mark_is_let_go_before_anything_else(phase: Phase) -> None:
    foreign = sight_of(env={**MARKS, naming.OWNER_MARK: "xyz234"}, status=PodStatus.EXITED)
    decision = decided(phase, sight=foreign, wish=DOWN)
    assert phase_of(decision) is Phase.DISOWNED
    assert rests(decision)


@pytest.mark.parametrize("phase", LIVE)
def test_a_hard_deadline_ends_any_pod_whatever_is_known_of_it(phase: Phase) -> None:
    for sight in (sight_of(), Gone(), Unknown("503")):
        assert stopped(phase, sight=sight, after=10800) is StopReason.EXPIRY


@pytest.mark.parametrize("phase", LIVE)
def test_a_pod_that_is_not_shown_is_lost_only_by_full_evidence(phase: Phase) -> None:
    once = decided(phase, sight=Gone(), view=listed(), after=200)
    assert phase_of(once) is phase
    assert once.book.record
    assert once.book.record.absences == ((START + 200, 0),)
    twice = decided(
        phase,
        record={"absences": ((START + 180, 0),)},
        sight=Gone(),
        view=listed(),
        after=200,
    )
    assert phase_of(twice) is Phase.LOST


def test_a_young_pod_that_is_not_shown_yet_is_not_lost() -> None:
    record = {"listed_at": None, "absences": ((START + 10, 0),)}
    decision = decided(Phase.PROVISIONING, record=record, sight=Gone(), view=listed(), after=60)
    assert phase_of(decision) is Phase.PROVISIONING


@pytest.mark.parametrize("phase", [Phase.PROVISIONING, Phase.BOOTING, Phase.READY])
@pytest.mark.parametrize("status", [PodStatus.EXITED, PodStatus.ERROR])
def test_a_container_that_ended_ends_the_pod(phase: Phase, status: PodStatus) -> None:
    assert stopped(phase, sight=sight_of(status=status)) is StopReason.EXITED


@pytest.mark.parametrize(("restarts", "reason"), [(1, None), (2, StopReason.CRASH_LOOP)])
def test_one_restart_too_many_is_a_crash_loop(restarts: int, reason: StopReason | None) -> None:
    record = {"restarts": restarts, "container_start": -200.0}
    assert stopped(Phase.BOOTING, record=record) is reason


@pytest.mark.parametrize(
    ("price", "after", "reason"),
    [
        (4.0, 30, None),
        (4.1, 30, StopReason.PRICE),
        (None, PRICE_GRACE, None),
        (None, PRICE_GRACE + 1, StopReason.PRICE),
    ],
)
def test_the_price_may_be_late_but_not_above_the_ceiling(
    price: float | None, after: float, reason: StopReason | None
) -> None:
    sight = sight_of(cost_per_hour=price)
    assert stopped(Phase.BOOTING, sight=sight, after=after) is reason


def test_a_pod_that_serves_is_not_ended_for_its_price_nor_any_without_a_ceiling() -> None:
    dear = sight_of(cost_per_hour=99.0)
    assert stopped(Phase.READY, sight=dear) is None
    assert stopped(Phase.BOOTING, sight=dear, limits=replace(LIMITS, max_price=None)) is None


def test_a_pod_without_its_guard_is_ended_unless_a_person_does_without() -> None:
    absent = {"guard": Guard.ABSENT}
    assert stopped(Phase.BOOTING, record=absent) is StopReason.FATAL_CONFIG
    assert stopped(Phase.READY, record=absent) is StopReason.FATAL_CONFIG
    careless = replace(LIMITS, require_guard=False)
    assert stopped(Phase.BOOTING, record=absent, limits=careless) is None
    assert "its guard is not there" in decided(Phase.READY, record=absent, limits=careless).note


@pytest.mark.parametrize(
    "guard", [Guard.AWAITED, Guard.ARMED, Guard.KEY_REFUSED, Guard.KEY_UNTRIED, Guard.UNSEEN]
)
def test_a_guard_in_doubt_ends_nothing(guard: Guard) -> None:
    assert stopped(Phase.BOOTING, record={"guard": guard}) is None


@pytest.mark.parametrize(
    ("phase", "reason"),
    [
        (Phase.PROVISIONING, StopReason.BROKEN_HOST),
        (Phase.BOOTING, StopReason.BROKEN_HOST),
        (Phase.READY, None),
    ],
)
def test_a_host_that_cannot_start_the_container_ends_a_pod_that_starts(
    phase: Phase, reason: StopReason | None
) -> None:
    assert stopped(phase, heard=Heard(trouble="OCI runtime create failed")) is reason
    assert stopped(phase, heard=Heard()) is None


# PROVISIONING ----------------------------------------------------------------------------------


def test_a_running_container_boots_from_when_it_started() -> None:
    decision = decided(Phase.PROVISIONING, sight=sight_of(started_at=START + 20), after=30)
    record = decision.book.record
    assert record
    assert (record.phase, record.running_at) == (Phase.BOOTING, START + 20)


def test_a_start_in_the_future_is_a_clock_that_disagrees() -> None:
    decision = decided(Phase.PROVISIONING, sight=sight_of(started_at=START + 999), after=30)
    assert decision.book.record
    assert decision.book.record.running_at == START + 30


def test_a_container_has_only_so_much_time_to_start() -> None:
    waits = decided(Phase.PROVISIONING, sight=STARTING, after=900)
    assert phase_of(waits) is Phase.PROVISIONING
    assert "STARTING" in waits.note
    late = stopped(Phase.PROVISIONING, sight=STARTING, after=901)
    assert late is StopReason.PROVISION_TIMEOUT
    assert stopped(Phase.PROVISIONING, sight=Unknown("503"), after=901) is late


def test_a_provider_that_does_not_answer_is_waited_for() -> None:
    decision = decided(Phase.PROVISIONING, sight=Unknown("503"))
    assert "not answered for" in decision.note


# BOOTING ---------------------------------------------------------------------------------------


def test_a_model_is_not_asked_before_the_initial_wait() -> None:
    decision = decided(Phase.BOOTING, after=7)
    assert rests(decision)
    assert decision.wait == 3


def test_then_it_is_asked_for_a_completion() -> None:
    decision = decided(Phase.BOOTING, after=10)
    assert decision.deed == Probe("http://pod1", "tiny", NAME, is_keyed=True, deep=True)


def test_a_model_without_an_address_cannot_be_asked() -> None:
    decision = decided(
        Phase.BOOTING, record={"endpoint": None}, sight=sight_of(endpoint=None), after=20
    )
    assert rests(decision)
    assert "port is not known" in decision.note


def test_a_model_has_only_so_much_time_to_boot() -> None:
    assert stopped(Phase.BOOTING, after=600) is None
    assert stopped(Phase.BOOTING, after=601) is StopReason.BOOT_TIMEOUT


def test_a_boot_before_our_restart_counts() -> None:
    moved = {"running_at": START - 500}
    assert stopped(Phase.BOOTING, record=moved, after=101) is StopReason.BOOT_TIMEOUT
    unknown = {"running_at": None}
    assert stopped(Phase.BOOTING, record=unknown, after=601) is StopReason.BOOT_TIMEOUT


def test_a_pod_that_was_ready_boots_from_now_and_is_asked_at_once() -> None:
    was_ready = {"running_at": START - 3000, "ready_at": START - 2000}
    decision = decided(Phase.BOOTING, record=was_ready, after=0)
    assert isinstance(decision.deed, Probe)
    assert stopped(Phase.BOOTING, record=was_ready, after=601) is StopReason.BOOT_TIMEOUT


# READY, DEGRADED, DRAINING ---------------------------------------------------------------------


def test_a_serving_pod_gets_a_light_look_and_a_silent_one_a_full_one() -> None:
    ready, degraded = decided(Phase.READY).deed, decided(Phase.DEGRADED).deed
    assert isinstance(ready, Probe)
    assert isinstance(degraded, Probe)
    assert (ready.deep, degraded.deep) == (False, True)


def test_a_look_keeps_the_count_of_bad_ones() -> None:
    assert decided(Phase.READY, strikes=2).strikes == 2
    assert decided(Phase.BOOTING, strikes=2, after=20).strikes == 2


def test_a_serving_pod_without_an_address_is_left_in_peace() -> None:
    quiet = decided(Phase.READY, record={"endpoint": None}, sight=Unknown("503"))
    assert rests(quiet)


@pytest.mark.parametrize("phase", [Phase.READY, Phase.DEGRADED])
def test_a_restarted_container_boots_again(phase: Phase) -> None:
    assert phase_of(decided(phase, record={"container_start": -200.0})) is Phase.BOOTING


@pytest.mark.parametrize("phase", [Phase.READY, Phase.DEGRADED])
def test_an_idle_pod_is_drained(phase: Phase) -> None:
    unhurried = replace(LIMITS, boot_timeout=9999.0)
    before = decided(phase, after=1799, limits=unhurried)
    assert phase_of(before) is phase
    decision = decided(phase, after=1800, limits=unhurried)
    assert phase_of(decision) is Phase.DRAINING
    assert decision.book.record
    assert decision.book.record.reason is StopReason.IDLE


def test_without_an_idle_limit_it_serves_on() -> None:
    forever = replace(LIMITS, idle=None)
    assert phase_of(decided(Phase.READY, after=3000, limits=forever)) is Phase.READY


def test_a_pod_that_stays_silent_longer_than_a_boot_is_ended() -> None:
    assert stopped(Phase.DEGRADED, after=600) is None
    assert stopped(Phase.DEGRADED, after=601) is StopReason.BOOT_TIMEOUT


def test_a_draining_pod_drains_on_even_if_it_is_wanted_again() -> None:
    assert phase_of(decided(Phase.DRAINING, after=1)) is Phase.DRAINING
    assert stopped(Phase.DRAINING, after=3, record={"reason": StopReason.IDLE}) is StopReason.IDLE


def test_a_pod_taken_over_is_not_too_late_to_boot() -> None:
    taken = {"running_at": START - 5000, "taken_over_at": START}
    decision = decide_live(world_in(Phase.BOOTING, record=taken, after=60))
    assert phase_of(decision) is Phase.BOOTING
    late = decide_live(world_in(Phase.BOOTING, record=taken, after=601))
    assert phase_of(late) is Phase.STOPPING
