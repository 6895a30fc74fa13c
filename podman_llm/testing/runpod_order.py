"""From a create or update body to what is rented: the rules that no schema can say."""

from __future__ import annotations

from typing import Any, Final

from podman_llm.testing.runpod_capacity import Wish
from podman_llm.testing.runpod_catalog import CPUS, GpuRow, find_gpu
from podman_llm.testing.runpod_pod import ContainerSettings, RentedPod
from podman_llm.testing.runpod_problem import Problem, invalid
from podman_llm.testing.runpod_schema import UPDATE, Json, create_errors, errors_in
from podman_llm.testing.runpod_world import Order, World

BODY_LIMIT: Final = 102_400
"""Bytes; a larger request, sent or resolved, is a 413."""

_MOST_HTTP_PORTS = 10
_MOST_ENV = 50
_COPIED: Final = ("name", "image", "disk", "env", "ports", "registry", "mounts")


def read_order(world: World, body: Json) -> Order:
    """A create body, checked as RunPod does: shape first, then rules, then what it names.

    Raises:
        Problem: 422, 400 or 404.
    """
    errors = create_errors(body)
    if errors:
        raise invalid(*errors)
    if ("gpu" in body) == ("cpu" in body):
        raise Problem(400, "exactly one of 'gpu' or 'cpu' must be set")
    resolved = _with_template(world, body)
    settings = ContainerSettings(name=body["name"], image=resolved.get("image", ""))
    _apply(world, settings, resolved)
    if "cpu" in body and "persistent" in settings.mounts:
        raise Problem(400, "mounts.persistent is not supported on CPU pods")
    wish = _wish(body) if "gpu" in body else None
    cpu = ("cpu3c", 2) if wish else _cpu(body["cpu"])
    return Order(settings, wish, cpu, templated="templateId" in body)


def update(world: World, pod: RentedPod, body: Json) -> None:
    """A PATCH: only the fields present change.

    Raises:
        Problem: 422, 400 or 404.
    """
    errors = list(errors_in(body, UPDATE))
    if errors:
        raise invalid(*errors)
    old, new = pod.settings.mounts, body.get("mounts") or {}
    if set(new) - set(old) or new.get("network") == []:
        raise Problem(400, "the kind of a mount is fixed when the pod is created")
    resolved = _with_template(world, body)
    _apply(world, pod.settings, resolved | ({"mounts": new or old} if "mounts" in body else {}))
    pod.locked = body.get("locked", pod.locked)


def _with_template(world: World, body: dict[str, Any]) -> dict[str, Any]:
    if "templateId" not in body:
        return body
    template = world.templates.get(body["templateId"])
    if template is None:
        raise Problem(404, "template not found")
    if template.get("serverless"):
        raise invalid("$.templateId: a serverless template cannot be used for a pod")
    inherited = {key: template[key] for key in (*_COPIED, "args") if template.get(key)}
    env = {**template.get("env", {}), **body.get("env", {})}
    return {**inherited, **body, "env": env, "name": body.get("name", template["name"])}


def _apply(world: World, settings: ContainerSettings, body: dict[str, Any]) -> None:
    _check_rules(world, body)
    for key in _COPIED:
        if key in body:
            setattr(settings, key, body[key])
    settings.global_networking = body.get("globalNetworking", settings.global_networking)
    if "args" in body:
        settings.set_args(body["args"])
    if "entrypoint" in body or "cmd" in body:
        spoken = (settings.entrypoint, settings.cmd)
        settings.set_command(body.get("entrypoint"), body.get("cmd"))
        if "args" in body and spoken != (settings.entrypoint, settings.cmd):
            raise Problem(400, "args and entrypoint/cmd disagree; send one of them")


def _check_rules(world: World, body: dict[str, Any]) -> None:
    ports, mounts = body.get("ports", []), body.get("mounts", {})
    if not all(_is_port(port) for port in ports):
        raise Problem(400, "ports must be written as port/http or port/tcp")
    if sum(port.endswith("/http") for port in ports) > _MOST_HTTP_PORTS:
        raise Problem(400, f"at most {_MOST_HTTP_PORTS} http ports are allowed")
    if len(body.get("env", {})) > _MOST_ENV:
        raise Problem(400, f"at most {_MOST_ENV} environment variables are allowed")
    if mounts.get("persistent") and mounts.get("network"):
        raise Problem(400, "mounts.persistent and mounts.network are mutually exclusive")
    for mount in mounts.get("network", []):
        if mount["volumeId"] not in world.volumes:
            raise Problem(400, "network volume not found")
    if body.get("registry") is not None and body["registry"] not in world.registries:
        raise Problem(404, "container registry credential not found")


def _is_port(entry: str) -> bool:
    number, _, kind = entry.partition("/")
    return number.isdigit() and kind in {"http", "tcp"}


def _wish(body: dict[str, Any]) -> Wish:
    gpu = body["gpu"]
    allowed, least = gpu.get("allowedCudaVersions", []), gpu.get("minCudaVersion")
    if allowed and least:
        raise Problem(400, "allowedCudaVersions and minCudaVersion are mutually exclusive")
    return Wish(
        gpu=gpu_named(gpu["id"]),
        count=gpu.get("count"),
        clouds=(body.get("cloud", "SECURE"),),
        data_centers=tuple(body.get("dataCenterIds", ())),
        cuda_allowed=tuple(allowed),
        cuda_min=least,
    )


def gpu_named(gpu_id: str) -> GpuRow:
    """The GPU type a create names.

    Raises:
        Problem: 400; the catalog's own route answers 404 instead.
    """
    gpu = find_gpu(gpu_id)
    if gpu is None:
        raise Problem(400, f"invalid GPU type id: {gpu_id}")
    return gpu


def _cpu(cpu: dict[str, Any]) -> tuple[str, int]:
    vcpus = int(cpu["vcpuCount"])
    if cpu["id"] not in CPUS:
        raise Problem(400, f"invalid CPU flavor id: {cpu['id']}")
    if vcpus & (vcpus - 1):
        raise Problem(400, "vcpuCount must be a power of two")
    return cpu["id"], vcpus
