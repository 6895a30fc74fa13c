from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import pytest

from podman_llm.config.model_store import bundled
from podman_llm.config.models import ProviderSettings
from podman_llm.core.catalog import GpuOffer, ModelEntry
from podman_llm.core.estimate import hub_entry
from podman_llm.errors import PodmanLLMError, ProviderRefused, ProviderUnreachable
from podman_llm.providers.base import Provider
from podman_llm.providers.runpod.catalog import last_known, refresh
from podman_llm.providers.runpod.provider import RunpodProvider
from podman_llm.state.paths import StatePaths
from podman_llm.testing.clock import FakeClock
from podman_llm.testing.runpod_server import RunpodConfig, RunpodServer
from podman_llm.testing.server_thread import ServerThread


class Side:
    """RunPod's side of the catalog, one answer or refusal for each part."""

    def __init__(self) -> None:
        self.offers: Sequence[GpuOffer] | PodmanLLMError = (
            GpuOffer("NVIDIA L4", "L4", "NVIDIA", 24, 0.4, None, 8, 0, "HIGH", (), ("12.8",)),
        )
        self.entries: Sequence[ModelEntry] | PodmanLLMError = ()

    def gpus(self) -> Sequence[GpuOffer]:
        if isinstance(self.offers, PodmanLLMError):
            raise self.offers
        return self.offers

    def models(self) -> Sequence[ModelEntry]:
        if isinstance(self.entries, PodmanLLMError):
            raise self.entries
        return self.entries

    @property
    def provider(self) -> Provider:
        return cast("Provider", self)


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    return StatePaths(tmp_path / "state")


@pytest.fixture
def side() -> Side:
    return Side()


@pytest.fixture
def double() -> Iterator[RunpodServer]:
    with ServerThread(RunpodServer(RunpodConfig(api_key="rpa_double"))) as thread:
        yield thread.server


def test_what_runpod_tells_is_merged_and_kept_with_its_time(
    double: RunpodServer, paths: StatePaths
) -> None:
    clock = FakeClock()
    provider = RunpodProvider(ProviderSettings(api_base=double.url), "rpa_double", clock)
    fresh = refresh(provider, paths, clock)
    assert fresh.fetched_at == clock.wall()
    assert {"NVIDIA L4", "NVIDIA A40"} < {offer.gpu_id for offer in fresh.gpus}
    assert set(bundled().models) <= set(fresh.models)
    assert fresh.notes == ()
    assert last_known(paths) == fresh


def test_a_refused_key_is_not_hidden_behind_an_old_catalog(
    double: RunpodServer, paths: StatePaths
) -> None:
    clock = FakeClock()
    provider = RunpodProvider(ProviderSettings(api_base=double.url), "rpa_wrong", clock)
    with pytest.raises(ProviderRefused):
        refresh(provider, paths, clock)


def test_the_bundled_models_serve_before_the_first_refresh(paths: StatePaths) -> None:
    catalog = last_known(paths)
    assert catalog.models == bundled().models
    assert (catalog.gpus, catalog.fetched_at) == ((), None)
    assert "Bundled models only" in catalog.notes[0]
    assert not paths.root.exists()


def test_the_last_good_catalog_serves_when_runpod_cannot_be_asked(
    side: Side, paths: StatePaths
) -> None:
    clock = FakeClock()
    good = refresh(side.provider, paths, clock)
    clock.advance(3600)
    side.offers = ProviderUnreachable("no route")
    later = refresh(side.provider, paths, clock)
    assert later.gpus == good.gpus
    assert later.fetched_at == good.fetched_at
    assert later.notes == ("RunPod could not be asked: no route.",)


def test_the_bundled_catalog_serves_when_there_is_no_last_good_one(
    side: Side, paths: StatePaths
) -> None:
    side.offers = ProviderUnreachable("no route")
    catalog = refresh(side.provider, paths, FakeClock())
    assert catalog.models == bundled().models
    assert [note.partition(":")[0] for note in catalog.notes] == [
        "RunPod could not be asked",
        "Bundled models only",
    ]


def test_the_accounts_own_models_follow_the_bundled_ones(side: Side, paths: StatePaths) -> None:
    known, own = bundled().models[0], hub_entry("me/Tuned-7B-AWQ")
    side.entries = (hub_entry(known.hf_id), own)
    models = refresh(side.provider, paths, FakeClock()).models
    assert models[: len(bundled().models)] == bundled().models
    [added] = models[len(bundled().models) :]
    assert (added.hf_id, added.quantisation) == ("me/Tuned-7B-AWQ", "4bit")
    assert last_known(paths).models == models


@pytest.mark.parametrize("error", [ProviderUnreachable("gone"), ProviderRefused("no access")])
def test_without_the_model_repository_the_rest_serves(
    side: Side, paths: StatePaths, error: PodmanLLMError
) -> None:
    side.entries = error
    catalog = refresh(side.provider, paths, FakeClock())
    assert catalog.gpus
    assert "Model Repository is left out" in catalog.notes[0]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"version": 2}', '{"version": 1}', "\xff"])
def test_a_damaged_file_is_left_out_and_said(paths: StatePaths, content: str) -> None:
    paths.ensure()
    paths.catalog.write_text(content, encoding="latin-1")
    catalog = last_known(paths)
    assert catalog.models == bundled().models
    assert str(paths.catalog) in catalog.notes[0]


def test_a_catalog_that_cannot_be_kept_is_still_shown(side: Side, paths: StatePaths) -> None:
    paths.ensure()
    paths.catalog.mkdir()
    (paths.catalog / "in the way").touch()
    catalog = refresh(side.provider, paths, FakeClock())
    assert catalog.gpus
    assert "could not be kept" in catalog.notes[0]
