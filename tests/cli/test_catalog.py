from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
from click.testing import CliRunner, Result

from podman_llm.cli.catalog import age, catalog, row_of
from podman_llm.cli.context import Context
from podman_llm.config.models import Settings
from podman_llm.core.catalog import Catalog, GpuOffer, ModelEntry
from podman_llm.core.estimate import hub_entry
from podman_llm.errors import ProviderUnreachable
from podman_llm.providers.base import Provider
from podman_llm.testing.clock import FakeClock

L4 = GpuOffer("NVIDIA L4", "L4", "NVIDIA", 24, 0.4, None, 8, 0, "LOW", (), ("12.8",))
A40 = replace(L4, gpu_id="NVIDIA A40", name="A40", vram_gb=48, secure_price=0.3)


@dataclass
class Shop(Context):
    """A context whose provider sells two GPUs, or cannot be reached."""

    is_open: bool = True
    is_watched: bool = False
    moved: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.clock = self.moved

    @property
    def is_terminal(self) -> bool:
        return self.is_watched

    def provider(self, settings: Settings, **_: Any) -> Provider:
        return cast("Provider", self)

    def gpus(self) -> Sequence[GpuOffer]:
        if not self.is_open:
            raise ProviderUnreachable("no route")
        return (L4, A40)

    def models(self) -> Sequence[ModelEntry]:
        return (hub_entry("me/tuned"),)


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.chdir(tmp_path)
    return Shop(state_dir=tmp_path / "state")


def run(shop: Shop, *arguments: str) -> Result:
    return CliRunner().invoke(catalog, arguments, obj=shop, catch_exceptions=False)


def rows(result: Result) -> dict[str, list[str]]:
    cells = [line.split("\t") for line in result.stdout.splitlines()]
    return {row[0]: row[1:] for row in cells}


def test_before_a_refresh_the_bundled_models_are_listed_with_what_they_need(shop: Shop) -> None:
    result = run(shop)
    assert rows(result)["gpt-oss-20b"] == [
        "gpt-oss 20B",
        "13.8 GB",
        "128k",
        "22 GB of VRAM",
        "-",
        "-",
    ]
    assert "catalog refresh" in result.stderr
    assert "Bundled models only" in result.stderr


def test_a_refresh_tells_fits_prices_and_stock(shop: Shop) -> None:
    result = run(shop, "refresh")
    assert rows(result)["gpt-oss-20b"][3:] == ["A40, L4", "$0.30/h 1 x A40", "low"]
    assert rows(result)["me/tuned"] == ["tuned", "?", "?", "?", "-", "-"]
    assert "GPUs as of 0s ago" in result.stderr
    assert rows(run(shop)) == rows(result)


def test_an_old_catalog_says_that_it_is_old(shop: Shop) -> None:
    run(shop, "refresh")
    shop.moved.advance(7200)
    assert "GPUs as of 2h 00m ago; prices and stock move" in run(shop).stderr


def test_a_runpod_that_cannot_be_asked_is_said_and_the_last_good_shown(shop: Shop) -> None:
    run(shop, "refresh")
    shop.is_open = False
    result = run(shop, "refresh")
    assert result.exit_code == 0
    assert "RunPod could not be asked: no route." in result.stderr
    assert rows(result)["gpt-oss-20b"][4] == "$0.30/h 1 x A40"


@pytest.mark.parametrize("arguments", [("refresh", "--json"), ("--json", "refresh")])
def test_json_holds_everything(shop: Shop, arguments: tuple[str, ...]) -> None:
    found = json.loads(run(shop, *arguments).stdout)
    assert found["age_seconds"] == 0
    [model] = [row for row in found["models"] if row["modelStoreId"] == "gpt-oss-20b"]
    assert model["hf_id"] == "openai/gpt-oss-20b"
    assert model["fits"][0] == {
        "gpu_id": "NVIDIA A40",
        "gpu_name": "A40",
        "gpu_count": 1,
        "price_per_hour": 0.3,
        "availability": "LOW",
    }
    assert [offer["gpu_id"] for offer in found["gpus"]] == ["NVIDIA L4", "NVIDIA A40"]


def test_verbose_adds_hub_ids_and_gpu_ids(shop: Shop) -> None:
    result = run(shop, "refresh", "--verbose")
    assert "gpt-oss-20b\topenai/gpt-oss-20b\thttps://huggingface.co/openai/gpt-oss-20b" in (
        result.stdout
    )
    assert "NVIDIA L4\t24 GB\t$0.40/h\t-\tlow" in result.stdout


def test_a_terminal_gets_a_table_with_whole_ids(shop: Shop) -> None:
    shop.is_watched = True
    result = run(shop, "refresh")
    assert "\t" not in result.stdout
    assert "qwen3-coder-30b-a3b-awq" in result.stdout


def test_what_is_in_stock_is_the_cheapest_even_when_another_would_be_cheaper() -> None:
    model = replace(hub_entry("org/m"), weights_gb=10.0, kv_bytes_per_token=1000, context=65536)
    row = row_of(model, [L4, replace(A40, availability="NONE")])
    assert [fit.gpu_name for fit in row.fits] == ["A40", "L4"]
    assert row.best is not None
    assert row.best.gpu_name == "L4"


def test_a_smaller_window_is_shown_when_no_gpu_holds_the_usual_one() -> None:
    model = replace(hub_entry("org/m"), weights_gb=15.0, kv_bytes_per_token=200_000, context=131072)
    assert row_of(model, [replace(L4, max_count_secure=1)]).window == 16384


def test_the_age_of_a_fresh_catalog_asks_for_nothing() -> None:
    fresh = Catalog((), (), "2026-11-20", 1000.0, ())
    assert age(fresh, 1060.0) == "Models as of 2026-11-20, GPUs as of 1m 00s ago."
