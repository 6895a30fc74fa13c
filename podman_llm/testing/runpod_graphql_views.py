"""Pods, GPU types and the account in GraphQL's older words.

A value that is a function stands for a field with arguments.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from podman_llm.core.sight import PodStatus
from podman_llm.testing.runpod_catalog import GpuRow, best_level
from podman_llm.testing.runpod_clock import rfc3339
from podman_llm.testing.runpod_pod import RentedPod
from podman_llm.testing.runpod_world import World


def account_view(world: World) -> dict[str, Any]:
    """``myself``."""
    now = world.settle()
    return {
        "id": "user_double",
        "email": "double@example.invalid",
        "pubKey": "\n".join(world.ssh_keys),
        "clientBalance": world.balance(),
        "currentSpendPerHr": world.spend_per_hour(),
        "spendLimit": 80,
        "minBalance": 0,
        "pods": [pod_view(pod, now) for pod in world.live()],
        "networkVolumes": [
            {"id": v["id"], "name": v["name"], "size": v["size"], "dataCenterId": v["dataCenter"]}
            for v in world.volumes.values()
        ],
    }


def pod_view(pod: RentedPod, now: float) -> dict[str, Any]:
    """``Pod``. Its status is what is wanted, not what is: RUNNING from the first moment on."""
    settings, machine = pod.settings, pod.machine
    shape = machine.gpu or machine.cpu or {}
    persistent = settings.mounts.get("persistent", {})
    runtime = _runtime(pod, now)
    status = pod.status if pod.status in {"EXITED", "TERMINATED"} else PodStatus.RUNNING
    return {
        "id": pod.id,
        "name": settings.name,
        "imageName": settings.image,
        "dockerArgs": settings.args,
        "dockerId": None,
        "containerDiskInGb": settings.disk,
        "costPerHr": pod.meter.rates()[0],
        "desiredStatus": status.value,
        "env": [f"{key}={value}" for key, value in settings.env.items()],
        "gpuCount": machine.gpu["count"] if machine.gpu else 0,
        "lastStatusChange": f"Status changed: {rfc3339(pod.history[-1][0])}" if pod.history else "",
        "machineId": f"m{pod.number:011d}",
        "machine": {
            "gpuDisplayName": machine.gpu["id"] if machine.gpu else None,
            "podHostId": f"{pod.id}-64411eb2",
            "dataCenterId": machine.data_center,
        },
        "memoryInGb": shape.get("memory", 0),
        "vcpuCount": shape.get("vcpuCount", 0),
        "podType": "RESERVED",
        "port": None,
        "ports": ",".join(settings.ports),
        "uptimeSeconds": runtime["uptimeInSeconds"] if runtime else 0,
        "volumeInGb": persistent.get("size", 0),
        "volumeMountPath": persistent.get("path", "/runpod-volume"),
        "runtime": runtime,
        "createdAt": rfc3339(pod.created_at),
    }


def _runtime(pod: RentedPod, now: float) -> dict[str, Any] | None:
    runtime = pod.view(now)["runtime"]
    if runtime is None:
        return None
    ports = [
        {
            "ip": port["ip"],
            "isIpPublic": port["type"] == "tcp",
            "privatePort": port["private"],
            "publicPort": port["public"],
            "type": port["type"],
        }
        for port in runtime["ports"]
    ]
    return {"uptimeInSeconds": runtime["uptime"], "ports": ports}


def gpu_view(gpu: GpuRow) -> dict[str, Any]:
    """``GpuType``."""

    def lowest_price(given: Mapping[str, Any]) -> dict[str, Any]:
        prices = [price for price in (gpu.secure, gpu.community) if price]
        count = int(given.get("gpuCount") or 1)
        return {
            "minimumBidPrice": None,
            "uninterruptablePrice": min(prices) * count,
            "stockStatus": best_level(list(gpu.levels().values())).capitalize(),
            "availableGpuCounts": list(range(1, max(gpu.most) + 1)),
        }

    return {
        "id": gpu.id,
        "displayName": gpu.name,
        "memoryInGb": gpu.memory,
        "manufacturer": gpu.id.split()[0].title(),
        "maxGpuCount": max(gpu.most),
        "cudaCores": 0,
        "secureCloud": gpu.secure > 0,
        "communityCloud": gpu.community > 0,
        "securePrice": gpu.secure or None,
        "communityPrice": gpu.community or None,
        "oneMonthPrice": None,
        "threeMonthPrice": None,
        "oneWeekPrice": None,
        "communitySpotPrice": None,
        "secureSpotPrice": None,
        "lowestPrice": lowest_price,
    }
