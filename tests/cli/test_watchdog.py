from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from podman_llm.cli.main import cli
from podman_llm.config.models import ProviderSettings, Settings
from podman_llm.host.sockets import bind_listener
from podman_llm.state.desired import Desired, save_desired
from podman_llm.state.locks import is_held
from podman_llm.state.paths import StatePaths
from podman_llm.state.report import load_report


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    paths = StatePaths(tmp_path / "state")
    paths.ensure()
    return paths


def _watchdog(paths: StatePaths, *, code: int = 0) -> str:
    """As cron does: the daemon outlives the process that started it."""
    done = subprocess.run(
        [sys.executable, "-m", "podman_llm", "--state-dir", str(paths.root), "watchdog"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def _want(paths: StatePaths, port: int) -> None:
    provider = ProviderSettings(kind="local", local_command=("sleep", "600"), settle_seconds=0.2)
    settings = Settings(proxy_port=port, provider=provider, poll_interval_seconds=0.1)
    dumped = json.loads(settings.model_dump_json(by_alias=True))
    save_desired(paths, Desired(generation=1, want="up", settings=dumped, requested_at=0.0))


def test_where_nothing_should_run_nothing_is_started(paths: StatePaths) -> None:
    assert _watchdog(paths).startswith("Nothing to do: nothing is wanted")
    assert not is_held(paths)


def test_a_daemon_that_cannot_stay_is_no_success(paths: StatePaths) -> None:
    with bind_listener("127.0.0.1", 0) as taken:
        _want(paths, taken.getsockname()[1])
        told = _watchdog(paths, code=1)
    assert "the daemon was started and left:" in told
    assert "daemon.stopped" in told


def test_a_wish_that_cannot_be_read_is_exit_3(paths: StatePaths) -> None:
    paths.desired.write_bytes(b"{")
    assert "desired.json" in _watchdog(paths, code=3)


def test_the_help_says_what_the_exit_codes_mean() -> None:
    text = CliRunner().invoke(cli, ["watchdog", "--help"]).output
    assert "Exits 0 when all is well or the daemon was started, 1 when it cannot be" in text


def test_a_missing_daemon_is_started_once(paths: StatePaths) -> None:
    with bind_listener("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    _want(paths, port)
    assert "Started the daemon: no daemon runs, and a pod is wanted" in _watchdog(paths)
    try:
        assert _watchdog(paths).startswith("Nothing to do: the daemon runs")
    finally:
        _end(paths)


def _end(paths: StatePaths) -> None:
    """Ask for the pod's end and wait until nobody is left."""
    wish = Desired.model_validate_json(paths.desired.read_bytes())
    save_desired(paths, wish.model_copy(update={"want": "down", "now": True}))
    deadline = time.monotonic() + 40
    while is_held(paths) and time.monotonic() < deadline:
        time.sleep(0.05)
    report = load_report(paths)
    if is_held(paths) and report:
        os.kill(report.pid, signal.SIGKILL)
        raise AssertionError(f"the daemon did not leave: {report.note}")
