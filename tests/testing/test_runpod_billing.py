from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from podman_llm.testing.clock import FakeClock

Api = Callable[..., requests.Response]
Rent = Callable[..., dict[str, Any]]
Check = Callable[[str, Any], None]


def billed(api: Api, query: str = "") -> dict[str, Any]:
    answer = api("GET", f"/v2/billing/pods?{query}")
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def test_each_pod_is_billed_per_bucket(
    api: Api, rent: Rent, clock: FakeClock, published: Check
) -> None:
    first = rent()  # at 11:06:40
    clock.advance(3600.0)
    rent()
    clock.advance(1800.0)
    body = billed(api, "bucketSize=hour&lastN=2")
    published("ListPodBillingResponse", body)
    records = [
        (record["startTime"], record["podId"] == first["id"], round(record["gpuAmount"], 4))
        for record in body["records"]
    ]
    assert records == [
        ("2026-11-18T11:00:00Z", True, round(0.44 * 3200 / 3600, 4)),
        ("2026-11-18T12:00:00Z", True, round(0.44 * 2200 / 3600, 4)),
        ("2026-11-18T12:00:00Z", False, round(0.44 * 1800 / 3600, 4)),
    ]
    assert body["metadata"]["recordCount"] == 3
    assert body["metadata"]["uniquePodCount"] == 2
    assert body["metadata"]["totals"]["totalAmount"] == pytest.approx((0.44 + 60 * 0.10 / 730) * 2)


def test_one_pod_may_be_asked_for(api: Api, rent: Rent, clock: FakeClock, published: Check) -> None:
    rent()
    pod = rent()
    clock.advance(60.0)
    body = billed(api, f"podId={pod['id']}")
    published("ListPodBillingResponse", body)
    assert [record["podId"] for record in body["records"]] == [pod["id"]]
    assert body["metadata"]["query"]["podId"] == pod["id"]


def test_cpu_and_disk_have_columns_of_their_own(api: Api, clock: FakeClock) -> None:
    body = {"name": "n", "image": "i", "disk": 10, "cpu": {"id": "cpu3c", "vcpuCount": 2}}
    api("POST", "/v2/pods", json=body)
    clock.advance(3600.0)
    totals = billed(api, "bucketSize=week")["metadata"]["totals"]
    assert (totals["gpuAmount"], totals["cpuAmount"]) == (0.0, pytest.approx(0.06))


def test_a_window_is_widened_to_whole_buckets(api: Api) -> None:
    query = "bucketSize=day&startTime=2026-11-10T05:00:00Z&endTime=2026-11-12T05:00:00Z"
    resolved = billed(api, query)["metadata"]["query"]
    assert resolved["startTime"] == "2026-11-10T00:00:00Z"
    assert resolved["endTime"] == "2026-11-13T00:00:00Z"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("bucketSize=minute", 422),
        ("lastN=0", 422),
        ("startTime=yesterday", 422),
        ("lastN=1&startTime=2026-11-10T05:00:00Z", 400),
    ],
)
def test_a_wrong_window_is_refused(api: Api, query: str, status: int) -> None:
    assert api("GET", f"/v2/billing/pods?{query}").status_code == status
