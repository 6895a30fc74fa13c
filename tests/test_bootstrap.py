from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from podman_llm import bootstrap
from podman_llm.config.models import ProviderSettings, Settings
from podman_llm.errors import ConfigError, ProviderRefused
from podman_llm.state.double import Double, save_double
from podman_llm.state.paths import StatePaths


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    paths = StatePaths(tmp_path / "state")
    paths.ensure()
    return paths


def test_importing_it_loads_neither_side_s_http_library() -> None:
    code = (
        "import sys, podman_llm.bootstrap\n"
        "print([m for m in ('aiohttp', 'requests', 'diskcache') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout == "[]\n"


def test_runpod_without_a_key_is_refused_in_words(paths: StatePaths) -> None:
    with pytest.raises(ProviderRefused, match="RUNPOD_API_KEY") as refused:
        bootstrap.make_provider(Settings(), paths)
    assert "up --demo" in refused.value.hint


def test_a_local_provider_needs_no_key(paths: StatePaths) -> None:
    settings = Settings(provider=ProviderSettings(kind="local", local_command=("true",)))
    assert bootstrap.make_provider(settings, paths).name == "local"


def test_only_the_demo_s_own_double_is_given_the_demo_key(
    paths: StatePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_double(paths, Double(url="http://127.0.0.1:1", port=1, pid=1, created=0.0))
    demo = Settings(provider=ProviderSettings(api_base="http://127.0.0.1:1"))
    assert bootstrap.make_provider(demo, paths).name == "runpod"
    with pytest.raises(ProviderRefused):
        bootstrap.make_provider(Settings(), paths)


def test_a_cache_that_cannot_be_opened_costs_only_the_cache(tmp_path: Path) -> None:
    blocker = tmp_path / "file"
    blocker.write_text("")
    cache, problem = bootstrap._make_cache(Settings(cache_dir=blocker))
    assert "cache" in problem
    assert cache is None or problem


def test_no_cache_is_made_where_none_is_wanted(tmp_path: Path) -> None:
    directory = tmp_path / "cache"
    assert bootstrap._make_cache(Settings(cache_dir=directory, max_cache_size=0)) == (None, "")
    assert not directory.exists()


def test_a_certificate_that_is_none_is_named(tmp_path: Path) -> None:
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    cert.write_text("no certificate")
    key.write_text("no key")
    with pytest.raises(ConfigError, match=r"cert\.pem"):
        bootstrap._tls(Settings(use_https=True, ssl_cert=cert, ssl_key=key))


def test_tokens_are_base32_and_do_not_repeat() -> None:
    tokens = {bootstrap._token(12) for _ in range(100)}
    assert len(tokens) == 100
    assert all(len(token) == 12 and set(token) <= set(bootstrap._BASE32) for token in tokens)
