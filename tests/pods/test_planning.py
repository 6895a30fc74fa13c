from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from podman_llm.config.model_store import bundled
from podman_llm.config.models import Settings
from podman_llm.core.catalog import GpuOffer, ModelEntry
from podman_llm.errors import ConfigError, ProviderRefused
from podman_llm.pods.planning import LivePlanner, Plan, affordable, plan, plan_local
from podman_llm.providers.base import Account, Provider
from podman_llm.testing.clock import FakeClock


def gpu(name: str, vram: float, price: float) -> GpuOffer:
    return GpuOffer(
        gpu_id=f"NVIDIA {name}",
        name=name,
        manufacturer="NVIDIA",
        vram_gb=vram,
        secure_price=price,
        community_price=None,
        max_count_secure=8,
        max_count_community=0,
        availability="HIGH",
        data_centers=(),
        cuda_versions=("12.8", "13.0"),
    )


OFFERS = (gpu("A40", 48, 0.4), gpu("L4", 24, 0.3), gpu("H100", 80, 2.5))


def made(values: dict[str, Any] | None = None, models: Sequence[ModelEntry] = ()) -> Plan:
    settings = Settings.model_validate(values or {})
    return plan(settings, models or bundled().models, OFFERS)


def option(made_plan: Plan, name: str) -> str:
    command = made_plan.spec.command
    return command[command.index(name) + 1]


def test_the_command_serves_the_model_under_three_names() -> None:
    command = made({"modelStoreId": "gpt-oss-20b"}).spec.command
    assert command[:3] == ("vllm", "serve", "openai/gpt-oss-20b")
    at = command.index("--served-model-name")
    assert command[at + 1 : at + 4] == ("gpt-oss-20b", "openai/gpt-oss-20b", "podman-llm")
    assert command[3:7] == ("--host", "0.0.0.0", "--port", "8000")


def test_the_parsers_of_the_store_and_then_the_persons_own_arguments_follow() -> None:
    values = {"modelStoreId": "gpt-oss-20b", "pod": {"vllm_args": ["--max-num-seqs", "8"]}}
    command = made(values).spec.command
    at = command.index("--tool-call-parser")
    assert command[at - 1 :] == (
        "--enable-auto-tool-choice",
        "--tool-call-parser",
        "openai",
        "--reasoning-parser",
        "openai_gptoss",
        "--max-num-seqs",
        "8",
    )


def test_the_number_of_gpus_is_left_to_the_candidate() -> None:
    planned = made({"modelStoreId": "qwen2.5-coder-32b"})
    assert option(planned, "--tensor-parallel-size") == "{gpu_count}"
    assert {place.gpu_count for place in planned.candidates} == {2, 8}


def test_one_window_serves_every_candidate() -> None:
    planned = made({"modelStoreId": "gpt-oss-20b"})
    assert len(planned.candidates) == 3
    assert option(planned, "--max-model-len") == str(planned.spec.context)
    asked = made({"modelStoreId": "gpt-oss-20b", "pod": {"context": 20000}})
    assert asked.spec.context == 20000


def test_the_spec_carries_what_the_settings_say() -> None:
    pod = {
        "image": "vllm/vllm-openai:v1",
        "disk_gb": 99,
        "network_volume_id": "vol",
        "hf_token_secret": "hf",
        "min_cuda_version": "12.9",
    }
    spec = made({"template_id": "t", "pod": pod}).spec
    assert (spec.image, spec.disk_gb, spec.template_id) == ("vllm/vllm-openai:v1", 99, "t")
    assert spec.network_volume_id == "vol"
    assert spec.min_cuda == "12.9"
    assert spec.env == {"HF_TOKEN": "{{ RUNPOD_SECRET_hf }}"}


def test_a_lease_is_asked_for_in_the_environment() -> None:
    assert made({"pod": {"lease_seconds": 1500}}).spec.env == {"PLLM_LEASE": "1500"}


def test_without_a_secret_the_environment_is_empty_and_the_disk_computed() -> None:
    spec = made({"modelStoreId": "gpt-oss-20b"}).spec
    assert spec.env == {}
    assert spec.disk_gb == 36


def test_a_pinned_revision_is_served_and_in_the_tag() -> None:
    pinned = replace(bundled().models[0], revision="abc123")
    planned = made({"modelStoreId": pinned.model_store_id}, [pinned])
    assert option(planned, "--revision") == "abc123"
    assert planned.spec.model_tag.endswith("@abc123")
    assert "--revision" not in made().spec.command


def test_a_volume_keeps_to_the_secure_cloud() -> None:
    values = {"pod": {"network_volume_id": "v", "clouds": ["COMMUNITY", "SECURE"]}}
    assert {place.cloud for place in made(values).candidates} == {"SECURE"}


@pytest.mark.parametrize("wanted", ["NVIDIA H100", ["NVIDIA H100"], ["NVIDIA H100", "NVIDIA A40"]])
def test_named_gpus_come_in_the_persons_order(wanted: str | list[str]) -> None:
    assert made({"gpu_type_id": wanted}).candidates[0].gpu_name == "H100"


def test_auto_among_gpu_ids_means_any() -> None:
    assert len(made({"gpu_type_id": ["auto"]}).candidates) == 3


def test_what_is_ruled_out_is_said_with_the_reason() -> None:
    planned = made({"pod": {"max_price_per_hour": 1.0}})
    reason = dict(planned.excluded)["NVIDIA H100, SECURE"]
    assert reason == "$2.50/h is over the ceiling of $1.00/h"


def test_a_hub_id_is_sized_by_its_name_and_the_plan_says_so() -> None:
    planned = made({"modelStoreId": "org/Coder-7B-AWQ"})
    assert "its name reads as 7B parameters, 4bit" in planned.notes[0]
    assert planned.spec.served_names == ("org/Coder-7B-AWQ", "podman-llm")
    assert option(planned, "--max-model-len") == "auto"
    assert planned.spec.context == 0


def test_a_hub_id_with_a_window_asked_for_gets_that_window() -> None:
    planned = made({"modelStoreId": "org/Coder-7B-AWQ", "pod": {"context": 4096}})
    assert option(planned, "--max-model-len") == "4096"


def test_a_hub_id_that_tells_no_size_needs_a_gpu_to_be_named() -> None:
    with pytest.raises(ConfigError, match="its size is not known"):
        made({"modelStoreId": "org/mystery"})
    planned = made({"modelStoreId": "org/mystery", "gpu_type_id": "NVIDIA A40"})
    assert planned.candidates[0].gpu_name == "A40"
    assert planned.spec.disk_gb == 76  # as if the weights filled the GPU
    assert "nothing is known of its size" in planned.notes[0]


def test_a_hub_id_of_the_store_is_the_stores_entry() -> None:
    assert made({"modelStoreId": "OpenAI/GPT-OSS-20b"}).spec.model_store_id == "gpt-oss-20b"


def test_an_id_that_is_neither_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="`gpt-oss-20b`"):
        made({"modelStoreId": "gpt-oss-21b"})


def test_a_local_command_is_one_candidate_that_costs_nothing() -> None:
    provider = {"kind": "local", "local_command": ["serve", "{model}", "{port}"]}
    settings = Settings.model_validate({"modelStoreId": "anything", "provider": provider})
    planned = plan_local(settings)
    [place] = planned.candidates
    assert (place.gpu_id, place.price_per_hour) == ("local", 0.0)
    assert planned.spec.command == ("serve", "{model}", "{port}")
    assert planned.spec.served_names == ("anything", "podman-llm")


class Market:
    """The part of a provider that planning asks."""

    disk_usd_per_gb_hour: float | None = None

    def __init__(self) -> None:
        self.asked = 0

    def account(self) -> Account:
        return Account(balance=25.0, spend_per_hour=None)

    def gpus(self) -> Sequence[GpuOffer]:
        self.asked += 1
        return OFFERS


def test_the_live_catalog_is_asked_once_for_a_while() -> None:
    market, clock = Market(), FakeClock()
    planner = LivePlanner(cast("Provider", market), clock, max_age=30)
    assert planner(Settings()).candidates
    clock.advance(29)
    planner(Settings())
    assert market.asked == 1
    clock.advance(2)
    planner(Settings())
    assert market.asked == 2


def test_each_place_is_told_what_the_disk_costs() -> None:
    market = Market()
    planner = LivePlanner(cast("Provider", market), FakeClock())
    assert {place.disk_per_hour for place in planner(Settings()).candidates} == {None}
    market.disk_usd_per_gb_hour = 0.001
    plan = planner(Settings())
    costs = {place.disk_per_hour for place in plan.candidates}
    assert costs == {0.001 * plan.spec.disk_gb}


def test_a_local_plan_asks_no_market() -> None:
    market = Market()
    provider = {"kind": "local", "local_command": ["x"]}
    settings = Settings.model_validate({"provider": provider})
    assert LivePlanner(cast("Provider", market), FakeClock())(settings).candidates
    assert market.asked == 0


def test_a_local_command_serves_the_model_under_the_name_it_is_given() -> None:
    provider = {"kind": "local", "local_command": ["vllm", "serve", "{model}"]}
    spec = plan_local(Settings.model_validate({"provider": provider})).spec
    assert spec.served_names[0] == spec.hf_id
    assert len(set(spec.served_names)) == len(spec.served_names)


def test_places_that_the_balance_pays_no_hour_of_are_left_out() -> None:
    whole = made({"gpu_type_id": ["NVIDIA A40", "NVIDIA H100"], "modelStoreId": "gpt-oss-20b"})
    assert affordable(whole, None) == whole
    assert affordable(whole, 99.0) == whole
    poor = affordable(whole, 1.0)
    assert [place.gpu_name for place in poor.candidates] == ["A40"]
    assert poor.excluded[-1] == ("H100 (SECURE)", "the balance of $1.00 pays no hour of it")


def test_a_balance_that_pays_for_nothing_is_an_error_of_the_account() -> None:
    with pytest.raises(ProviderRefused, match=r"balance of \$0.05 does not pay one hour") as told:
        affordable(made(), 0.05)
    assert told.value.exit_code == 9
