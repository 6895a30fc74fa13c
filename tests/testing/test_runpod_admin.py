from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from podman_llm.testing.clock import FakeClock
from podman_llm.testing.runpod_server import RunpodServer

Api = Callable[..., requests.Response]
Rent = Callable[..., dict[str, Any]]


@pytest.fixture
def admin(runpod: RunpodServer) -> Api:
    def call(method: str, path: str, **options: Any) -> requests.Response:
        return requests.request(method, f"{runpod.url}/_double/{path}", timeout=5, **options)

    return call


def test_the_bill_names_who_is_live_and_what_it_cost(
    admin: Api, rent: Rent, clock: FakeClock
) -> None:
    pod = rent()
    clock.advance(3600.0)
    bill = admin("GET", "bill").json()
    assert bill["live"] == [pod["id"]]
    assert (bill["seconds"], bill["usd"]) == (3600.0, pytest.approx(0.44 + 60 * 0.10 / 730))
    assert bill["pods"][0]["name"] == "pllm-test"


def test_a_fault_is_queued_and_cleared(admin: Api, api: Api) -> None:
    order = {"on": "GET /v2/pods", "fault": "server_error", "times": 5}
    assert admin("POST", "faults", json=order).status_code == 200
    assert api("GET", "/v2/pods").status_code == 500
    admin("DELETE", "faults")
    assert api("GET", "/v2/pods").status_code == 200


def test_the_world_is_steered_from_outside(
    admin: Api, api: Api, rent: Rent, order: dict[str, Any]
) -> None:
    pod = rent()
    now = admin("GET", "clock").json()["now"]
    assert admin("POST", "clock", json={"seconds": 3}).json() == {"now": now + 3}
    assert admin("GET", "pods").json()[0]["status"] == "RUNNING"
    admin("POST", "capacity", json={"gpu": "NVIDIA L4"})
    assert api("POST", "/v2/pods", json=order).status_code == 400
    admin("DELETE", "capacity")
    admin("POST", "balance", json={"usd": 0.1})
    assert api("POST", "/v2/pods", json=order).status_code == 402
    admin("POST", "quirks", json={"graphql_retired": True})
    assert api("POST", "/graphql", json={"query": "{ myself { id } }"}).status_code == 410
    assert admin("GET", "requests").json()[:2] == ["POST /v2/pods", "POST /v2/pods"]
    assert pod["id"]


@pytest.mark.parametrize(
    ("deed", "status"), [("exit", "EXITED"), ("fail", "ERROR"), ("kill", "RUNNING")]
)
def test_a_pod_is_dealt_with_from_outside(
    admin: Api, api: Api, rent: Rent, clock: FakeClock, deed: str, status: str
) -> None:
    pod = rent()
    clock.advance(8.0)
    assert admin("POST", f"pods/{pod['id']}/{deed}").status_code == 200
    assert api("GET", f"/v2/pods/{pod['id']}").json()["status"] == status


def test_a_pod_vanishes_on_order_and_only_once(admin: Api, api: Api, rent: Rent) -> None:
    pod = rent()
    assert admin("POST", f"pods/{pod['id']}/vanish").status_code == 200
    assert api("GET", f"/v2/pods/{pod['id']}").status_code == 404
    assert admin("POST", f"pods/{pod['id']}/vanish").status_code == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [("faults", b"{"), ("faults", b"[]"), ("faults", b"{}"), ("quirks", b'{"x": 1}')],
)
def test_a_wrong_order_is_a_400_that_says_why(admin: Api, path: str, body: bytes) -> None:
    answer = admin("POST", path, data=body)
    assert answer.status_code == 400
    assert answer.json()["error"]
