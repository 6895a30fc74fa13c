from __future__ import annotations

from pathlib import Path

import pytest

from podman_llm.cli import demo
from podman_llm.cli.context import Context
from podman_llm.config.models import Settings
from podman_llm.host.clock import SystemClock
from podman_llm.host.process import create_time
from podman_llm.state.double import load_double
from podman_llm.state.paths import StatePaths


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    return StatePaths(tmp_path / "state" / "demo")


def test_the_double_is_started_once_and_ended_with_its_bill(paths: StatePaths) -> None:
    settings = demo.prepare(paths, Settings(runtime_seconds=7200), SystemClock())
    try:
        double = load_double(paths)
        assert double is not None
        assert settings.provider.api_base == double.url
        assert settings.runtime_seconds == 7200
        assert settings.cache_dir == paths.root / "cache"
        assert demo.prepare(paths, Settings(), SystemClock()).provider == settings.provider
        assert load_double(paths) == double
    finally:
        bill = demo.end(paths)
    assert bill == {"live": 0, "usd": 0.0}
    assert create_time(double.pid) != double.created
    assert load_double(paths) is None


def test_where_no_double_runs_there_is_no_bill(paths: StatePaths) -> None:
    paths.ensure()
    assert demo.end(paths) is None


def test_the_demo_lives_beneath_the_real_state(tmp_path: Path) -> None:
    context = Context(state_dir=tmp_path / "state")
    assert demo.root(context) == tmp_path / "state" / "demo"
