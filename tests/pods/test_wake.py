"""A pod that sleeps, and the requests that wake it: what the control plane makes of them."""

from __future__ import annotations

from typing import Any

import pytest

from podman_llm.core.demand import ASKED_COUNTS, HELD_COUNTS, Demand
from podman_llm.core.pod import Phase, StopReason
from podman_llm.core.sight import NotCreated, Refusal
from podman_llm.core.sleep import RETRY_PAUSE
from podman_llm.errors import ConfigError, NoCapacity, ProviderUnreachable
from podman_llm.testing.cloud import rejected
from tests.pods.house import Crash, House

IDLE = 60.0
RUNTIME = 7200.0


def house_that_wakes(**settings: Any) -> House:
    house = House(runtime_seconds=RUNTIME, **settings)
    house.configure(pod={"idle_seconds": IDLE, "max_extension_seconds": 0.0})
    house.configure(routing={"wake": True})
    return house


def asleep(**settings: Any) -> House:
    house = house_that_wakes(**settings)
    house.up()
    fall_asleep(house)
    return house


def fall_asleep(house: House) -> None:
    house.run_to(Phase.READY)
    house.run_to(Phase.DONE)
    assert house.record.reason is StopReason.IDLE
    assert house.tick().heeds_demand


def created(house: House) -> int:
    return len(house.cloud.requests)


# Waking ----------------------------------------------------------------------------------------


def test_a_request_wakes_a_pod_that_was_idle_and_nothing_else_does() -> None:
    house = asleep()
    house.run_for(1800.0)
    assert created(house) == 1
    house.ask()
    assert "woken by a request" in house.tick().note
    house.run_to(Phase.READY)
    assert (created(house), len(house.cloud.live())) == (2, 1)
    assert house.state.sleep is None


def test_without_the_setting_no_request_wakes_it() -> None:
    house = house_that_wakes()
    house.configure(routing={"wake": False})
    house.up()
    house.run_to(Phase.DONE)
    house.ask()
    tick = house.run_until_settled()
    assert "`podman-llm up` starts a new one" in tick.note
    assert not tick.heeds_demand
    assert created(house) == 1


def test_however_many_ask_one_pod_is_made() -> None:
    house = asleep()
    until = house.clock.wall() + IDLE
    while house.clock.wall() < until:
        house.demand = Demand(asked_at=house.clock.wall(), held_at=house.clock.wall())
        house.clock.advance(max(0.01, min(1.0, house.tick().wait_seconds)))
    assert created(house) == 2
    assert house.phase is Phase.READY


def test_it_may_sleep_and_wake_again_and_again() -> None:
    house = asleep()
    for number in (2, 3, 4):
        house.ask()
        fall_asleep(house)
        assert created(house) == number
    assert house.record.billed_before == 0
    assert len({request.name for request in house.cloud.requests}) == 4


def test_what_is_asked_while_it_is_being_ended_counts_once_it_is_gone() -> None:
    house = house_that_wakes()
    house.up()
    house.run_to(Phase.READY)
    house.run_to(Phase.STOPPING)
    house.clock.advance(0.5)
    house.ask()
    house.run_to(Phase.READY)
    assert created(house) == 2
    assert house.state.closed[0].reason is StopReason.IDLE


# What wakes nothing ----------------------------------------------------------------------------


def test_what_was_asked_before_it_slept_wakes_nothing() -> None:
    house = house_that_wakes()
    house.up()
    house.run_to(Phase.READY)
    house.run(lambda: house.phase is Phase.READY and house.tick().wait_seconds > 0)
    house.ask()
    house.run_to(Phase.DONE)
    house.run_for(30.0)
    assert created(house) == 1


@pytest.mark.parametrize(
    ("field", "counts"), [("asked_at", ASKED_COUNTS), ("held_at", HELD_COUNTS)]
)
def test_a_client_long_gone_wakes_nothing(field: str, counts: float) -> None:
    house = asleep()
    house.clock.advance(3600.0)
    house.demand = Demand(**{field: house.clock.wall() - counts - 1})
    house.run_for(200.0)
    assert created(house) == 1
    house.demand = Demand(**{field: house.clock.wall() - counts + 1})
    house.run_to(Phase.READY)


def test_a_request_that_gives_up_before_a_pod_was_asked_for_costs_nothing() -> None:
    house = asleep()
    house.plan_errors.extend([NoCapacity("sold out")] * 50)
    house.demand = Demand(held_at=house.clock.wall())
    house.run(lambda: house.state.waiting is not None)
    house.demand = Demand()
    house.plan_errors.clear()
    house.run_for(600.0)
    assert created(house) == 1
    assert house.notes[-1] == "asleep; a request wakes it"


def test_an_intent_for_nobody_is_dropped() -> None:
    house = asleep()
    house.ask()
    house.run_to(Phase.INTENT)
    house.demand = Demand()
    house.tick()
    assert house.phase is Phase.CANCELLED
    house.run_for(300.0)
    assert created(house) == 1
    house.ask()
    house.run_to(Phase.READY)
    assert created(house) == 2


# The person's wish -----------------------------------------------------------------------------


def test_down_wins_over_whatever_keeps_coming() -> None:
    house = asleep()
    house.down()
    for _ in range(50):
        house.ask()
        house.clock.advance(max(0.01, house.tick().wait_seconds))
    assert house.run_until_settled().settled
    assert (created(house), house.state.sleep) == (1, None)


def test_down_wins_at_every_step_of_waking() -> None:
    for turns in range(12):
        house = asleep()
        house.ask()
        for _ in range(turns):
            house.clock.advance(max(0.01, house.tick().wait_seconds))
        house.down()
        while not house.tick().settled:
            house.ask()
            house.clock.advance(1.0)
        assert not house.cloud.live(), turns
        before = created(house)
        for _ in range(5):
            house.ask()
            house.tick()
        assert created(house) == before <= 2


def test_another_up_wakes_it_with_a_time_of_its_own() -> None:
    house = asleep()
    house.clock.advance(3600.0)
    house.up()
    house.run_to(Phase.READY)
    assert house.record.lease_began is None
    assert house.record.soft_deadline >= house.clock.wall() + RUNTIME - 300


# Time and money --------------------------------------------------------------------------------


def test_a_woken_pod_has_what_is_left_of_the_time_asked_for() -> None:
    house = asleep()
    first = house.record
    for away in (600.0, 1800.0):
        house.clock.advance(away)
        house.ask()
        fall_asleep(house)
        assert first.soft_deadline - 2 <= house.record.soft_deadline <= first.soft_deadline
        assert house.record.hard_deadline <= first.hard_deadline


def test_no_step_of_the_wall_clock_lengthens_the_time_of_a_woken_pod() -> None:
    house = asleep()
    left = house.record.soft_deadline - house.clock.wall()
    house.step_wall(-3600.0)
    house.clock.advance(3700.0)
    house.ask()
    house.run_to(Phase.READY)
    assert house.record.soft_deadline - house.clock.wall() <= left - 3700.0


def test_over_a_reboot_the_time_asked_for_goes_on() -> None:
    house = asleep()
    began = house.record.intent.wall
    house.clock.reboot(900.0)
    house.restart()
    house.ask()
    house.run_to(Phase.READY)
    assert house.record.soft_deadline == pytest.approx(began + RUNTIME, abs=2)


def test_after_the_time_asked_for_no_request_wakes_it() -> None:
    house = asleep()
    house.clock.advance(RUNTIME)
    house.ask()
    tick = house.tick()
    assert not tick.heeds_demand
    assert "no request wakes it: less is left of the time asked for" in tick.note
    house.run_for(100.0)
    assert created(house) == 1
    assert house.state.sleep
    assert house.state.sleep.why_not


def test_an_extension_counts_as_time_asked_for() -> None:
    house = house_that_wakes()
    house.configure(pod={"max_extension_seconds": 3600.0})
    house.up()
    house.run_to(Phase.READY)
    house.extend(1800.0)
    fall_asleep(house)
    house.clock.advance(RUNTIME)
    house.ask()
    house.run_to(Phase.READY)
    assert 0 < house.record.soft_deadline - house.clock.wall() < 1800.0
    house.run_to(Phase.DONE)


def test_the_time_may_end_while_nothing_is_free() -> None:
    house = asleep()
    house.clock.advance(RUNTIME - 400.0)
    house.cloud.fates.extend([rejected(NotCreated(Refusal.CAPACITY, "full"))] * 99)
    until = house.clock.wall() + 1000.0
    while house.clock.wall() < until:
        house.ask()
        house.clock.advance(max(0.01, min(5.0, house.tick().wait_seconds)))
    assert len(house.cloud.pods) == 1
    assert "no request wakes it" in house.notes[-1]


def test_a_pod_that_a_budget_ended_is_not_woken() -> None:
    house = asleep()
    house.configure(budget={"max_usd_total": 0.01})
    for _ in range(20):
        house.ask()
        house.clock.advance(max(0.01, house.tick().wait_seconds))
    assert created(house) == 1
    assert house.state.failure
    assert house.state.failure.exit_code == 8
    assert "no request wakes it: waking it failed" in house.notes[-1]


# Failures --------------------------------------------------------------------------------------


def test_what_a_person_must_mend_is_not_tried_by_requests() -> None:
    house = asleep()
    house.plan_errors.append(ConfigError("no such model"))
    for _ in range(300):
        house.ask()
        house.clock.advance(max(0.01, min(1.0, house.tick().wait_seconds)))
    assert house.plans == 2
    assert "no such model" in house.notes[-1]


@pytest.mark.parametrize("error", [NoCapacity("sold out"), ProviderUnreachable("no answer")])
def test_what_mends_itself_is_waited_for_while_somebody_asks(error: Exception) -> None:
    house = asleep()
    house.plan_errors.extend([error] * 5)  # type: ignore[list-item]  # parametrised
    until = house.clock.wall() + 900.0
    while house.clock.wall() < until and house.phase is not Phase.READY:
        house.ask()
        house.clock.advance(max(0.01, min(1.0, house.tick().wait_seconds)))
    assert house.phase is Phase.READY
    assert house.plans <= 8


def test_giving_up_is_not_for_good_and_not_a_loop() -> None:
    house = asleep()
    house.configure(pod={"wait_capacity_seconds": 0.0})
    house.plan_errors.extend([NoCapacity("sold out")] * 3)
    until = house.clock.wall() + 10 * RETRY_PAUSE
    while house.clock.wall() < until and house.phase is not Phase.READY:
        house.ask()
        house.clock.advance(max(0.01, min(1.0, house.tick().wait_seconds)))
    assert house.phase is Phase.READY
    assert house.state.failure is None
    assert house.plans == 5


def test_a_woken_pod_may_fail_as_often_as_the_first() -> None:
    house = asleep()
    house.cloud.starts_after = None
    until = house.clock.wall() + 5000.0
    while house.clock.wall() < until and house.state.failure is None:
        house.ask()
        house.clock.advance(max(0.01, min(60.0, house.tick().wait_seconds)))
    assert house.state.failure
    assert len(house.cloud.pods) == 1 + house.settings.pod.max_billed_attempts
    assert house.state.sleep
    assert not house.cloud.live()


# Deaths ----------------------------------------------------------------------------------------


def test_a_death_at_any_step_of_waking_ends_with_one_ready_pod() -> None:
    deaths = 0
    for points in range(60):
        house = asleep()
        house.ask()
        house.fuse.left = points
        until = house.clock.wall() + 2000.0
        while house.phase is not Phase.READY:
            assert house.clock.wall() < until, (points, house.notes[-3:])
            house.ask()
            try:
                house.clock.advance(max(0.01, house.tick().wait_seconds))
            except Crash:
                deaths += 1
                house.restart()
        house.fuse.left = None
        assert (len(house.cloud.pods), len(house.cloud.live())) == (2, 1), points
    assert deaths > 30


def test_a_death_while_asleep_forgets_neither_the_sleep_nor_its_time() -> None:
    house = asleep()
    before = house.state.sleep
    house.restart()
    house.tick()
    assert house.state.sleep == before
    house.ask()
    house.run_to(Phase.READY)
