from __future__ import annotations

from typing import Any

import pytest

from podman_llm.core.sight import PodStatus
from podman_llm.testing.clock import FakeClock
from podman_llm.testing.runpod_order import read_order
from podman_llm.testing.runpod_problem import Problem
from podman_llm.testing.runpod_world import World

NETWORK = {"network": [{"volumeId": "vol0weights", "path": "/workspace"}]}


def test_each_move_happens_at_its_own_time_however_late_one_looks(
    clock: FakeClock, world: World, order: dict[str, Any]
) -> None:
    pod = world.rent(read_order(world, order))
    start = clock.wall()
    clock.advance(1000.0)
    world.settle()
    assert pod.history == [
        (start, "PROVISIONING"),
        (start + 1.0, "STARTING"),
        (start + 3.0, "RUNNING"),
    ]


def test_the_meter_runs_from_the_create_to_the_end(
    clock: FakeClock, world: World, order: dict[str, Any]
) -> None:
    pod = world.rent(read_order(world, order))
    clock.advance(1800.0)
    world.act(pod, "terminate")
    clock.advance(5000.0)
    bill = world.bill()
    assert bill.seconds == 1800.0
    assert bill.usd == pytest.approx(0.22 + 30 * 0.10 / 730)
    assert bill.live == ()
    assert bill.usd_per_hour == 0.0
    assert bill.balance == pytest.approx(24.78 - 30 * 0.10 / 730)


def test_a_stopped_pod_bills_its_volume_and_stays_on_the_bill(
    clock: FakeClock, world: World, order: dict[str, Any]
) -> None:
    mounts = {"persistent": {"size": 73, "path": "/w"}}
    pod = world.rent(read_order(world, order | {"mounts": mounts}))
    clock.advance(3600.0)
    world.act(pod, "stop")
    clock.advance(3600.0)
    bill = world.bill()
    assert bill.live == (pod.id,)
    assert bill.seconds == 3600.0
    assert bill.usd == pytest.approx(0.44 + 60 * 0.10 / 730 + 0.01 + 0.02)
    world.act(pod, "terminate")
    assert world.spend_per_hour() == 0.0


def test_at_zero_balance_pods_are_destroyed_unless_on_a_network_volume(
    clock: FakeClock, world: World, order: dict[str, Any]
) -> None:
    world.credit = 2 * (0.44 + 60 * 0.10 / 730)
    lost = world.rent(read_order(world, order))
    kept = world.rent(read_order(world, order | {"mounts": NETWORK}))
    clock.advance(2 * 3600.0)
    world.settle()
    assert (lost.status, kept.status) == (PodStatus.TERMINATED, PodStatus.EXITED)
    assert world.balance() == pytest.approx(0.0, abs=1e-9)
    assert world.bill().seconds == pytest.approx(2 * 3600.0), "each ran for one hour"


def test_nothing_is_rented_on_less_than_an_hours_money(world: World, order: dict[str, Any]) -> None:
    world.credit = 0.43
    with pytest.raises(Problem) as refusal:
        world.rent(read_order(world, order))
    assert refusal.value.status == 402


def test_without_disk_or_template_a_found_machine_is_still_refused(
    world: World, order: dict[str, Any]
) -> None:
    del order["disk"]
    message = "You must either provide a template id or pod configuration parameters"
    with pytest.raises(Problem, match=message):
        world.rent(read_order(world, order))
    templated = world.rent(read_order(world, order | {"templateId": "runpod-ubuntu"}))
    assert templated.settings.disk == 20


def test_a_late_pod_exists_and_bills_only_from_its_time(
    clock: FakeClock, world: World, order: dict[str, Any]
) -> None:
    world.rent(read_order(world, order), delay=60.0)
    clock.advance(59.0)
    assert world.bill().pods == ()
    clock.advance(11.0)
    assert world.bill().seconds == 10.0
    assert [pod.status for pod in world.live()] == [PodStatus.RUNNING]


def test_resuming_needs_free_gpus_on_the_same_host(
    clock: FakeClock, world: World, order: dict[str, Any]
) -> None:
    pod = world.rent(read_order(world, order))
    clock.advance(10.0)
    world.act(pod, "stop")
    assert pod.view(clock.wall())["cost"] == 0.0
    clock.advance(10.0)
    world.act(pod, "start")
    clock.advance(2.0)
    world.settle()
    assert pod.status is PodStatus.RUNNING
    assert world.bill().seconds == 12.0
