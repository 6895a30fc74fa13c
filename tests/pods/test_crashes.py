"""``kill -9`` anywhere: the next process goes on, one pod at most bills, and none is left."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from podman_llm.core.pod import CLOSED, Phase
from podman_llm.errors import ConfigError, NoCapacity
from podman_llm.testing.cloud import CREATED, CREATED_5XX, LOST, ListFault, late, rejected
from tests.pods.house import QUIET, Crash, House, ready_house
from tests.pods.test_controller import FULL


def live_through(house: House, wish: Callable[[], None], holds: Callable[[], bool]) -> None:
    """Run to the end of a wish; each crash is followed by a new process a second later."""
    wish()
    crashes = 0
    while True:
        try:
            house.run(holds)
        except Crash:
            crashes += 1
            assert crashes < 5
            house.clock.advance(1.0)
            house.restart()
        else:
            return


def is_down(house: House) -> bool:
    return house.phase in CLOSED and house.tick().settled


def whole_life(house: House) -> None:
    live_through(house, house.up, lambda: house.phase is Phase.READY)
    live_through(house, house.down, lambda: is_down(house))


def check(house: House) -> None:
    assert house.cloud.most_live() <= 1
    assert not house.cloud.live()
    names = [request.name for request in house.cloud.requests]
    assert len(names) == len(set(names)), "two requests under one name"
    if house.phase is Phase.DONE:
        assert house.record.evidence


# The kill table: row, where the process dies, the phase it leaves, which attempt has the pod
TABLE = [
    ("S1", "before save INTENT", None, 1),
    ("S2", "after list_pods", None, 1),
    ("S4", "after save INTENT", Phase.INTENT, 1),
    ("S5", "after save SENT", Phase.SENT, 2),
    ("S6", "before create", Phase.SENT, 2),
    ("S7", "after create", Phase.SENT, 1),
    ("S7b", "before save PROVISIONING", Phase.SENT, 1),
    ("S8", "after save PROVISIONING", Phase.PROVISIONING, 1),
    ("S10", "after save BOOTING", Phase.BOOTING, 1),
    ("S11", "after save READY", Phase.READY, 1),
]


@pytest.mark.parametrize(("row", "label", "left", "attempt"), TABLE, ids=[row[0] for row in TABLE])
def test_a_crash_while_starting_ends_with_one_ready_pod(
    row: str, label: str, left: Phase | None, attempt: int
) -> None:
    house = House()
    house.fuse.label = label
    house.up()
    with suppress(Crash):
        house.run_to(Phase.READY)
    assert house.fuse.has_burnt(), "the process did not die there"
    assert house.phase is left
    house.restart()
    house.run_to(Phase.READY)
    assert len(house.cloud.requests) == 1
    assert house.record.attempt == attempt
    house.down()
    house.run_until_settled()
    check(house)


ENDINGS = [
    ("T1", "after save STOPPING", Phase.STOPPING),
    ("T2", "after save DRAINING", Phase.DRAINING),
    ("T3a", "before terminate", Phase.STOPPING),
    ("T3b", "after terminate", Phase.STOPPING),
    ("T4", "after save VERIFYING", Phase.VERIFYING),
    ("T5a", "before save DONE", Phase.VERIFYING),
    ("T5b", "after save DONE", Phase.DONE),
]


@pytest.mark.parametrize(("row", "label", "left"), ENDINGS, ids=[row[0] for row in ENDINGS])
def test_a_crash_while_ending_never_brings_the_pod_back(row: str, label: str, left: Phase) -> None:
    house = ready_house()
    house.activity = replace(QUIET, in_flight=1)
    house.fuse.label = label
    house.down()
    with suppress(Crash):
        house.run_until_settled()
    assert house.fuse.has_burnt(), "the process did not die there"
    assert house.phase is left
    house.restart()
    house.run_until_settled()
    check(house)
    assert house.phase is Phase.DONE


def lagging(house: House) -> None:
    house.cloud.list_lag = house.cloud.hidden_for = 20.0


def stubborn(house: House) -> None:
    house.cloud.failing_deletes, house.cloud.ignored_deletes = 2, 1


def emptied(house: House) -> None:
    house.cloud.list_faults.extend([ListFault.NONE, ListFault.EMPTY, ListFault.ERROR] * 6)


def plain(house: House) -> None:
    del house


@pytest.mark.parametrize("fate", [CREATED, LOST, CREATED_5XX, late(60.0), rejected(FULL)])
@pytest.mark.parametrize("weather", [plain, lagging, stubborn, emptied])
def test_a_crash_at_any_point_leaks_and_doubles_nothing(
    fate: Any, weather: Callable[[House], None]
) -> None:
    point = 0
    while True:
        house = House()
        house.cloud.fates.append(fate)
        weather(house)
        house.fuse.left = point
        whole_life(house)
        check(house)
        if not house.fuse.has_burnt():
            break  # the whole life has fewer points than that
        point += 7 if point > 12 else 1
    assert point > 12


def test_readiness_is_proved_again_after_a_restart_and_nothing_else_is_lost() -> None:
    house = ready_house()
    before = house.record
    house.cloud.pods[0].hears = False
    house.restart()
    house.tick()
    assert house.phase is Phase.BOOTING
    house.cloud.pods[0].hears = True
    house.run_to(Phase.READY)
    after = house.record
    assert (after.pod_id, after.soft_deadline, after.hard_deadline, after.ready_at) == (
        before.pod_id,
        before.soft_deadline,
        before.hard_deadline,
        before.ready_at,
    )


def test_the_time_to_boot_goes_on_over_a_restart() -> None:
    house = House(max_startup_attempts=20)
    house.cloud.answers_after = None
    house.up()
    house.run_to(Phase.BOOTING)
    began = house.clock.wall()
    for _ in range(5):
        house.run_for(20)
        house.restart()
    house.run_to(Phase.STOPPING)
    assert house.clock.wall() - began < 120


def test_a_host_that_rebooted_with_its_clock_set_back_does_not_extend_the_lease() -> None:
    house = ready_house()
    house.configure(pod={"idle_seconds": None})
    house.run_for(3000)
    house.clock.reboot(30)
    house.restart()
    house.run_until_settled()
    ended = house.cloud.pods[0].ended_at
    assert ended
    assert ended - house.cloud.pods[0].created_at <= 3615


def test_a_clock_set_back_before_a_reboot_extends_a_life_by_what_was_not_written_at_most() -> None:
    house = ready_house()
    house.configure(pod={"idle_seconds": None})
    house.run_for(600)
    house.step_wall(-7200)
    house.clock.reboot(30)
    house.restart()
    house.run_until_settled(within=20000)
    ended = house.cloud.pods[0].ended_at
    assert ended
    assert ended - house.cloud.pods[0].created_at <= 3600 + 630


# State that was lost ---------------------------------------------------------------------------


def lose_newest(house: House) -> None:
    """The newest generation is damaged: the one before it is read."""
    house.store.saves.pop()
    house.store.origin = "previous"
    house.restart()


def lose_all(house: House) -> None:
    house.store.saves.clear()
    house.store.origin = "rebuild"
    house.restart()


@pytest.mark.parametrize(
    "label", ["after save INTENT", "after create", "after save PROVISIONING", "after save READY"]
)
def test_an_older_generation_never_leads_to_a_second_pod(label: str) -> None:
    house = House()
    house.fuse.label = label
    house.up()
    with suppress(Crash):
        house.run_to(Phase.DONE)
    lose_newest(house)
    house.run_to(Phase.READY)
    assert house.cloud.most_live() == 1
    assert len(house.cloud.live()) == 1


def test_an_older_intent_may_have_been_sent_and_its_pod_may_come_late() -> None:
    house = House()
    house.fuse.label = "after create"
    house.cloud.fates.append(late(100.0))
    house.up()
    with suppress(Crash):
        house.run_to(Phase.READY)
    lose_newest(house)
    assert house.phase is Phase.INTENT
    house.run_to(Phase.READY)
    assert [pod.pod_id for pod in house.cloud.pods] == ["pod1"]


def test_an_older_fence_is_searched_for_under_its_name() -> None:
    house = House()
    house.fuse.label = "after save UNRESOLVED"
    house.cloud.fates.append(late(100.0))
    house.up()
    with suppress(Crash):
        house.run_to(Phase.READY)
    lose_newest(house)
    house.run_to(Phase.READY)
    assert [pod.pod_id for pod in house.cloud.pods] == ["pod1"]


def test_a_lost_state_takes_over_the_pod_that_lives_with_its_deadline() -> None:
    house = ready_house()
    hard = house.record.hard_deadline
    house.run_for(300)
    lose_all(house)
    house.run_to(Phase.READY, within=60)
    assert [pod.pod_id for pod in house.cloud.pods] == ["pod1"]
    assert house.record.hard_deadline == hard
    assert house.record.soft_deadline == pytest.approx(house.cloud.pods[0].created_at + 3600)
    assert house.record.keyed
    house.down()
    house.run_until_settled()
    assert not house.cloud.live()


def test_a_lost_state_creates_nothing_while_a_pod_may_still_appear() -> None:
    house = House()
    house.cloud.fates.append(late(150.0))
    house.up()
    house.run_to(Phase.UNRESOLVED)
    lose_all(house)
    house.run_to(Phase.READY)
    assert [pod.pod_id for pod in house.cloud.pods] == ["pod1"]


def test_a_lost_state_without_any_pod_begins_anew_after_the_quarantine() -> None:
    house = House()
    lose_all(house)
    house.up()
    began = house.clock.wall()
    house.run_to(Phase.READY)
    assert 180 <= house.cloud.pods[0].created_at - began < 200


def test_a_lost_state_ends_a_pod_that_serves_another_model() -> None:
    house = ready_house()
    lose_all(house)
    house.settings = house.settings.model_copy(update={"modelStoreId": "other"})
    house.up()
    house.run_to(Phase.READY)
    assert house.cloud.most_live() == 1
    assert house.record.pod_id == "pod2"


def test_a_lost_state_is_no_reason_to_be_down() -> None:
    house = ready_house()
    lose_all(house)
    house.cloud.deaf = True
    house.down()
    house.run_for(60)
    house.cloud.deaf = False
    house.run_until_settled()
    assert not house.cloud.live()
    assert house.clock.wall() >= (house.state.quarantine_until or 0)


def test_a_lost_state_waits_for_a_plan_before_it_takes_over() -> None:
    house = ready_house()
    lose_all(house)
    house.plan_errors.append(NoCapacity("all sold out"))
    house.run_to(Phase.READY)
    assert house.record.pod_id == "pod1"
    other = ready_house()
    lose_all(other)
    other.plan_errors.append(ConfigError("no such model"))
    other.run_until_settled()
    assert not other.cloud.live()
    assert other.state.failure


def test_a_lost_state_is_not_guessed_at_from_a_list_that_lies() -> None:
    house = House()
    lose_all(house)
    house.cloud.deaf = True
    house.up()
    house.run_for(300)
    assert "what runs is unknown" in house.notes[-1]
    assert not house.cloud.requests


def test_a_save_that_fails_is_not_believed() -> None:
    class Full(Exception):
        pass

    house = House()
    house.up()
    house.tick()
    save = house.store.save

    def fail(state: Any) -> None:
        raise Full(state)

    house.store.save = fail
    for _ in range(3):
        with pytest.raises(Full):
            house.tick()
    assert not house.cloud.requests
    house.store.save = save
    house.run_to(Phase.READY)
    assert len(house.cloud.requests) == 1
