from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from podman_llm.core.sight import PodStatus
from podman_llm.testing.clock import FakeClock
from podman_llm.testing.runpod_pod import ACTIONS, ContainerSettings
from podman_llm.testing.runpod_server import RunpodServer

Api = Callable[..., requests.Response]
Rent = Callable[..., dict[str, Any]]
Check = Callable[[str, Any], None]


def test_a_new_pod_is_provisioning_then_starting_then_running(
    clock: FakeClock, rent: Rent, api: Api, published: Check
) -> None:
    pod = rent()
    published("Pod", pod)
    assert (pod["status"], pod["runtime"], pod["startedAt"]) == ("PROVISIONING", None, None)
    seen = []
    for _ in range(4):
        view = api("GET", f"/v2/pods/{pod['id']}").json()
        published("Pod", view)
        seen.append(view["status"])
        clock.advance(1.0)
    assert seen == ["PROVISIONING", "STARTING", "STARTING", "RUNNING"]


def test_a_running_pod_shows_when_it_started_and_its_ports(
    clock: FakeClock, rent: Rent, api: Api, published: Check
) -> None:
    pod = rent()
    clock.advance(10.0)
    view = api("GET", f"/v2/pods/{pod['id']}").json()
    published("Pod", view)
    assert view["createdAt"] == "2026-11-18T11:06:40Z"
    assert view["startedAt"] == "2026-11-18T11:06:43Z"
    assert view["runtime"]["uptime"] == 7
    http, tcp = view["runtime"]["ports"]
    assert (http["private"], http["type"], http["ip"]) == (8000, "http", "100.65.0.101")
    assert (tcp["private"], tcp["type"]) == (22, "tcp")
    assert not tcp["ip"].startswith("100.65.")
    assert view["ssh"]["direct"]["port"] == tcp["public"]


def test_what_was_asked_for_is_echoed_with_its_price(rent: Rent, order: dict[str, Any]) -> None:
    pod = rent()
    echoed = ("name", "image", "entrypoint", "cmd", "disk", "env", "ports", "cloud")
    assert {key: pod[key] for key in echoed} == {key: order[key] for key in echoed}
    assert pod["gpu"] == {"id": "NVIDIA L4", "count": 1, "vcpuCount": 8, "memory": 48}
    assert (pod["cost"], pod["dataCenterId"], pod["cudaVersion"]) == (0.44, "EU-RO-1", "13.0")
    assert (pod["template"], pod["locked"]) == (None, False)


def test_a_cpu_pod_shows_cpu_and_no_gpu(api: Api, published: Check) -> None:
    body = {"name": "n", "image": "i", "disk": 10, "cpu": {"id": "cpu3c", "vcpuCount": 4}}
    pod = api("POST", "/v2/pods", json=body).json()
    published("Pod", pod)
    assert pod["cpu"] == {"id": "cpu3c", "vcpuCount": 4, "memory": 8}
    assert "gpu" not in pod
    assert pod["cost"] == 0.12


def test_global_networking_is_shown_when_asked_for(rent: Rent) -> None:
    assert rent()["globalNetworking"] == {"enabled": False}
    assert rent(globalNetworking=True)["globalNetworking"]["enabled"]


def test_every_status_has_its_actions() -> None:
    assert set(ACTIONS) == set(PodStatus)


@pytest.mark.parametrize(
    ("fate", "status", "runtime"),
    [
        ("stuck_provisioning", "PROVISIONING", False),
        ("broken_host", "STARTING", False),
        ("container_error", "ERROR", False),
        ("never_serves", "RUNNING", True),
        ("no_gpu", "RUNNING", True),
    ],
)
def test_a_pod_may_come_to_no_good(
    runpod: RunpodServer,
    clock: FakeClock,
    rent: Rent,
    api: Api,
    fate: str,
    status: str,
    runtime: bool,
) -> None:
    runpod.fault("POST /v2/pods", fate)
    pod = rent()
    clock.advance(3600.0)
    view = api("GET", f"/v2/pods/{pod['id']}").json()
    assert (view["status"], view["runtime"] is not None) == (status, runtime)
    assert ("gpu" in view) == (fate != "no_gpu")
    assert view["cost"] == 0.44, "whatever became of it, it bills"


def test_a_crash_loop_shows_as_uptime_that_goes_back(
    runpod: RunpodServer, clock: FakeClock, rent: Rent, api: Api
) -> None:
    runpod.fault("POST /v2/pods", "crash_loop")
    pod = rent()
    clock.advance(3.0)
    uptimes = []
    for _ in range(6):
        clock.advance(8.0)
        uptimes.append(api("GET", f"/v2/pods/{pod['id']}").json()["runtime"]["uptime"])
    assert uptimes == [8, 16, 4, 12, 0, 8]


def test_a_string_of_arguments_is_split_as_a_shell_would() -> None:
    settings = ContainerSettings("n", "i")
    settings.set_args("serve 'a b' --x")
    assert (settings.entrypoint, settings.cmd) == ((), ("serve", "a b", "--x"))
    settings.set_args('{"entrypoint": ["e"], "cmd": ["c"]}')
    assert (settings.entrypoint, settings.cmd) == (("e",), ("c",))


def test_a_stopped_volume_costs_twice_a_running_one() -> None:
    settings = ContainerSettings("n", "i", mounts={"persistent": {"size": 73, "path": "/w"}})
    assert settings.disk_rate(running=True) == pytest.approx(0.01)
    assert settings.disk_rate(running=False) == pytest.approx(0.02)
