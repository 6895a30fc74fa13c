from __future__ import annotations

from typing import Any

from podman_llm.testing.clock import FakeClock
from podman_llm.testing.runpod_catalog import find_gpu
from podman_llm.testing.runpod_graphql_views import account_view, gpu_view, pod_view
from podman_llm.testing.runpod_order import read_order
from podman_llm.testing.runpod_world import World


def test_a_pod_in_older_words(world: World, order: dict[str, Any], clock: FakeClock) -> None:
    pod = world.rent(read_order(world, order))
    clock.advance(10.0)
    view = pod_view(pod, world.settle())
    assert (view["imageName"], view["costPerHr"]) == (order["image"], 0.44)
    assert (view["gpuCount"], view["memoryInGb"], view["vcpuCount"]) == (1, 48, 8)
    assert view["machine"]["gpuDisplayName"] == "NVIDIA L4"
    http, tcp = view["runtime"]["ports"]
    assert (http["privatePort"], http["isIpPublic"]) == (8000, False)
    assert (tcp["privatePort"], tcp["isIpPublic"]) == (22, True)
    assert view["uptimeSeconds"] == view["runtime"]["uptimeInSeconds"] == 7


def test_the_account_lists_live_pods_and_volumes(world: World, order: dict[str, Any]) -> None:
    gone, kept = (world.rent(read_order(world, order)) for _ in range(2))
    world.act(gone, "terminate")
    account = account_view(world)
    assert [pod["id"] for pod in account["pods"]] == [kept.id]
    assert account["networkVolumes"][0]["dataCenterId"] == "EU-RO-1"


def test_a_gpu_type_tells_the_lowest_price_for_a_count() -> None:
    gpu = find_gpu("NVIDIA A40")
    assert gpu is not None
    view = gpu_view(gpu)
    assert (view["securePrice"], view["communityPrice"]) == (0.49, 0.35)
    lowest = view["lowestPrice"]({"gpuCount": 2})
    assert (lowest["uninterruptablePrice"], lowest["stockStatus"]) == (0.70, "High")
