"""REST v2's catalog: GPU types, CPU flavours and data centres with today's stock."""

from __future__ import annotations

import re
from typing import Any, Final

from aiohttp import web

from podman_llm.testing.runpod_catalog import (
    CPUS,
    DATA_CENTERS,
    GPUS,
    DataCenterRow,
    GpuRow,
    best_level,
    data_center_name,
    find_gpu,
    version,
)
from podman_llm.testing.runpod_problem import Problem, invalid, not_found
from podman_llm.testing.runpod_rest import answering

_CUDA: Final = re.compile(r"\d+\.\d+")
_ANY_CUDA: Final = "0.0"


class MarketRoutes:
    """``/v2/catalog``."""

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the routes."""
        router.add_get("/v2/catalog/gpus", self._gpus, allow_head=False)
        router.add_get("/v2/catalog/gpus/{id}", self._gpu, allow_head=False)
        router.add_get("/v2/catalog/cpus", answering(_cpus), allow_head=False)
        router.add_get("/v2/catalog/datacenters", self._data_centers, allow_head=False)

    async def _gpus(self, request: web.Request) -> web.Response:
        stocked = _wants_stock(request)
        countries = _listed(request, "countryCodes")
        rows = [gpu for gpu in GPUS if not countries or _countries(gpu) & countries]
        return web.json_response({"gpus": [_gpu_view(row, request, stocked) for row in rows]})

    async def _gpu(self, request: web.Request) -> web.Response:
        row = find_gpu(request.match_info["id"])
        if row is None:
            raise not_found()
        return web.json_response(_gpu_view(row, request, _wants_stock(request)))

    async def _data_centers(self, request: web.Request) -> web.Response:
        stocked = "GPU_AVAILABILITY" in _listed(request, "include")
        regions = _listed(request, "regions")
        rows = [row for row in DATA_CENTERS if not regions or row.region in regions]
        shown = [_data_center_view(row, stocked=stocked) for row in rows]
        return web.json_response({"dataCenters": shown})


def _listed(request: web.Request, name: str) -> set[str]:
    return {part for part in request.query.get(name, "").split(",") if part}


def _wants_stock(request: web.Request) -> bool:
    include, product = _listed(request, "include"), _listed(request, "product")
    if include - {"AVAILABILITY"} or product - {"POD", "CLUSTER", "SERVERLESS"}:
        raise Problem(400, "unsupported include or product value")
    if bool(include) != bool(product):
        raise Problem(400, "include=AVAILABILITY and product are valid only together")
    return bool(include)


def _countries(gpu: GpuRow) -> set[str]:
    stock = gpu.levels()
    return {row.country for row in DATA_CENTERS if row.id in stock}


def _gpu_view(row: GpuRow, request: web.Request, stocked: bool) -> dict[str, Any]:  # noqa: FBT001 - read once from the same request
    view: dict[str, Any] = {
        "id": row.id,
        "name": row.name,
        "pool": row.pool,
        "manufacturer": row.id.split()[0],
        "memory": row.memory,
        "secure": row.secure > 0,
        "community": row.community > 0,
        "price": {"secure": row.secure, "community": row.community},
        "maxCount": {"secure": row.most_on("SECURE"), "community": row.most_on("COMMUNITY")},
    }
    return view | _stock(row, request) if stocked else view


def _stock(row: GpuRow, request: web.Request) -> dict[str, Any]:
    levels = row.levels() if _is_deployable(row, request) else {}
    return {
        "availability": best_level(list(levels.values())),
        "dataCenters": [
            {"id": place, "name": data_center_name(place), "availability": level}
            for place, level in levels.items()
        ],
        "cudaVersions": [
            {"version": cuda, "available": best_level(list(levels.values())) != "NONE"}
            for cuda in row.cuda_versions()
        ],
    }


def _is_deployable(row: GpuRow, request: web.Request) -> bool:
    clouds = [request.query["cloud"]] if "cloud" in request.query else ["SECURE", "COMMUNITY"]
    count = request.query.get("count", "1")
    exact, least = _listed(request, "cudaVersions"), request.query.get("minCudaVersion", _ANY_CUDA)
    if not count.isdigit() or not all(_CUDA.fullmatch(one) for one in (*exact, least)):
        raise invalid("$: count must be a number, CUDA versions major.minor")
    offered = row.cuda_versions()
    cuda = not exact or bool(exact & set(offered))
    recent = least == _ANY_CUDA or any(version(one) >= version(least) for one in offered)
    return cuda and recent and any(int(count) <= row.most_on(cloud) for cloud in clouds)


def _cpus() -> dict[str, Any]:
    common = {"group": "Gen 5", "vcpu": {"min": 2, "max": 32}, "ramGbPerVcpu": 2.0}
    return {
        "cpus": [
            {"id": flavour, "name": flavour.upper(), "price": _cpu_price(rate)} | common
            for flavour, rate in CPUS.items()
        ]
    }


def _cpu_price(rate: float) -> dict[str, float]:
    return {"securePerVcpu": rate, "serverlessPerVcpu": rate}


def _data_center_view(row: DataCenterRow, *, stocked: bool) -> dict[str, Any]:
    view: dict[str, Any] = {
        "id": row.id,
        "name": row.name,
        "region": row.region,
        "globalNetwork": row.global_network,
        "networkVolumeTypes": ["STANDARD"],
        "compliance": ["SOC_2_TYPE_2"],
    }
    if stocked:
        view["gpuAvailability"] = [
            {"id": gpu.id, "name": gpu.name, "availability": gpu.levels()[row.id]}
            for gpu in GPUS
            if row.id in gpu.levels()
        ]
    return view
