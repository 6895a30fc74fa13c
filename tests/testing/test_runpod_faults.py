from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from podman_llm.testing.clock import FakeClock
from podman_llm.testing.runpod_faults import Fault, Faults, Kind
from podman_llm.testing.runpod_server import RunpodServer

Api = Callable[..., requests.Response]
Rent = Callable[..., dict[str, Any]]
Check = Callable[[str, Any], None]


@pytest.mark.parametrize(
    ("fault", "status", "detail"),
    [
        ("unauthorized", 401, "invalid bearer token"),
        ("no_balance", 402, "You do not have enough balance to deploy this pod."),
        ("pool_denied", 403, "access denied"),
        ("no_capacity", 400, "There are no longer any instances available"),
        ("rate_limited", 429, "rate limit exceeded for the minute window"),
        ("server_error", 500, "internal server error"),
    ],
)
def test_a_refusal_creates_nothing(
    runpod: RunpodServer,
    api: Api,
    order: dict[str, Any],
    published: Check,
    fault: str,
    status: int,
    detail: str,
) -> None:
    runpod.fault("POST /v2/pods", fault)
    answer = api("POST", "/v2/pods", json=order)
    assert answer.status_code == status
    assert answer.json()["detail"].startswith(detail)
    published("ErrorResponse", answer.json())
    assert runpod.bill().pods == ()
    assert api("POST", "/v2/pods", json=order).status_code == 201, "it struck once"


def test_a_rate_limit_says_when_to_come_back(runpod: RunpodServer, api: Api) -> None:
    runpod.fault("GET /v2/pods", "rate_limited", seconds=7)
    assert api("GET", "/v2/pods").headers["Retry-After"] == "7"


def test_any_status_may_be_ordered(runpod: RunpodServer, api: Api) -> None:
    runpod.fault("DELETE /v2/pods/*", "status", status=404, detail="resource not found")
    assert api("DELETE", "/v2/pods/x").json()["detail"] == "resource not found"
    runpod.fault("GET /v2/pods", "bad_gateway", status=520)
    answer = api("GET", "/v2/pods")
    assert answer.status_code == 520
    assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("fault", ["reset", "timeout"])
def test_a_request_that_is_never_answered_did_nothing(
    runpod: RunpodServer, api: Api, order: dict[str, Any], fault: str
) -> None:
    runpod.fault("POST /v2/pods", fault)
    with pytest.raises((requests.ConnectionError, requests.Timeout)):
        api("POST", "/v2/pods", json=order, timeout=0.3)
    assert runpod.bill().pods == ()


@pytest.mark.parametrize(
    ("fault", "symptom"),
    [
        ("lost_but_created", requests.ConnectionError),
        ("timeout_but_created", requests.Timeout),
        ("cut_mid_body", requests.exceptions.ChunkedEncodingError),
    ],
)
def test_an_answer_may_be_lost_although_the_pod_is_there(
    runpod: RunpodServer, api: Api, order: dict[str, Any], fault: str, symptom: type[Exception]
) -> None:
    runpod.fault("POST /v2/pods", fault)
    with pytest.raises(symptom):
        api("POST", "/v2/pods", json=order, timeout=0.3)
    (pod,) = api("GET", "/v2/pods").json()["pods"]
    assert pod["name"] == order["name"]
    assert runpod.bill().live == (pod["id"],)


@pytest.mark.parametrize(
    ("fault", "status"), [("error_but_created", 500), ("gateway_but_created", 502)]
)
def test_an_error_may_be_answered_although_the_pod_is_there(
    runpod: RunpodServer, api: Api, order: dict[str, Any], fault: str, status: int
) -> None:
    runpod.fault("POST /v2/pods", fault)
    assert api("POST", "/v2/pods", json=order).status_code == status
    assert len(runpod.bill().live) == 1


def test_a_pod_may_appear_after_its_create_has_failed(
    runpod: RunpodServer, api: Api, clock: FakeClock, order: dict[str, Any]
) -> None:
    runpod.fault("POST /v2/pods", "late_creation", seconds=30)
    assert api("POST", "/v2/pods", json=order).status_code == 500
    assert api("GET", "/v2/pods").json()["pods"] == []
    clock.advance(30.0)
    (pod,) = api("GET", "/v2/pods").json()["pods"]
    assert (pod["status"], pod["createdAt"]) == ("PROVISIONING", "2026-11-18T11:07:10Z")


def test_a_terminate_may_be_done_although_its_answer_is_lost(
    runpod: RunpodServer, api: Api, rent: Rent
) -> None:
    pod = rent()
    runpod.fault("DELETE /v2/pods/*", "lost_but_created")
    with pytest.raises(requests.ConnectionError):
        api("DELETE", f"/v2/pods/{pod['id']}")
    assert runpod.bill().live == ()


def test_a_list_may_lie_or_be_no_list(runpod: RunpodServer, api: Api, rent: Rent) -> None:
    rent()
    runpod.fault("GET /v2/pods", "empty_list")
    runpod.fault("GET /v2/pods", "garbage")
    assert api("GET", "/v2/pods").json()["pods"] == []
    assert "maintenance" in api("GET", "/v2/pods").text
    assert len(api("GET", "/v2/pods").json()["pods"]) == 1


def test_a_slow_answer_is_a_good_one(runpod: RunpodServer, api: Api) -> None:
    runpod.fault("GET /v2/pods", "slow", seconds=0.3)
    with pytest.raises(requests.Timeout):
        api("GET", "/v2/pods", timeout=0.05)
    assert api("GET", "/v2/pods").ok


def test_faults_match_by_method_and_path_and_strike_in_order() -> None:
    faults = Faults([Fault("GET /v2/pods/*", Kind.RESET), Fault("* /v2/*", Kind.GARBAGE)])
    assert faults.take("POST /v1/pods") is None
    struck = [faults.take("GET /v2/pods/x") for _ in range(3)]
    assert [fault and fault.fault for fault in struck] == [Kind.RESET, Kind.GARBAGE, None]


def test_a_fault_may_spare_the_first_and_strike_for_ever() -> None:
    fault = Fault("*", Kind.RESET, times=None, skip=2)
    assert [fault.hits("GET /") for _ in range(5)] == [False, False, True, True, True]


@pytest.mark.parametrize(
    "raw",
    [
        [],
        {"on": "*"},
        {"on": "*", "fault": "no"},
        {"on": "*", "fault": "reset", "x": 1},
        {"on": "*", "fault": "reset", "times": "1"},
    ],
)
def test_what_is_no_fault_is_refused(raw: Any) -> None:
    with pytest.raises(ValueError):
        Fault.parse(raw)
