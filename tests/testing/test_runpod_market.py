from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

Api = Callable[..., requests.Response]
Check = Callable[[str, Any], None]

STOCK = "include=AVAILABILITY&product=POD"


def gpu(api: Api, gpu_id: str, query: str = STOCK) -> dict[str, Any]:
    row: dict[str, Any] = api("GET", f"/v2/catalog/gpus/{gpu_id}?{query}").json()
    return row


@pytest.mark.parametrize("query", ["", STOCK])
def test_the_gpu_catalog_is_as_published(api: Api, published: Check, query: str) -> None:
    body = api("GET", f"/v2/catalog/gpus?{query}").json()
    published("ListGpuTypesResponse", body)
    assert len(body["gpus"]) > 20
    assert all(("availability" in row) == bool(query) for row in body["gpus"])


def test_one_type_tells_price_stock_and_cuda(api: Api, published: Check) -> None:
    row = gpu(api, "NVIDIA L40S")
    published("GpuType", row)
    assert row["price"] == {"secure": 0.86, "community": 0.79}
    assert (row["memory"], row["availability"]) == (48, "HIGH")
    assert {"id": "US-KS-2", "name": "US Kansas 2", "availability": "HIGH"} in row["dataCenters"]
    assert row["cudaVersions"][-1] == {"version": "13.0", "available": True}


def test_an_unknown_type_is_a_404(api: Api) -> None:
    assert api("GET", "/v2/catalog/gpus/RTX").status_code == 404


@pytest.mark.parametrize(
    ("query", "availability"),
    [
        (f"{STOCK}&count=8", "HIGH"),
        (f"{STOCK}&count=9", "NONE"),
        (f"{STOCK}&cloud=COMMUNITY", "NONE"),
        (f"{STOCK}&cloud=SECURE", "HIGH"),
        (f"{STOCK}&minCudaVersion=12.9", "HIGH"),
        (f"{STOCK}&minCudaVersion=13.1", "NONE"),
        (f"{STOCK}&cudaVersions=12.7,12.8", "HIGH"),
        (f"{STOCK}&cudaVersions=12.7", "NONE"),
    ],
)
def test_stock_is_told_for_the_configuration_asked_for(
    api: Api, query: str, availability: str
) -> None:
    assert gpu(api, "NVIDIA L4", query)["availability"] == availability


@pytest.mark.parametrize("query", ["include=AVAILABILITY", "product=POD", "include=X&product=POD"])
def test_stock_and_product_are_asked_for_together(api: Api, query: str) -> None:
    assert api("GET", f"/v2/catalog/gpus?{query}").status_code == 400


@pytest.mark.parametrize("query", ["count=x", "minCudaVersion=12", "cudaVersions=a.b"])
def test_a_configuration_that_is_none_is_a_422(api: Api, query: str) -> None:
    assert api("GET", f"/v2/catalog/gpus?{STOCK}&{query}").status_code == 422


def test_countries_narrow_the_list(api: Api) -> None:
    body = api("GET", f"/v2/catalog/gpus?{STOCK}&countryCodes=SE,IS").json()
    ids = {row["id"] for row in body["gpus"]}
    assert "NVIDIA A40" in ids
    assert "NVIDIA L4" not in ids


def test_data_centers_are_as_published_and_tell_stock_when_asked(
    api: Api, published: Check
) -> None:
    plain = api("GET", "/v2/catalog/datacenters").json()
    published("ListDataCentersResponse", plain)
    stocked = api("GET", "/v2/catalog/datacenters?include=GPU_AVAILABILITY&regions=EUROPE").json()
    published("ListDataCentersResponse", stocked)
    assert len(plain["dataCenters"]) > len(stocked["dataCenters"])
    romania = next(row for row in stocked["dataCenters"] if row["id"] == "EU-RO-1")
    assert {"id": "NVIDIA L4", "name": "L4", "availability": "HIGH"} in romania["gpuAvailability"]


def test_cpu_flavours_are_as_published(api: Api, published: Check) -> None:
    published("ListCpuTypesResponse", api("GET", "/v2/catalog/cpus").json())
