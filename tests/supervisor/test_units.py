"""The units are judged by systemd's own tools, which must be there: no test is skipped."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from podman_llm.supervisor.units import (
    DAEMON,
    ON_FAILURE,
    SOCKET,
    SYSTEM_KEY,
    UNITS,
    Scope,
    Site,
    installed_scope,
    listen_address,
    on_failure,
    render,
    sysusers,
    unit_dir,
)

_THRESHOLD = 15
"""Tenths: at most an exposure of 1.5."""

_SITE = Site(
    python=Path(sys.executable),
    state_dir=Path("/var/lib/podman-llm/state"),
    listen="127.0.0.1:8000",
    key_file=SYSTEM_KEY,
)
_SERVICES = [name for name in UNITS if name.endswith(".service")]


def _analyze(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    tool = shutil.which("systemd-analyze")
    assert tool, "systemd-analyze is missing: `apt-get install systemd`, then run this again"
    runtime = directory / "runtime"
    runtime.mkdir(exist_ok=True)
    return subprocess.run(
        [tool, *arguments],
        env={**os.environ, "XDG_RUNTIME_DIR": str(runtime), "SYSTEMD_LOG_LEVEL": "info"},
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )


def _write(directory: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


# What systemd says of them -----------------------------------------------------------------------


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("key_file", [SYSTEM_KEY, None])
def test_systemd_has_no_complaint(tmp_path: Path, scope: Scope, key_file: Path | None) -> None:
    odd = tmp_path / 'a "state" of 100% $HOME'
    site = Site(_SITE.python, odd, "[::1]:8000", key_file)
    _write(tmp_path, render(scope, site) | {ON_FAILURE: on_failure("/bin/echo %i")})
    flags = ["--user"] if scope is Scope.USER else []
    judged = _analyze(tmp_path, "verify", *flags, *(f"./{name}" for name in UNITS))
    assert (judged.returncode, judged.stdout, judged.stderr) == (0, "", "")


def test_a_complaint_would_be_seen(tmp_path: Path) -> None:
    broken = render(Scope.SYSTEM, _SITE)[DAEMON].replace("Restart=", "Restrat=")
    _write(tmp_path, {DAEMON: broken})
    assert "Restrat" in _analyze(tmp_path, "verify", f"./{DAEMON}").stderr


@pytest.mark.parametrize("name", _SERVICES)
def test_a_system_service_is_exposed_to_1_5_at_most(tmp_path: Path, name: str) -> None:
    _write(tmp_path, render(Scope.SYSTEM, _SITE))
    judged = _analyze(
        tmp_path, "security", "--offline=true", f"--threshold={_THRESHOLD}", "--no-pager", name
    )
    assert judged.returncode == 0, judged.stdout
    assert "Overall exposure level" in judged.stdout


# What they say -----------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("name", UNITS)
def test_every_placeholder_is_filled_and_every_setting_has_its_reason(
    name: str, scope: Scope
) -> None:
    text = render(scope, _SITE)[name]
    assert not re.search(r"@[A-Z_]+@", text)
    for block in text.split("\n\n"):
        settings = [line for line in block.splitlines() if re.match(r"[A-Z]\w+=", line)]
        reasons = [line for line in block.splitlines() if line.startswith("#")]
        described = [line for line in settings if not line.startswith("Description=")]
        assert reasons or not described, block


def test_the_daemon_is_kept_as_the_promise_needs_it() -> None:
    text = render(Scope.SYSTEM, _SITE)[DAEMON]
    for line in (
        "Type=notify",
        "WatchdogSec=90",
        "Restart=always",
        "StartLimitIntervalSec=0",
        "KillMode=process",
        "Sockets=podman-llm-proxy.socket",
        "Wants=podman-llm-proxy.socket",
        "OnFailure=podman-llm-notify@%n.service",
        "LoadCredential=runpod_api_key:/etc/podman-llm/runpod_api_key",
        "WantedBy=multi-user.target",
        "User=podman-llm",
    ):
        assert f"\n{line}\n" in text
    assert "Requires=" not in text


def test_a_person_s_units_ask_for_nothing_that_needs_root() -> None:
    text = "".join(render(Scope.USER, Site(_SITE.python, _SITE.state_dir, _SITE.listen)).values())
    assert "LoadCredential=" not in text
    assert "\nUser=" not in text
    assert "WantedBy=default.target" in text
    assert "NoNewPrivileges=yes" in text


def test_the_socket_is_the_endpoint_s_and_has_the_name_the_daemon_looks_for() -> None:
    text = render(Scope.USER, _SITE)[SOCKET]
    assert "\nListenStream=127.0.0.1:8000\n" in text
    assert "\nFileDescriptorName=proxy\n" in text


def test_an_ipv6_address_is_put_in_brackets() -> None:
    assert listen_address("::1", 8000) == "[::1]:8000"
    assert listen_address("127.0.0.1", 8000) == "127.0.0.1:8000"


def test_the_account_has_no_shell_and_its_home_is_the_state_directory_of_the_units() -> None:
    (line,) = [each for each in sysusers().splitlines() if not each.startswith("#")]
    assert line.startswith("u podman-llm - ")
    assert line.endswith(" /var/lib/podman-llm")


# Where they are ----------------------------------------------------------------------------------


def test_units_are_known_by_the_state_directory_they_look_after(tmp_path: Path) -> None:
    ours, other = tmp_path / "50% ours", tmp_path / "50% ours too"
    assert installed_scope(ours) is None
    directory = unit_dir(Scope.USER)
    assert directory == tmp_path / "home" / ".config" / "systemd" / "user"
    directory.mkdir(parents=True)
    _write(directory, render(Scope.USER, Site(_SITE.python, ours, _SITE.listen)))
    assert installed_scope(ours) is Scope.USER
    assert installed_scope(other) is None


def test_system_units_are_the_administrator_s() -> None:
    assert unit_dir(Scope.SYSTEM) == Path("/etc/systemd/system")
