from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from podman_llm.cli import units
from podman_llm.cli.main import cli
from podman_llm.config.models import Settings
from podman_llm.errors import ConfigError, NotFound, PodmanLLMError, StillBilling
from podman_llm.host.clock import SystemClock
from podman_llm.host.sockets import bind_listener
from podman_llm.state.locks import is_held
from podman_llm.state.paths import StatePaths
from podman_llm.state.store import PodState, StateStore
from podman_llm.supervisor.units import DAEMON, SOCKET, UNITS, Scope, installed_scope, unit_dir
from tests.samples import a_record

_LOCAL = {"provider": {"kind": "local", "local_command": ["true"]}}


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """What a made-up ``systemctl`` was asked since the last call."""
    directory, log = tmp_path / "bin", tmp_path / "asked"
    directory.mkdir()
    log.touch()
    script = directory / "systemctl"
    script.write_text(
        f'#!/bin/sh\necho "$*" >> {log}\n'
        'case "$*" in *StatusText*) echo ActiveState=active; echo SubState=running;'
        " echo 'StatusText=READY = 1h left';; esac\n"
    )
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")

    def take() -> list[str]:
        lines = log.read_text().splitlines()
        log.write_text("")
        return lines

    return take


@pytest.fixture(autouse=True)
def _working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def port() -> int:
    with bind_listener("127.0.0.1", 0) as free:
        number: int = free.getsockname()[1]
    return number


@pytest.fixture
def state(tmp_path: Path) -> StatePaths:
    return StatePaths(tmp_path / "home" / ".local" / "state" / "podman-llm")


def _configure(port: int, **settings: object) -> None:
    Path("pod_config.json").write_text(json.dumps({"proxy_port": port, **_LOCAL, **settings}))


def _run(*arguments: str) -> Result:
    result = CliRunner().invoke(cli, ["service", *arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


# Rendering only ----------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", Scope)
def test_a_dry_run_prints_every_file_with_its_place_and_touches_nothing(
    scope: Scope, tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    out = _run("install", f"--{scope}", "--dry-run").output
    for name in UNITS:
        assert f"##### {unit_dir(scope)}/{name}\n" in out
    assert ("/etc/sysusers.d/podman-llm.conf" in out) == (scope is Scope.SYSTEM)
    assert sorted(tmp_path.rglob("*")) == before


def test_the_units_say_where_this_podman_llm_its_state_and_its_port_are(
    tmp_path: Path, port: int, state: StatePaths
) -> None:
    _configure(port)
    _run("install", "--user", "--output", "out")
    daemon = (tmp_path / "out" / DAEMON).read_text()
    command = f'"{sys.executable}" -m podman_llm daemon --state-dir "{state.root}"'
    assert f"\nExecStart={command}\n" in daemon
    assert f"\nListenStream=127.0.0.1:{port}\n" in (tmp_path / "out" / SOCKET).read_text()


def test_a_system_install_has_its_account_its_credential_and_the_drop_in(tmp_path: Path) -> None:
    _run("install", "--system", "--output", "out", "--on-failure", "/bin/tell %i")
    out = tmp_path / "out"
    assert "LoadCredential=" in (out / DAEMON).read_text()
    assert "/var/lib/podman-llm/.local/state/podman-llm" in (out / DAEMON).read_text()
    assert "u podman-llm" in (out / "sysusers.d" / "podman-llm.conf").read_text()
    drop_in = out / "podman-llm-notify@.service.d" / "command.conf"
    assert drop_in.read_text() == "[Service]\nExecStart=/bin/tell %i\n"


def test_without_a_systemd_the_files_are_printed_and_cron_is_named(
    port: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _configure(port)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(PodmanLLMError, match="Nothing was written") as refused:
        cli.main(["service", "install", "--user"], standalone_mode=False)
    assert "podman-llm watchdog" in refused.value.hint
    assert f"##### {unit_dir(Scope.USER)}/{DAEMON}" in capsys.readouterr().out
    assert not unit_dir(Scope.USER).exists()


# Installing --------------------------------------------------------------------------------------


def test_installing_writes_enables_and_starts(
    asked: Callable[[], list[str]], port: int, state: StatePaths
) -> None:
    _configure(port)
    out = _run("install", "--user").output
    assert f"http://localhost:{port}/v1" in out
    assert asked() == [
        "--user show --property=Version",
        "--user daemon-reload",
        "--user enable podman-llm-proxy.socket podman-llm.service podman-llm-reap.timer",
        "--user start podman-llm-proxy.socket podman-llm-reap.timer",
        "--user restart podman-llm.service",
    ]
    assert {path.name for path in unit_dir(Scope.USER).iterdir()} == set(UNITS)
    assert (unit_dir(Scope.USER) / DAEMON).stat().st_mode & 0o777 == 0o644
    assert installed_scope(state.root) is Scope.USER


def test_installing_again_restarts_the_daemon_only_and_keeps_the_drop_in(
    asked: Callable[[], list[str]], port: int
) -> None:
    _configure(port)
    _run("install", "--user", "--on-failure", "/bin/tell %i")
    asked()
    with bind_listener("127.0.0.1", port):  # by now systemd listens there
        _run("install", "--user")
    assert not [line for line in asked() if " stop " in line]
    drop_in = unit_dir(Scope.USER) / "podman-llm-notify@.service.d" / "command.conf"
    assert "/bin/tell" in drop_in.read_text()


def test_another_port_makes_the_socket_start_anew(
    asked: Callable[[], list[str]], port: int
) -> None:
    _configure(port)
    _run("install", "--user")
    _configure(port + 1)
    asked()
    _run("install", "--user")
    assert "--user stop podman-llm.service podman-llm-proxy.socket" in asked()
    assert f":{port + 1}\n" in (unit_dir(Scope.USER) / SOCKET).read_text()


def test_a_key_that_only_this_shell_has_is_not_enough(
    asked: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_only_in_this_shell")
    with pytest.raises(ConfigError, match="does not see this shell's variables") as refused:
        _run("install", "--user")
    assert "rpa_only" not in f"{refused.value}{refused.value.hint}"
    key = tmp_path / "home" / ".config" / "podman-llm" / "runpod_api_key"
    assert str(key) in refused.value.hint
    key.parent.mkdir(parents=True)
    key.touch(0o600)
    key.write_text("rpa_in_its_file")
    _run("install", "--user")
    assert "--user restart podman-llm.service" in asked()


def test_a_port_that_somebody_has_is_said_before_anything_is_written(
    asked: Callable[[], list[str]], port: int
) -> None:
    _configure(port)
    with bind_listener("127.0.0.1", port), pytest.raises(ConfigError, match=f"port {port} is"):
        _run("install", "--user")
    assert not unit_dir(Scope.USER).exists()
    assert asked() == ["--user show --property=Version"]


@pytest.fixture
def detached(state: StatePaths) -> Iterator[subprocess.Popen[bytes]]:
    """A daemon that somebody's ``up`` has started."""
    command = ["daemon", "--state-dir", str(state.root)]
    with subprocess.Popen([sys.executable, "-m", "podman_llm", *command]) as daemon:
        deadline = time.monotonic() + 20
        while not (is_held(state) and state.report.exists()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield daemon
        daemon.kill()


def test_a_detached_daemon_makes_way(
    asked: Callable[[], list[str]], port: int, state: StatePaths, detached: subprocess.Popen[bytes]
) -> None:
    _configure(port)
    assert "the pod goes on" in _run("install", "--user").output
    assert detached.wait(20) == 0
    assert not is_held(state)


def test_the_system_s_units_need_root_a_python_they_can_see_and_a_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert units._own_scope() is Scope.USER
    with pytest.raises(ConfigError, match="root's"):
        units._require_ready(Scope.SYSTEM, Settings())
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert units._own_scope() is Scope.SYSTEM
    monkeypatch.setattr(sys, "executable", "/home/me/.venv/bin/python")
    with pytest.raises(ConfigError, match=r"/home/me/\.venv/bin/python is in a home directory"):
        units._require_ready(Scope.SYSTEM, Settings())
    monkeypatch.setattr(units, "_HOMES", ("/nowhere",))
    monkeypatch.setattr(units, "SYSTEM_KEY", tmp_path / "key")
    with pytest.raises(ConfigError, match="no RunPod API key"):
        units._require_ready(Scope.SYSTEM, Settings())
    (tmp_path / "key").touch()
    units._require_ready(Scope.SYSTEM, Settings())


# Afterwards --------------------------------------------------------------------------------------


def test_status_shows_each_unit_and_what_it_says(asked: Callable[[], list[str]], port: int) -> None:
    _configure(port)
    _run("install", "--user")
    lines = _run("status", "--user").output.splitlines()
    assert lines[1].split() == [DAEMON, "active", "(running)", "READY", "=", "1h", "left"]
    assert len(lines) == 3


def test_status_fails_if_one_of_them_does_not_run(
    asked: Callable[[], list[str]], port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _configure(port)
    _run("install", "--user")
    monkeypatch.setattr(units, "systemctl", lambda *_, **__: "ActiveState=failed\n")
    with pytest.raises(PodmanLLMError, match="not every unit runs"):
        _run("status", "--user")


@pytest.mark.parametrize("command", ["status", "uninstall"])
def test_what_is_not_installed_is_not_found(command: str) -> None:
    with pytest.raises(NotFound) as refused:
        _run(command, "--user")
    assert "podman-llm service install --user" in refused.value.hint


def test_uninstalling_stops_and_removes_everything(
    asked: Callable[[], list[str]], port: int
) -> None:
    _configure(port)
    _run("install", "--user", "--on-failure", "/bin/tell %i")
    asked()
    _run("uninstall", "--user")
    assert asked() == [
        "--user disable --now podman-llm-proxy.socket podman-llm.service podman-llm-reap.timer",
        "--user daemon-reload",
    ]
    assert [path for path in unit_dir(Scope.USER).rglob("*") if path.is_file()] == []


def test_uninstalling_names_the_pod_that_goes_on(
    asked: Callable[[], list[str]], port: int, state: StatePaths
) -> None:
    _configure(port)
    _run("install", "--user")
    state.ensure()
    record = replace(a_record(), pod_id="pod1")
    StateStore(state, SystemClock()).save(PodState(current=record))
    with pytest.raises(StillBilling, match="pod pod1 may still be billing"):
        _run("uninstall", "--user")
    assert not (unit_dir(Scope.USER) / DAEMON).exists()
