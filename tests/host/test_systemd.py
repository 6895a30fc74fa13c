from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from podman_llm.errors import ConfigError
from podman_llm.host.sockets import bind_listener, require_free
from podman_llm.host.systemd import Notifier, hold_passed


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """systemd's end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "notify"))
        listening.settimeout(5)
        yield listening


def _heard(manager: socket.socket) -> list[str]:
    return manager.recv(4096).decode().split("\n")


# Telling -----------------------------------------------------------------------------------------


def test_a_good_turn_makes_the_unit_ready_and_the_watchdog_content(manager: socket.socket) -> None:
    Notifier(manager.getsockname(), 90).running("READY, 1h left", is_well=True)
    assert _heard(manager) == ["READY=1", "STATUS=READY, 1h left", "WATCHDOG=1"]


def test_a_bad_turn_leaves_the_watchdog_waiting(manager: socket.socket) -> None:
    Notifier(manager.getsockname(), 90).running("the disk\nis full", is_well=False)
    assert _heard(manager) == ["READY=1", "STATUS=the disk is full"]


def test_reloading_and_stopping_are_told_with_their_times(manager: socket.socket) -> None:
    notifier = Notifier(manager.getsockname())
    notifier.reloading(12.5)
    assert _heard(manager) == ["RELOADING=1", "MONOTONIC_USEC=12500000"]
    notifier.stopping("draining", within=70)
    assert _heard(manager) == ["STOPPING=1", "STATUS=draining", "EXTEND_TIMEOUT_USEC=70000000"]


def test_turns_begin_three_times_in_the_time_the_watchdog_allows() -> None:
    assert Notifier("/x", 90).pace == 30
    assert Notifier("/x", None).pace == math.inf


def test_the_watchdog_is_asked_to_bear_turns_longer_than_itself(manager: socket.socket) -> None:
    notifier = Notifier(manager.getsockname(), 90)
    notifier.expect_turns_of(59)
    notifier.expect_turns_of(420)
    assert _heard(manager) == ["WATCHDOG_USEC=450000000"]


def test_an_abstract_socket_is_reached() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(f"\0podman-llm-test-{os.getpid()}")
        listening.settimeout(5)
        Notifier(f"@podman-llm-test-{os.getpid()}").reloading(0)
        assert _heard(listening)[0] == "RELOADING=1"


def test_a_manager_that_is_gone_or_deaf_stops_nobody(manager: socket.socket) -> None:
    Notifier("/nowhere/at/all").running("x", is_well=True)
    Notifier(None).running("x", is_well=True)
    assert not Notifier(None).is_kept
    deaf = Notifier(manager.getsockname())
    manager.setblocking(False)
    told = 0
    while _is_room(manager, told):
        deaf.reloading(told)
        told += 1
    assert told > 1


def _is_room(manager: socket.socket, told: int) -> bool:
    """Until the queue is full, which the next message must survive."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as probe:
        probe.setblocking(False)
        try:
            probe.sendto(b"x", manager.getsockname())
        except BlockingIOError:
            Notifier(manager.getsockname()).reloading(told)
            return False
    return True


# Sockets -----------------------------------------------------------------------------------------

_ACTIVATE = str(Path(__file__).with_name("activate.py"))

_PASSED = """
import json, os, sys
from podman_llm.host.systemd import passed_sockets
sockets = passed_sockets(sys.argv[1].split(":"))
print(json.dumps({name: [each.fileno(), each.getsockname()[1], os.get_inheritable(each.fileno())]
                  for name, each in sockets.items()}))
"""


def test_sockets_are_taken_from_descriptor_three_on_and_kept_from_children() -> None:
    with bind_listener("127.0.0.1", 0) as one, bind_listener("127.0.0.1", 0) as two:
        sockets = f"one={one.fileno()},two={two.fileno()}"
        out = subprocess.run(
            [sys.executable, _ACTIVATE, sockets, sys.executable, "-c", _PASSED, "one:two"],
            pass_fds=(one.fileno(), two.fileno()),
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        ports = [each.getsockname()[1] for each in (one, two)]
    assert out == f'{{"one": [3, {ports[0]}, false], "two": [4, {ports[1]}, false]}}\n'


def test_letting_go_of_a_passed_socket_does_not_free_its_port() -> None:
    with bind_listener("127.0.0.1", 0) as passed:
        port: int = passed.getsockname()[1]
        hold_passed(passed, "localhost", port).close()
        with pytest.raises(ConfigError):
            require_free("127.0.0.1", port)
        with socket.create_connection(("127.0.0.1", port)):
            passed.accept()[0].close()


@pytest.mark.parametrize(("host", "by"), [("127.0.0.1", 1), ("127.0.0.2", 0)])
def test_a_socket_elsewhere_is_no_socket_for_us(host: str, by: int) -> None:
    with bind_listener("127.0.0.1", 0) as passed:
        port: int = passed.getsockname()[1]
        with pytest.raises(ConfigError, match=f"listens on 127.0.0.1 port {port}") as refused:
            hold_passed(passed, host, port + by)
    assert "podman-llm service install" in refused.value.hint


def test_a_host_that_is_none_is_named() -> None:
    with bind_listener("127.0.0.1", 0) as passed, pytest.raises(ConfigError, match="no such host"):
        hold_passed(passed, "no such host", 1)
