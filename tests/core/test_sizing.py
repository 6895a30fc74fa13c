from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from podman_llm.core.catalog import DataCenter, GpuOffer, ModelEntry
from podman_llm.core.estimate import hub_entry
from podman_llm.core.sizing import (
    Sizing,
    Why,
    Wishes,
    cheapest_fits,
    disk_gb,
    fewest_gpus,
    largest_window,
    size,
    vram_need_gb,
    windows,
)

MODEL = replace(
    hub_entry("org/model"),
    weights_gb=20.0,
    kv_bytes_per_token=100_000,
    context=131072,
    attention_heads=32,
    kv_shards=8,
)


def gpu(name: str, vram: float, price: float | None = 1.0, **changes: Any) -> GpuOffer:
    offer = GpuOffer(
        gpu_id=f"NVIDIA {name}",
        name=name,
        manufacturer="Nvidia",
        vram_gb=vram,
        secure_price=price,
        community_price=None,
        max_count_secure=8,
        max_count_community=8,
        availability="HIGH",
        data_centers=(DataCenter("EU-RO-1", "HIGH"), DataCenter("US-KS-2", "NONE")),
        cuda_versions=("12.4", "12.8", "13.0"),
    )
    return replace(offer, **changes)


def why(sizing: Sizing) -> dict[str, Why]:
    return {place.what.removeprefix("NVIDIA "): place.why for place in sizing.excluded}


def order(sizing: Sizing) -> list[tuple[str, int]]:
    return [(place.gpu_name, place.gpu_count) for place in sizing.candidates]


# The rule ---------------------------------------------------------------------------------------


def test_the_need_is_weights_and_one_window_and_an_overhead_per_gpu() -> None:
    assert vram_need_gb(MODEL, 0) == pytest.approx(20 * 1.08 + 2)
    assert vram_need_gb(MODEL, 65536) == pytest.approx(20 * 1.08 + 6.5536 + 2)
    assert vram_need_gb(MODEL, 65536, 2) == pytest.approx(20 * 1.08 + 6.5536 + 4)


def test_more_gpus_than_the_cache_can_be_cut_for_hold_copies_of_it() -> None:
    latent = replace(MODEL, kv_shards=1)
    assert vram_need_gb(latent, 10_000, 4) - vram_need_gb(latent, 0, 4) == pytest.approx(4.0)
    assert vram_need_gb(MODEL, 10_000, 8) - vram_need_gb(MODEL, 0, 8) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("vram", "context", "limit", "count"),
    [
        (48, 65536, 8, 1),
        (24, 65536, 8, 2),
        (24, 65536, 1, None),
        (16, 65536, 8, 4),
        (16, 65536, 3, None),
        (48, 65536, 0, None),
        (2, 65536, 8, None),
    ],
)
def test_the_fewest_gpus_are_a_power_of_two(
    vram: float, context: int, limit: int, count: int | None
) -> None:
    assert fewest_gpus(MODEL, vram, context, limit) == count


def test_gpus_must_share_the_attention_heads_evenly() -> None:
    assert fewest_gpus(replace(MODEL, attention_heads=20), 16, 65536, 8) == 4
    assert fewest_gpus(replace(MODEL, attention_heads=10), 16, 65536, 8) is None
    assert fewest_gpus(replace(MODEL, attention_heads=0), 16, 65536, 8) == 4


def test_a_count_that_does_not_divide_the_heads_is_refused_with_that_reason() -> None:
    odd = replace(MODEL, attention_heads=20)
    places = size(odd, [gpu("Small", 24, 0.3)], Wishes(gpu_count=8)).excluded
    assert places[0].reason == "20 attention heads cannot be shared by 8 GPUs"


def test_the_largest_window_just_fits() -> None:
    window = largest_window(MODEL, 40, 1)
    assert window % 1024 == 0
    assert vram_need_gb(MODEL, window) <= 36 < vram_need_gb(MODEL, window + 1024)


def test_the_largest_window_is_at_most_the_models_own_and_at_least_none() -> None:
    assert largest_window(MODEL, 80, 1) == 131072
    assert largest_window(MODEL, 16, 1) == 0
    assert largest_window(replace(MODEL, context=0), 80, 1) > 131072
    assert largest_window(replace(MODEL, kv_bytes_per_token=0), 80, 1) == 131072


@pytest.mark.parametrize(("weights", "disk"), [(5.0, 30), (16.8, 40), (100.0, 135)])
def test_the_disk_holds_the_weights(weights: float, disk: int) -> None:
    assert disk_gb(weights) == disk


def test_windows_are_those_of_an_agent_or_the_one_asked_for() -> None:
    assert windows(MODEL) == (65536, 32768, 16384)
    assert windows(replace(MODEL, context=32768)) == (32768, 16384)
    assert windows(replace(MODEL, context=8192)) == (8192,)
    assert windows(MODEL, 4096) == (4096,)


# The order --------------------------------------------------------------------------------------


def test_the_cheapest_for_all_its_gpus_comes_first() -> None:
    sizing = size(MODEL, [gpu("Big", 48, 0.9), gpu("Small", 24, 0.3), gpu("Huge", 80, 2)], Wishes())
    assert order(sizing) == [("Small", 2), ("Big", 1), ("Huge", 1)]
    assert [place.price_per_hour for place in sizing.candidates] == [0.6, 0.9, 2]


def test_a_persons_own_order_beats_the_price() -> None:
    wishes = Wishes(gpu_ids=("NVIDIA Huge", "NVIDIA Big"), clouds=("SECURE",))
    sizing = size(MODEL, [gpu("Big", 48, 0.9), gpu("Small", 24, 0.3), gpu("Huge", 80, 2)], wishes)
    assert order(sizing) == [("Huge", 1), ("Big", 1)]
    assert why(sizing) == {"Small": Why.NOT_WANTED}


def test_equal_prices_go_by_cloud_then_stock_then_number_then_data_centre() -> None:
    both = {"community_price": 1.0}
    low = gpu("Low", 48, 1.0, availability="LOW", **both)
    high = gpu("High", 48, 1.0, **both)
    sizing = size(MODEL, [low, high], Wishes(clouds=("COMMUNITY", "SECURE")))
    assert [(place.cloud, place.gpu_name) for place in sizing.candidates] == [
        ("COMMUNITY", "High"),
        ("COMMUNITY", "Low"),
        ("SECURE", "High"),
        ("SECURE", "Low"),
    ]


def test_each_named_data_centre_is_a_place_of_its_own() -> None:
    wishes = Wishes(data_center_ids=("EU-RO-1", "US-KS-2", "AP-JP-1"))
    sizing = size(MODEL, [gpu("Big", 48)], wishes)
    assert [place.data_center_id for place in sizing.candidates] == ["EU-RO-1"]
    reasons = {place.reason for place in sizing.excluded if place.why is Why.NO_STOCK}
    assert reasons == {"no stock in US-KS-2", "no stock in AP-JP-1"}


def test_without_a_named_data_centre_any_will_do() -> None:
    [place] = size(MODEL, [gpu("Big", 48)], Wishes()).candidates
    assert place.data_center_id is None


# The window -------------------------------------------------------------------------------------


def test_all_candidates_hold_the_window_and_it_is_the_largest_that_they_do() -> None:
    sizing = size(MODEL, [gpu("Big", 48), gpu("Huge", 80)], Wishes())
    held = [largest_window(MODEL, place.vram_gb, place.gpu_count) for place in sizing.candidates]
    assert sizing.context == min(held) >= 65536


def test_a_smaller_window_is_taken_only_when_no_gpu_holds_the_first() -> None:
    one_each = {"max_count_secure": 1}
    small, big = gpu("Small", 30, 0.3, **one_each), gpu("Big", 48, 0.9, **one_each)
    assert order(size(MODEL, [small, big], Wishes())) == [("Big", 1)]
    alone = size(MODEL, [small], Wishes())
    assert order(alone) == [("Small", 1)]
    assert 16384 <= alone.context < 65536


def test_the_window_asked_for_is_the_window() -> None:
    assert size(MODEL, [gpu("Huge", 80)], Wishes(context=8192)).context == 8192
    sizing = size(MODEL, [gpu("Big", 48, max_count_secure=1)], Wishes(context=1_000_000))
    assert why(sizing)["Big, SECURE"] is Why.TOO_SMALL


def test_the_number_of_gpus_asked_for_is_the_number() -> None:
    sizing = size(MODEL, [gpu("Huge", 80), gpu("Tiny", 8)], Wishes(gpu_count=2))
    assert order(sizing) == [("Huge", 2)]
    assert why(sizing)["Tiny, SECURE"] is Why.TOO_SMALL


# What is ruled out, and why ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offer", "wishes", "reason"),
    [
        (gpu("MI300X", 192, manufacturer="AMD"), Wishes(), Why.UNSUITABLE),
        (gpu("V", 32, gpu_id="Tesla V100-SXM2-32GB"), Wishes(), Why.UNSUITABLE),
        (gpu("Old", 80, cuda_versions=("12.4",)), Wishes(min_cuda="12.8"), Why.UNSUITABLE),
        (gpu("Small", 24, max_count_secure=1), Wishes(), Why.TOO_SMALL),
        (gpu("Free", 80, 0.0), Wishes(), Why.NOT_SOLD),
        (gpu("Unsold", 80, None), Wishes(), Why.NOT_SOLD),
        (gpu("Few", 80, max_count_secure=1), Wishes(gpu_count=2), Why.NOT_SOLD),
        (gpu("Dear", 80, 5.0), Wishes(max_price_per_hour=4.0), Why.PRICE),
        (gpu("Gone", 80, availability="NONE"), Wishes(), Why.NO_STOCK),
    ],
)
def test_what_cannot_be_had_is_ruled_out(offer: GpuOffer, wishes: Wishes, reason: Why) -> None:
    sizing = size(MODEL, [offer], replace(wishes, clouds=("SECURE",)))
    assert sizing.candidates == ()
    assert [place.why for place in sizing.excluded] == [reason]
    assert sizing.excluded[0].reason


def test_versions_are_compared_as_numbers() -> None:
    new = gpu("New", 80, cuda_versions=("9.2", "12.10"))
    assert size(MODEL, [new], Wishes(min_cuda="12.8")).candidates
    assert size(replace(MODEL, min_cuda="13.0"), [new], Wishes(min_cuda="12.8")).candidates == ()


def test_hosts_of_unknown_cuda_are_tried() -> None:
    assert size(MODEL, [gpu("Who", 80, cuda_versions=())], Wishes(min_cuda="12.8")).candidates


def test_the_price_over_the_ceiling_is_told() -> None:
    [place] = size(
        MODEL, [gpu("Small", 24, 3.0)], Wishes(clouds=("SECURE",), max_price_per_hour=4.0)
    ).excluded
    assert place.price_per_hour == 6.0
    assert place.reason == "$6.00/h is over the ceiling of $4.00/h"


def test_a_slice_of_a_gpu_is_a_type_of_its_own() -> None:
    whole = gpu("RTX PRO 6000 Blackwell Server Edition", 96)
    part = gpu("RTX PRO 6000 Blackwell Server Edition MIG 1g.24gb", 24, max_count_secure=1)
    sizing = size(MODEL, [whole, part], Wishes(gpu_ids=(whole.gpu_id,), clouds=("SECURE",)))
    assert order(sizing) == [(whole.name, 1)]
    assert why(sizing) == {part.name: Why.NOT_WANTED}


def test_every_offer_is_a_candidate_or_has_a_reason() -> None:
    offers = [gpu("A", 80), gpu("B", 8), gpu("C", 48, None), gpu("D", 24, community_price=0.2)]
    sizing = size(MODEL, offers, Wishes())
    named = {place.gpu_id for place in sizing.candidates}
    named |= {place.what.partition(",")[0] for place in sizing.excluded}
    assert named == {offer.gpu_id for offer in offers}


def test_the_cheapest_fits_come_with_their_number_and_price() -> None:
    offers = [gpu("Big", 48, 0.9, community_price=0.5), gpu("Small", 24, 0.3), gpu("No", 2)]
    fits = cheapest_fits(MODEL, [*offers, gpu("MI", 192, manufacturer="AMD")], 65536)
    assert [(offer.name, count, price) for offer, count, price in fits] == [
        ("Big", 1, 0.5),
        ("Small", 2, 0.6),
    ]


def test_a_model_of_unknown_size_runs_where_it_is_told_to() -> None:
    unknown: ModelEntry = hub_entry("org/unknown")
    sizing = size(unknown, [gpu("Tiny", 8)], Wishes(gpu_ids=("NVIDIA Tiny",)))
    assert order(sizing) == [("Tiny", 1)]
    assert sizing.context == 0
