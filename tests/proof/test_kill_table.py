"""The rows of the kill table that other suites do not name; ``docs/guarantee.md`` has them all."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest

from podman_llm.core.pod import Phase, StopReason
from podman_llm.core.sight import NotCreated, Refusal
from podman_llm.testing.cloud import Fate, late, rejected
from tests.pods.house import QUIET, Crash, House, ready_house
from tests.pods.test_crashes import lose_all


def die_at(house: House, label: str) -> None:
    """Run until the process dies at that point, and start the next one."""
    house.fuse.label = label
    with suppress(Crash):
        house.run(house.fuse.has_burnt)
    assert house.fuse.has_burnt(), "the process did not die there"
    house.restart()


def ends_well(house: House) -> None:
    house.down()
    house.run_until_settled()
    assert house.cloud.most_live() == 1
    assert not house.cloud.live()


def test_s1_a_death_while_the_lost_past_is_waited_out_forgets_none_of_the_waiting() -> None:
    house = House()
    house.cloud.fates.append(late(150.0))
    house.up()
    house.run_to(Phase.UNRESOLVED)
    lose_all(house)
    die_at(house, "before save nothing")
    die_at(house, "after save nothing")
    house.run_for(60)
    house.restart()
    house.run_to(Phase.READY)
    assert [pod.pod_id for pod in house.cloud.pods] == ["pod1"]
    ends_well(house)


@pytest.mark.parametrize("call", ["list_pods", "get", "account"])
def test_s2_a_death_while_looking_changes_nothing(call: str) -> None:
    house = ready_house()
    house.fuse.label = f"before {call}"
    if call == "account":  # only a suspicious list makes it ask what is charged
        house.cloud.list_lag = 100.0
    before = house.record
    with suppress(Crash):
        house.run_for(60)
    assert house.fuse.has_burnt()
    assert house.record.pod_id == before.pod_id
    house.cloud.list_lag = 0.0
    house.restart()
    house.run_to(Phase.READY)
    ends_well(house)


def test_s3_a_death_while_planning_leaves_nothing_behind() -> None:
    house = House()
    plan = house._plan

    def die(*_: object) -> object:
        house._plan = plan  # type: ignore[method-assign]
        house.restart()
        raise Crash

    house._plan = die  # type: ignore[method-assign,assignment]
    house.restart()
    house.up()
    with pytest.raises(Crash):
        house.run_to(Phase.INTENT)
    assert house.phase is None
    assert house.cloud.requests == []
    house.run_to(Phase.READY)
    ends_well(house)


@pytest.mark.parametrize(
    "fate",
    [
        Fate(None, NotCreated(Refusal.CAPACITY, "full")),
        Fate(None, NotCreated(Refusal.NOT_SENT, "refused")),
    ],
    ids=["full", "not sent"],
)
def test_s7_a_refusal_that_died_with_its_reader_costs_a_quarantine_and_no_second_pod(
    fate: Fate,
) -> None:
    house = House()
    house.cloud.fates.append(fate)
    house.up()
    began = house.clock.wall()
    die_at(house, "after create")
    assert house.phase is Phase.SENT
    house.run_to(Phase.READY)
    assert house.cloud.pods[0].created_at - began >= 180
    assert len({request.name for request in house.cloud.requests}) == 2
    ends_well(house)


def test_s9_a_death_before_the_price_was_looked_at_is_no_way_around_the_ceiling() -> None:
    house = House()
    house.configure(pod={"max_billed_attempts": 1})
    house.cloud.price = 9.0
    house.up()
    die_at(house, "after save PROVISIONING")
    house.run_until_settled()
    assert house.record.reason is StopReason.PRICE
    assert not house.cloud.live()


@pytest.mark.parametrize(
    ("silence", "reason"),
    [
        ({"starts_after": None}, StopReason.PROVISION_TIMEOUT),
        ({"guarded": True, "guard_key": "", "answers_after": None}, StopReason.FATAL_CONFIG),
    ],
    ids=["container", "guard"],
)
def test_s10_deaths_while_it_is_waited_for_grant_no_more_time(
    silence: dict[str, object], reason: StopReason
) -> None:
    house = House()
    house.configure(pod={"max_billed_attempts": 1, "provision_timeout_seconds": 180.0})
    for name, value in silence.items():
        setattr(house.cloud, name, value)
    house.up()
    house.run_to(Phase.PROVISIONING)
    while house.phase is not Phase.STOPPING:
        house.run(lambda: True)
        house.clock.advance(7.0)
        house.restart()
        assert house.clock.wall() - house.record.intent.wall < 220
    assert house.record.reason is reason
    ends_well(house)


def test_t2_a_death_while_draining_does_not_drain_anew() -> None:
    house = ready_house()
    house.activity = replace(QUIET, in_flight=1)
    house.down()
    house.run_to(Phase.DRAINING)
    began = house.clock.wall()
    for _ in range(4):
        house.run_for(6)
        house.restart()
    house.run_to(Phase.VERIFYING)
    assert house.clock.wall() - began <= 35


@pytest.mark.parametrize("label", ["before terminate", "after terminate"])
def test_t3_an_order_that_fails_is_repeated_over_deaths(label: str) -> None:
    house = ready_house()
    house.cloud.failing_deletes = 3
    house.down()
    for _ in range(3):
        die_at(house, label)
        assert house.cloud.live()
    house.run_until_settled()
    assert not house.cloud.live()
    assert house.record.reason is StopReason.USER


def test_t5_a_pod_that_comes_after_its_record_is_closed_is_ended_on_sight() -> None:
    house = House()
    house.cloud.fates.extend([late(400.0), rejected(NotCreated(Refusal.BALANCE, "empty"))])
    house.up()
    house.run(lambda: house.state.failure is not None)
    house.run_for(400)
    [pod] = house.cloud.pods
    assert pod.ended_at is not None
    assert pod.ended_at - pod.created_at <= 60
