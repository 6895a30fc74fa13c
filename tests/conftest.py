"""What every test has: no network beyond loopback, no environment of the person running it."""

from __future__ import annotations

import ipaddress
import os
import socket
from pathlib import Path
from typing import Any

import pytest

_OWN_VARIABLES = ("RUNPOD_", "PODMAN_LLM_", "CACHE_", "MAX_CACHE_SIZE", "XDG_")


def _refuse_far_hosts(address: Any) -> None:
    if not isinstance(address, tuple):
        return  # a unix socket
    host = str(address[0])
    if host in {"localhost", ""}:
        return
    if not ipaddress.ip_address(host).is_loopback:
        raise AssertionError(f"a test tried to reach {host}: only loopback is allowed")


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def guarded(self: socket.socket, address: Any) -> None:
        _refuse_far_hosts(address)
        connect(self, address)

    def guarded_ex(self: socket.socket, address: Any) -> int:
        _refuse_far_hosts(address)
        return connect_ex(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
    monkeypatch.setattr(socket.socket, "connect_ex", guarded_ex)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(_OWN_VARIABLES):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))


@pytest.fixture
def recordings() -> Path:
    """The bytes recorded from real servers and clients."""
    return Path(__file__).parent / "recordings"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the proof counted: which schedules, which seeds, what they found."""
    told = [
        str(value)
        for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
        if report.when == "call"
        for name, value in report.user_properties
        if name == "proof"
    ]
    if told:
        terminalreporter.section("proof")
        for line in sorted(told):
            terminalreporter.write_line(line)
