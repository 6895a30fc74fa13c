"""The ledger as the controller keeps it, held against the bill of a cloud that may lie."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from podman_llm.core.budget import TEARDOWN
from podman_llm.core.charges import MICROS
from podman_llm.core.pod import Phase, StopReason
from podman_llm.core.sight import PodSight
from podman_llm.errors import StateError
from podman_llm.pods.accounts import ACCRUE_EVERY, Accounts
from podman_llm.state.store import PodState
from podman_llm.testing.cloud import CREATED_5XX, LOST, ListFault, late
from tests.pods.house import OWNER, Crash, House, ready_house

EPSILON = 1e-5


def entered(house: House) -> float:
    return sum(line.amount.micros for line in house.ledger.lines()) / MICROS


def test_a_pod_is_entered_in_the_tick_that_proves_it_gone() -> None:
    house = ready_house()
    house.run_for(1800)
    house.down()
    house.run(lambda: house.phase is Phase.DONE)
    (line,) = house.ledger.lines()
    assert (line.pod_id, line.name, line.reason) == ("pod1", house.record.name, "user")
    assert line.is_settled
    assert entered(house) == pytest.approx(house.record.spent(0), abs=EPSILON)
    assert house.cloud.bill() - EPSILON <= entered(house) <= house.cloud.bill() + 0.01


def test_a_running_pod_is_brought_up_to_date_every_minute() -> None:
    house = ready_house()
    house.run_for(600)
    (line,) = house.ledger.lines()
    assert not line.is_settled
    assert house.clock.wall() - line.until <= ACCRUE_EVERY + 30


def test_a_request_that_made_no_pod_costs_nothing() -> None:
    house = House()
    house.cloud.fates.append(LOST)
    house.up()
    house.run_to(Phase.READY)
    assert [line.pod_id for line in house.ledger.lines()] == ["pod1"]


def test_an_orphan_is_entered_until_it_is_gone() -> None:
    house = House()
    house.configure(provider={"quarantine_seconds": 30.0})
    house.cloud.fates.append(late(200))
    house.up()
    house.run_to(Phase.READY)
    house.run(lambda: len(house.cloud.pods) == 2 and len(house.cloud.live()) == 1)
    house.run_for(300)
    lines = {line.pod_id: line for line in house.ledger.lines()}
    assert lines["pod1"].reason == "orphan"
    assert lines["pod1"].is_settled
    assert not lines["pod2"].is_settled
    house.down()
    house.run_until_settled()
    assert entered(house) >= house.cloud.bill() - EPSILON


def test_losing_all_other_state_keeps_what_was_spent() -> None:
    house = ready_house()
    house.run_for(1000)
    before = entered(house)
    house.store.saves.clear()
    house.store.origin = "rebuild"
    house.restart()
    house.down()
    house.run_until_settled()
    assert entered(house) > before
    assert entered(house) >= house.cloud.bill() - EPSILON


def test_a_lost_ledger_is_rebuilt_from_the_closed_records() -> None:
    house = ready_house()
    house.down()
    house.run_until_settled()
    before = entered(house)
    house.ledger = House().ledger
    house.restart()
    house.tick()
    assert entered(house) == before > 0


def test_a_ledger_that_fails_is_told_and_keeps_no_pod_from_being_ended() -> None:
    def broken() -> None:
        raise StateError("the ledger cannot be used: disk I/O error")

    house = ready_house()
    accounts = Accounts(house.cloud, OWNER.id, broken)  # type: ignore[arg-type]  # never gives one
    house.controller._accounts = accounts
    house.down()
    house.run_until_settled()
    assert house.phase is Phase.DONE
    assert "disk I/O error" in house.notes[-1]
    assert accounts.spent(PodState(), house.clock.wall()) is None


def test_under_a_budget_unknown_spending_rents_nothing() -> None:
    def broken() -> None:
        raise StateError("the ledger cannot be used: disk I/O error")

    house = House()
    house.configure(budget={"max_usd_total": 50.0})
    house.controller._accounts = Accounts(house.cloud, OWNER.id, broken)  # type: ignore[arg-type]  # as above
    house.up()
    house.run_until_settled()
    assert house.state.failure
    assert house.state.failure.exit_code == 8
    assert not house.cloud.pods


def test_the_balance_is_read_now_and_then_while_a_pod_may_bill() -> None:
    house = ready_house()
    house.run_for(60)
    assert house.controller._state
    assert house.controller._state.balance == 25.0


# Budgets ---------------------------------------------------------------------------------------


def test_a_budget_is_the_deadline_that_is_fixed_in_the_name_and_ends_the_pod() -> None:
    house = House()
    house.configure(
        budget={"max_usd_total": 0.4}, max_startup_attempts=60, pod={"idle_seconds": None}
    )
    house.up()
    house.run_to(Phase.READY)
    (request,) = house.cloud.requests
    left = house.record.hard_deadline - house.record.intent.wall
    assert left == pytest.approx(0.4 / 0.5 * 3600, abs=1)
    assert request.name.endswith(f"-x{int(house.record.hard_deadline)}")
    house.run(lambda: house.phase is Phase.DONE)
    assert house.record.reason is StopReason.BUDGET
    assert house.cloud.bill() <= 0.4
    assert "the budget lets this pod live 48 min, less than was asked for" in house.told


def test_what_earlier_pods_cost_is_missing_from_the_next_ones_budget() -> None:
    house = House()
    house.configure(
        budget={"max_usd_total": 0.7}, max_startup_attempts=60, pod={"idle_seconds": None}
    )
    house.up()
    house.run_to(Phase.READY)
    house.run_for(2000)
    house.down()
    house.run_until_settled()
    first = house.cloud.bill()
    house.up()
    house.run_to(Phase.READY)
    left = house.record.hard_deadline - house.record.intent.wall
    assert left == pytest.approx((0.7 - first) / 0.5 * 3600, abs=60)
    house.run(lambda: house.phase is Phase.DONE)
    house.run_for(600)
    house.up()
    house.run_until_settled()
    assert house.state.failure
    assert house.state.failure.exit_code == 8
    assert "the budget leaves" in house.state.failure.message
    assert len(house.cloud.pods) == 2
    assert house.cloud.bill() <= 0.7


def test_a_days_budget_is_there_again_on_the_next_day() -> None:
    house = House(runtime_seconds=86_400)
    house.configure(
        budget={"max_usd_per_day": 0.3}, max_startup_attempts=60, pod={"idle_seconds": None}
    )
    house.up()
    house.run(lambda: house.phase is Phase.DONE, within=90_000)
    assert house.record.reason is StopReason.BUDGET
    house.up()
    house.run_until_settled()
    assert house.state.failure
    house.clock.advance(86_400)
    house.up()
    house.run_to(Phase.READY)


def test_warnings_come_once_each_also_across_restarts() -> None:
    house = House(runtime_seconds=7200)
    house.configure(pod={"idle_seconds": None, "max_extension_seconds": 0})
    house.up()
    for _ in range(7):
        house.run_for(900)
        house.restart()
    house.run(lambda: house.phase is Phase.DONE)
    assert [text.partition(" in ")[0] for text in house.told] == ["the pod ends"] * 3
    assert [notice.text for notice in house.state.notices] == house.told


@pytest.mark.parametrize("seed", range(20))
def test_the_ledger_only_grows_covers_the_bill_and_keeps_to_the_cap(seed: int) -> None:
    chance = random.Random(seed)
    cap = chance.choice([0.3, 0.6, 1.2])
    house = House()
    house.configure(
        budget={"max_usd_total": cap},
        max_startup_attempts=60,
        pod={"idle_seconds": None},
    )
    house.cloud.list_lag = chance.choice([0.0, 6.0])
    house.cloud.failing_deletes = chance.choice([0, 2])
    house.cloud.fates.extend(chance.choices([CREATED_5XX, LOST, late(30)], k=2))
    house.up()
    before = 0.0
    for _ in range(60):
        if chance.random() < 0.2:
            house.fuse.left = chance.randrange(6)
        if chance.random() < 0.1:
            house.step_wall(-chance.uniform(0, 3000))
        if chance.random() < 0.1:
            house.cloud.list_faults.append(chance.choice(list(ListFault)))
        try:
            house.run_for(chance.uniform(5, 240))
        except Crash:
            house.restart()
        assert entered(house) >= before
        before = entered(house)
        if house.phase is Phase.DONE:
            house.up()
    house.fuse.left = None
    house.down()
    house.run_until_settled(within=10_000)
    assert entered(house) >= house.cloud.bill() - 1e-3
    tick_and_order = 60.0 + 2 * 60.0  # the tick, and the orders that failed
    assert house.cloud.bill() <= cap + 0.8 * (tick_and_order + TEARDOWN) / 3600


def test_two_pods_of_one_name_are_both_entered() -> None:
    house = House()
    house.cloud.fates.append(CREATED_5XX)
    house.up()
    house.run_to(Phase.PROVISIONING)
    twin = replace(house.cloud.pods[0], pod_id="pod9")
    house.cloud.pods.append(twin)
    sight = house.cloud.get("pod9")
    assert isinstance(sight, PodSight)
    house.run(lambda: len(house.cloud.live()) == 1)
    house.run_for(60)
    assert {line.pod_id for line in house.ledger.lines()} == {"pod1", "pod9"}
