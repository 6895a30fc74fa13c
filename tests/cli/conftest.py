"""An account at the made-up RunPod, and a machine configured to use it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from podman_llm.state.paths import StatePaths
from podman_llm.testing.runpod_pod import Schedule
from podman_llm.testing.runpod_server import RunpodConfig, RunpodServer
from podman_llm.testing.server_thread import ServerThread
from tests.cli.account import KEY, Account, write_config


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    config = RunpodConfig(api_key=KEY, schedule=Schedule(provision=0.0, start=3600.0))
    with ServerThread(RunpodServer(config)) as thread:
        write_config(tmp_path, thread.server.url)
        yield Account(thread.server, StatePaths(tmp_path / "state"))
