from __future__ import annotations

from podman_llm.testing.runpod_catalog import (
    DATA_CENTERS,
    GPUS,
    LEVELS,
    best_level,
    data_center_name,
    find_gpu,
    version,
)


def test_every_type_is_sold_somewhere_and_stocked_in_known_places() -> None:
    places = {row.id for row in DATA_CENTERS}
    assert len({gpu.id for gpu in GPUS}) == len(GPUS)
    for gpu in GPUS:
        assert gpu.most_on("SECURE") or gpu.most_on("COMMUNITY")
        assert gpu.levels().keys() <= places
        assert set(gpu.levels().values()) <= set(LEVELS)


def test_the_mix_has_plenty_scarcity_and_sold_out() -> None:
    assert {best_level(list(gpu.levels().values())) for gpu in GPUS} == set(LEVELS)


def test_a_cloud_that_does_not_sell_a_type_has_no_count_for_it() -> None:
    gpu = find_gpu("NVIDIA L4")
    assert gpu is not None
    assert (gpu.most_on("SECURE"), gpu.most_on("COMMUNITY")) == (8, 0)


def test_a_slice_is_a_type_of_its_own() -> None:
    whole = find_gpu("NVIDIA RTX PRO 6000 Blackwell Server Edition")
    part = find_gpu("NVIDIA RTX PRO 6000 Blackwell Server Edition MIG 1g.24gb")
    assert whole is not None
    assert part is not None
    assert (whole.memory, part.memory) == (96, 24)
    assert find_gpu("RTX PRO 6000") is None


def test_versions_are_numbers_and_places_have_names() -> None:
    assert version("12.11") > version("12.2")
    assert data_center_name("EU-RO-1") == "EU Romania 1"
    assert best_level([]) == "NONE"
