from __future__ import annotations

from typing import Any

import pytest

from podman_llm.testing.runpod_capacity import Capacity, Closure, Wish
from podman_llm.testing.runpod_catalog import find_gpu
from podman_llm.testing.runpod_problem import Problem


def wish(gpu_id: str = "NVIDIA GeForce RTX 4090", **changes: Any) -> Wish:
    gpu = find_gpu(gpu_id)
    assert gpu is not None
    return Wish(**{"gpu": gpu, "count": 1, "clouds": ("SECURE",), **changes})


def test_a_machine_is_taken_where_stock_is_fullest() -> None:
    machine = Capacity().place(wish())
    assert (machine.data_center, machine.cuda, machine.rate) == ("EU-RO-1", "13.0", 0.69)


def test_named_data_centers_are_enforced_in_their_order() -> None:
    named = wish(data_centers=("US-TX-3", "EU-RO-1"))
    assert Capacity().place(named).data_center == "US-TX-3"


@pytest.mark.parametrize(
    "changes",
    [
        {"data_centers": ("AP-JP-1",)},
        {"count": 9},
        {"count": None},
        {"cuda_min": "13.1"},
        {"cuda_allowed": ("12.7",)},
        {"gpu_id": "NVIDIA H100 NVL"},
        {"gpu_id": "NVIDIA L4", "clouds": ("COMMUNITY",)},
        {"gpu_id": "AMD Instinct MI300X OAM", "cuda_min": "12.8"},
    ],
)
def test_what_no_machine_offers_is_lack_of_capacity(changes: dict[str, Any]) -> None:
    with pytest.raises(Problem, match="no longer any instances available") as refusal:
        Capacity().place(wish(**changes))
    assert refusal.value.status == 400


def test_cuda_versions_are_compared_as_numbers_and_matched_exactly() -> None:
    assert wish(cuda_min="12.9").cuda() == "13.0"
    assert wish(cuda_allowed=("12.6", "12.8")).cuda() == "12.8"


def test_a_closed_data_center_is_passed_by() -> None:
    capacity = Capacity([Closure(data_center="EU-RO-1")])
    assert capacity.place(wish()).data_center == "EUR-IS-1"


def test_closures_speak_of_gpu_data_center_and_cloud() -> None:
    capacity = Capacity([Closure(gpu="NVIDIA GeForce RTX 4090", cloud="SECURE")])
    with pytest.raises(Problem):
        capacity.place(wish())
    assert capacity.place(wish(clouds=("SECURE", "COMMUNITY"))).cloud == "COMMUNITY"
    assert capacity.place(wish("NVIDIA L4")).cloud == "SECURE"


def test_a_denied_pool_is_a_403() -> None:
    with pytest.raises(Problem, match="access denied") as refusal:
        Capacity([Closure(denied=True)]).place(wish())
    assert refusal.value.status == 403


def test_price_and_shape_grow_with_the_count() -> None:
    machine = Capacity().place(wish(count=2, clouds=("COMMUNITY",)))
    assert machine.rate == pytest.approx(0.68)
    assert machine.gpu == {
        "id": "NVIDIA GeForce RTX 4090",
        "count": 2,
        "vcpuCount": 16,
        "memory": 96,
    }
