"""The GraphQL API that SDK 1.12 speaks, as far as pods, GPU types and the balance go.

Errors are inside a 200. ``terminateAfter`` and ``stopAfter`` are accepted and do nothing, as on
RunPod: whoever relies on them pays.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from aiohttp import web

from podman_llm.testing.runpod_catalog import GPUS
from podman_llm.testing.runpod_clock import from_rfc3339
from podman_llm.testing.runpod_faults import DESTINY, Destiny, Faults, Kind, strike
from podman_llm.testing.runpod_graphql_views import account_view, gpu_view, pod_view
from podman_llm.testing.runpod_order import gpu_named, read_order
from podman_llm.testing.runpod_pod import RentedPod
from podman_llm.testing.runpod_problem import Problem
from podman_llm.testing.runpod_query import Field, QuerySyntaxError, parse
from podman_llm.testing.runpod_world import Order, World

_PATH: Final = "/graphql"

_DEPLOY_FIELDS: Final = frozenset(
    """
    name imageName templateId gpuTypeId gpuTypeIdList gpuCount cloudType dockerArgs ports env
    containerDiskInGb volumeInGb volumeMountPath networkVolumeId dataCenterId dataCenterIds
    countryCode minDisk minDownload minUpload minMemoryInGb minVcpuCount deployCost startSsh
    startJupyter supportPublicIp containerRegistryAuthId allowedCudaVersions minCudaVersion
    compliance stopAfter terminateAfter savingsPlan aiApiId volumeKey instanceId
    """.split()  # noqa: SIM905 - as a list literal it takes a page
)
"""What a deploy may name; anything else is refused by GraphQL itself."""


class GraphqlError(Exception):
    """What the ``errors`` array will say."""


class GraphqlRoutes:
    """``/graphql``."""

    def __init__(self, world: World, faults: Faults) -> None:
        self._world = world
        self._faults = faults
        self._heads: dict[str, Callable[[Mapping[str, Any], Destiny], Any]] = {
            "myself": self._myself,
            "pod": self._pod,
            "gpuTypes": self._gpu_types,
            "myModels": self._my_models,
            "podFindAndDeployOnDemand": self._deploy,
            "deployCpuPod": self._deploy,
            "podStop": self._stop,
            "podResume": self._resume,
            "podTerminate": self._terminate,
        }

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the route."""
        router.add_post(_PATH, self._serve)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        if self._world.quirks.graphql_retired:
            raise Problem(410, "the GraphQL API was retired; use REST v2")
        try:
            asked = json.loads(await request.read())
            fields = parse(asked["query"], asked.get("variables") or {})
        except (ValueError, TypeError, KeyError):
            return _failed("the request body must be JSON with a query", "BAD_REQUEST")
        except QuerySyntaxError as err:
            return _failed(str(err), "GRAPHQL_PARSE_FAILED")
        return await self._behind_faults(request, fields)

    async def _behind_faults(
        self, request: web.Request, fields: tuple[Field, ...]
    ) -> web.StreamResponse:
        name = f"POST {_PATH}"
        fault = self._faults.take(f"{name} {fields[0].name}") or self._faults.take(name)

        async def answer(request: web.Request) -> web.StreamResponse:
            return self._answer(request, fields)

        if fault is None:
            return await answer(request)
        if fault.fault is Kind.GRAPHQL_ERROR:
            return _refused(fields[0], fault.detail)
        return await strike(fault, request, answer)

    def _answer(self, request: web.Request, fields: tuple[Field, ...]) -> web.Response:
        data = {}
        destiny = request.get(DESTINY, Destiny())
        for field in fields:
            try:
                data[field.alias] = self._resolve(field, destiny)
            except (GraphqlError, Problem) as err:
                return _refused(field, str(err))
            except _UnknownFieldError as err:
                return _failed(f'Cannot query field "{err}".', "GRAPHQL_VALIDATION_FAILED")
        return web.json_response({"data": data})

    def _resolve(self, field: Field, destiny: Destiny) -> Any:  # noqa: ANN401 - any JSON value
        head = self._heads.get(field.name)
        if head is None:
            raise _UnknownFieldError(field.name)
        return _project(head(field.arguments.get("input") or {}, destiny), field.selection)

    # The heads ---------------------------------------------------------------------------------

    def _myself(self, _: Mapping[str, Any], __: Destiny) -> Any:  # noqa: ANN401 - as GraphQL has it
        return account_view(self._world)

    def _pod(self, given: Mapping[str, Any], _: Destiny) -> dict[str, Any] | None:
        with suppress(Problem):
            return pod_view(self._world.find(given.get("podId", "")), self._world.settle())
        return None

    def _gpu_types(self, given: Mapping[str, Any], _: Destiny) -> list[dict[str, Any]]:
        return [gpu_view(gpu) for gpu in GPUS if given.get("id") in {None, gpu.id}]

    def _my_models(self, _: Mapping[str, Any], __: Destiny) -> list[dict[str, Any]]:
        models = self._world.quirks.models
        if models is None:
            raise GraphqlError("Model Repo feature is not enabled for this user")
        return models

    def _deploy(self, given: Mapping[str, Any], destiny: Destiny) -> dict[str, Any]:
        _check_input(given)
        refusal: Problem | None = None
        for order in _orders(self._world, given):
            try:
                pod = self._world.rent(
                    order, fate=destiny.fate, delay=destiny.delay, hidden=destiny.hidden
                )
            except Problem as err:
                refusal = err
            else:
                return pod_view(pod, self._world.settle())
        raise refusal or GraphqlError("gpuTypeId is required")

    def _stop(self, given: Mapping[str, Any], _: Destiny) -> dict[str, Any]:
        return self._acted(given, "stop", "pod not found")

    def _resume(self, given: Mapping[str, Any], _: Destiny) -> dict[str, Any]:
        return self._acted(given, "start", "pod not found")

    def _terminate(self, given: Mapping[str, Any], _: Destiny) -> None:
        self._acted(given, "terminate", "pod not found to terminate")

    def _acted(self, given: Mapping[str, Any], action: str, missing: str) -> dict[str, Any]:
        pod = self._find(given, missing)
        self._world.act(pod, action)
        return pod_view(pod, self._world.settle())

    def _find(self, given: Mapping[str, Any], missing: str) -> RentedPod:
        try:
            return self._world.find(given.get("podId", ""))
        except Problem as err:
            raise GraphqlError(missing) from err


class _UnknownFieldError(Exception):
    """A field that the schema does not have."""


def _project(value: Any, selection: tuple[Field, ...]) -> Any:  # noqa: ANN401 - any JSON value
    """Only what was asked for. A function stands for a field that takes arguments."""
    if isinstance(value, list):
        return [_project(item, selection) for item in value]
    if not isinstance(value, dict) or not selection:
        return value
    shown = {}
    for field in selection:
        if field.name not in value:
            raise _UnknownFieldError(field.name)
        found = value[field.name]
        found = found(field.arguments.get("input") or {}) if callable(found) else found
        shown[field.alias] = _project(found, field.selection)
    return shown


def _refused(field: Field, message: str) -> web.Response:
    error = {"message": message, "path": [field.name], "extensions": {"code": "RUNPOD"}}
    return web.json_response({"errors": [error], "data": {field.name: None}})


def _failed(message: str, code: str) -> web.Response:
    errors = [{"message": message, "extensions": {"code": code}}]
    return web.json_response({"errors": errors}, status=400)


def _check_input(given: Mapping[str, Any]) -> None:
    for name in given.keys() - _DEPLOY_FIELDS:
        raise GraphqlError(
            f'Field "{name}" is not defined by type "PodFindAndDeployOnDemandInput".'
        )
    for name in ("stopAfter", "terminateAfter"):
        try:
            from_rfc3339(str(given.get(name) or "2026-01-01T00:00:00Z"))
        except ValueError as err:
            raise GraphqlError(
                f"DateTime cannot represent an invalid date-time-string {err}."
            ) from err


def _orders(world: World, given: Mapping[str, Any]) -> list[Order]:
    """One order for each GPU type named, or one for a CPU pod."""
    body = _body(given)
    if given.get("instanceId"):
        flavour, _, size = given["instanceId"].partition("-")
        vcpus = size.partition("-")[0]
        if not vcpus.isdigit():
            raise GraphqlError("instanceId must be written as flavor-vcpus-memory")
        return [read_order(world, body | {"cpu": {"id": flavour, "vcpuCount": int(vcpus)}})]
    names = given.get("gpuTypeIdList") or [given.get("gpuTypeId")]
    return [_gpu_order(world, body, given, name) for name in names if name]


def _gpu_order(world: World, body: dict[str, Any], given: Mapping[str, Any], gpu_id: str) -> Order:
    gpu = {"id": gpu_named(gpu_id).id, "count": given.get("gpuCount", 1)}
    gpu |= {key: given[key] for key in ("allowedCudaVersions", "minCudaVersion") if given.get(key)}
    order = read_order(world, body | {"gpu": gpu})
    cloud = given.get("cloudType", "ALL")
    clouds = ("SECURE", "COMMUNITY") if cloud == "ALL" else (cloud,)
    return replace(order, wish=replace(order.wish, clouds=clouds) if order.wish else None)


def _body(given: Mapping[str, Any]) -> dict[str, Any]:
    """The same wish as a REST v2 body, without its GPU."""
    places = given.get("dataCenterIds") or [given.get("dataCenterId")]
    body = {
        "name": given.get("name") or "unnamed",
        "image": given.get("imageName"),
        "args": given.get("dockerArgs"),
        "disk": given.get("containerDiskInGb"),
        "env": {pair["key"]: pair["value"] for pair in given.get("env") or []},
        "ports": [port for port in (given.get("ports") or "").split(",") if port],
        "registry": given.get("containerRegistryAuthId"),
        "templateId": given.get("templateId"),
        "dataCenterIds": [place for place in places if place],
        "mounts": _mounts(given),
    }
    return {key: value for key, value in body.items() if value}


def _mounts(given: Mapping[str, Any]) -> dict[str, Any]:
    path = given.get("volumeMountPath") or "/workspace"
    if given.get("networkVolumeId"):
        return {"network": [{"volumeId": given["networkVolumeId"], "path": path}]}
    if given.get("volumeInGb"):
        return {"persistent": {"size": given["volumeInGb"], "path": path}}
    return {}
