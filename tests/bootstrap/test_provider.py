from __future__ import annotations

from pathlib import Path

import pytest

from podman_llm.bootstrap.provider import make_provider
from podman_llm.config.models import ProviderSettings, Settings
from podman_llm.errors import ProviderRefused
from podman_llm.state.double import Double, save_double
from podman_llm.state.paths import StatePaths
from tests.bootstrap.loads import loaded_by


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    paths = StatePaths(tmp_path / "state")
    paths.ensure()
    return paths


def test_a_local_provider_is_made_without_an_http_library() -> None:
    assert loaded_by("podman_llm.bootstrap.provider") == set()


def test_runpod_without_a_key_is_refused_in_words(paths: StatePaths) -> None:
    with pytest.raises(ProviderRefused, match="RUNPOD_API_KEY") as refused:
        make_provider(Settings(), paths)
    assert "up --demo" in refused.value.hint


def test_a_local_provider_needs_no_key(paths: StatePaths) -> None:
    settings = Settings(provider=ProviderSettings(kind="local", local_command=("true",)))
    assert make_provider(settings, paths).name == "local"


def test_only_the_demo_s_own_double_is_given_the_demo_key(
    paths: StatePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_double(paths, Double(url="http://127.0.0.1:1", port=1, pid=1, created=0.0))
    demo = Settings(provider=ProviderSettings(api_base="http://127.0.0.1:1"))
    assert make_provider(demo, paths).name == "runpod"
    with pytest.raises(ProviderRefused):
        make_provider(Settings(), paths)
