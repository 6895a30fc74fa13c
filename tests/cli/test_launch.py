from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from podman_llm.cli import launch
from podman_llm.cli.launch import spawn_detached, tail
from podman_llm.errors import PodmanLLMError
from podman_llm.state.locks import ControllerLock
from podman_llm.state.paths import StatePaths
from podman_llm.supervisor.units import DAEMON, Scope, Site, render, unit_dir
from podman_llm.testing.clock import FakeClock


def test_a_detached_process_writes_to_its_log_and_has_its_own_session(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "x.log"
    process = spawn_detached(["--version"], log)
    assert process.wait(timeout=20) == 0
    assert tail(log).startswith("podman-llm ")


def test_the_tail_of_a_missing_log_is_empty(tmp_path: Path) -> None:
    assert tail(tmp_path / "none.log") == ""


def test_the_tail_is_the_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("\n".join(str(n) for n in range(100)))
    assert tail(log, 2) == "98\n99"


def test_where_units_are_installed_systemd_starts_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = StatePaths(tmp_path / "state")
    paths.ensure()
    site = Site(Path(sys.executable), paths.root, "127.0.0.1:8000")
    unit = unit_dir(Scope.USER) / DAEMON
    unit.parent.mkdir(parents=True)
    unit.write_text(render(Scope.USER, site)[DAEMON])
    asked: list[tuple[str, ...]] = []
    lock = ControllerLock(paths)

    def systemctl(*arguments: str, is_user: bool) -> str:
        asked.append((*arguments, f"user={is_user}"))
        lock.acquire()
        return ""

    monkeypatch.setattr(launch, "systemctl", systemctl)
    try:
        is_gone = launch.ensure_daemon(paths, FakeClock())
        assert asked == [("start", "--no-block", DAEMON, "user=True")]
        assert not is_gone()
    finally:
        lock.release()
    assert is_gone()


def test_a_daemon_that_another_up_started_first_is_not_taken_for_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = StatePaths(tmp_path / "state")
    paths.ensure()
    lock = ControllerLock(paths)

    def spawn_second(*_: object) -> subprocess.Popen[bytes]:
        lock.acquire()
        second = subprocess.Popen([sys.executable, "-c", ""])
        second.wait()
        return second

    monkeypatch.setattr(launch, "spawn_detached", spawn_second)
    try:
        is_gone = launch.ensure_daemon(paths, FakeClock())
        assert not is_gone()
    finally:
        lock.release()
    assert is_gone()


def test_a_unit_that_does_not_come_up_is_told_with_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = StatePaths(tmp_path / "state")
    paths.ensure()
    paths.daemon_log.write_text("why it failed\n")
    monkeypatch.setattr(launch, "installed_scope", lambda _: Scope.SYSTEM)
    monkeypatch.setattr(launch, "systemctl", lambda *_, **__: "")
    with pytest.raises(PodmanLLMError, match="why it failed"):
        launch.ensure_daemon(paths, FakeClock())
