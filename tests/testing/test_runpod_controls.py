from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from podman_llm.testing.clock import FakeClock
from podman_llm.testing.runpod_problem import Problem
from podman_llm.testing.runpod_server import RunpodServer
from podman_llm.testing.server_thread import ServerThread

Api = Callable[..., requests.Response]
Rent = Callable[..., dict[str, Any]]


def test_time_jumps_ahead_on_order(runpod: RunpodServer) -> None:
    before = runpod.now()
    assert runpod.advance(60.0) == before + 60.0


def test_the_balance_is_set_whatever_was_spent(
    runpod: RunpodServer, rent: Rent, clock: FakeClock
) -> None:
    rent()
    clock.advance(3600.0)
    runpod.set_balance(5.0)
    assert runpod.bill().balance == pytest.approx(5.0)


def test_pods_may_end_without_the_api(
    runpod: RunpodServer, rent: Rent, api: Api, clock: FakeClock
) -> None:
    exited, failed, gone = (rent()["id"] for _ in range(3))
    clock.advance(3.0)
    runpod.exit_pod(exited)
    runpod.fail_pod(failed)
    runpod.vanish(gone)
    assert api("GET", f"/v2/pods/{exited}").json()["status"] == "EXITED"
    assert api("GET", f"/v2/pods/{failed}").json()["status"] == "ERROR"
    assert api("GET", f"/v2/pods/{gone}").status_code == 404
    assert {pod["id"] for pod in runpod.pods()} == {exited, failed, gone}
    assert set(runpod.bill().live) == {exited, failed}
    with pytest.raises(Problem):
        runpod.exit_pod(gone)


def test_capacity_closes_and_opens(runpod: RunpodServer, api: Api, order: dict[str, Any]) -> None:
    runpod.close_capacity(gpu="NVIDIA L4", denied=True)
    assert api("POST", "/v2/pods", json=order).status_code == 403
    runpod.open_capacity()
    runpod.close_capacity(data_center="EU-RO-1")
    assert api("POST", "/v2/pods", json=order).json()["dataCenterId"] == "US-KS-2"


def test_faults_are_cleared(runpod: RunpodServer, api: Api) -> None:
    runpod.fault("*", "server_error", times=None)
    assert api("GET", "/v2/pods").status_code == 500
    runpod.clear_faults()
    assert api("GET", "/v2/pods").status_code == 200


def test_unknown_faults_details_and_quirks_are_refused(runpod: RunpodServer) -> None:
    with pytest.raises(ValueError):
        runpod.fault("*", "explode")
    with pytest.raises(ValueError, match="any of"):
        runpod.fault("*", "reset", often=True)
    with pytest.raises(ValueError, match="no such quirk: speed"):
        runpod.quirk(speed=1)


def test_a_killed_container_is_a_new_one_after_its_load_time(
    running: ServerThread[RunpodServer],
    runpod: RunpodServer,
    rent: Rent,
    clock: FakeClock,
    api: Api,
) -> None:
    pod_id = rent()["id"]
    clock.advance(8.0)
    api("GET", "/v2/pods")
    first = runpod.container(pod_id)
    running.call(runpod.kill_container(pod_id))
    assert runpod.container(pod_id) is None
    clock.advance(5.0)
    api("GET", "/v2/pods")
    assert runpod.container(pod_id) not in {None, first}
