from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from podman_llm.config.model_store import bundled
from podman_llm.config.models import Settings
from podman_llm.core.catalog import GpuOffer
from podman_llm.errors import ConfigError, NoCapacity, PodmanLLMError, RefusedByCap
from podman_llm.pods.planning import plan

A40 = GpuOffer(
    gpu_id="NVIDIA A40",
    name="A40",
    manufacturer="NVIDIA",
    vram_gb=48,
    secure_price=0.4,
    community_price=None,
    max_count_secure=1,
    max_count_community=0,
    availability="HIGH",
    data_centers=(),
    cuda_versions=("12.8",),
)
L4 = replace(A40, gpu_id="NVIDIA L4", name="L4", vram_gb=24, secure_price=0.3)
H100 = replace(A40, gpu_id="NVIDIA H100 PCIe", name="H100", vram_gb=80, secure_price=2.5)


def refusal(values: dict[str, Any], *offers: GpuOffer) -> PodmanLLMError:
    settings = Settings.model_validate({"modelStoreId": "devstral-small-2507", **values})
    with pytest.raises(PodmanLLMError) as caught:
        plan(settings, bundled().models, offers)
    return caught.value


def test_a_model_too_large_for_the_gpu_is_told_which_would_do() -> None:
    error = refusal({"gpu_type_id": "NVIDIA L4"}, A40, L4, H100)
    assert isinstance(error, ConfigError)
    assert "devstral-small-2507 needs 55.6 GB with 16384 tokens of context" in error.message
    assert "1 x 24 GB leave 21.6" in error.message
    assert error.hint == "With 16384 tokens of context it fits: 1 x NVIDIA H100 PCIe ($2.50/h)."


def test_a_model_too_large_for_every_gpu_is_told_what_it_needs() -> None:
    error = refusal({}, A40, L4)
    assert isinstance(error, ConfigError)
    assert error.hint == "It needs about 62 GB of VRAM; take a smaller or quantised model."


def test_a_price_over_the_ceiling_is_the_caps_refusal() -> None:
    error = refusal({"pod": {"max_price_per_hour": 1.0}}, A40, H100)
    assert isinstance(error, RefusedByCap)
    assert "at least $2.50/h (NVIDIA H100 PCIe, SECURE)" in error.message


def test_what_is_sold_out_is_no_capacity() -> None:
    error = refusal({}, A40, replace(H100, availability="NONE"))
    assert isinstance(error, NoCapacity)
    assert "NVIDIA H100 PCIe, SECURE" in error.message


def test_a_gpu_that_does_not_exist_is_answered_with_the_nearest() -> None:
    error = refusal({"gpu_type_id": ["NVIDIA H100 PCI"]}, A40, H100)
    assert isinstance(error, ConfigError)
    assert "Did you mean `NVIDIA H100 PCIe`" in error.message


def test_an_empty_catalog_is_said() -> None:
    assert "holds no GPU at all" in refusal({}).message


def test_a_long_list_of_reasons_is_cut() -> None:
    many = [replace(L4, gpu_id=f"NVIDIA L{number}") for number in range(9)]
    error = refusal({}, *many)
    assert error.message.endswith("more")
    assert len(error.message) < 600
