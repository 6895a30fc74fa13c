from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from podman_llm.host import process

_POLITE = "import sys; print('up', flush=True); sys.stdin.read()"
_STUBBORN = f"import signal; signal.signal(15, signal.SIG_IGN); {_POLITE}"


@pytest.fixture
def child(request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", request.param, "marker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as started:
        assert started.stdout is not None
        started.stdout.readline()
        yield started
        started.kill()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_the_listener_on_a_port_is_named(listener: socket.socket) -> None:
    found = process.listener_on(listener.getsockname()[1])
    assert found is not None
    assert found.pid == os.getpid()
    assert str(found) == f"{psutil.Process().name()} (pid {os.getpid()})"


def test_a_connected_socket_is_not_a_listener(listener: socket.socket) -> None:
    with socket.create_connection(listener.getsockname()) as client:
        assert process.listener_on(client.getsockname()[1]) is None


def test_without_privileges_our_own_listeners_are_still_found(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil, "net_connections", refuse)
    found = process.listener_on(listener.getsockname()[1])
    assert found is not None
    assert found.pid == os.getpid()


def test_who_listens_is_told_from_who_is_connected_or_gone(listener: socket.socket) -> None:
    port, created = listener.getsockname()[1], psutil.Process().create_time()
    with socket.create_connection(listener.getsockname()) as client:
        assert process.listens(os.getpid(), created, port)
        assert not process.listens(os.getpid(), created, client.getsockname()[1])
    assert not process.listens(os.getpid(), created - 100, port)


def test_what_a_process_hides_is_not_seen(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise psutil.AccessDenied

    created = psutil.Process().create_time()
    monkeypatch.setattr(psutil.Process, "net_connections", refuse)
    assert not process.listens(os.getpid(), created, listener.getsockname()[1])


def test_an_unknown_holder_is_still_a_sentence() -> None:
    assert str(process.Listener(None, "")) == "another process"


@pytest.mark.parametrize("child", [_POLITE], indirect=True)
def test_a_pid_with_another_creation_time_is_another_process(
    child: subprocess.Popen[str],
) -> None:
    created = process.create_time(child.pid)
    assert created is not None
    assert process.is_alive(child.pid)
    assert process.is_alive(child.pid, created)
    assert not process.is_alive(child.pid, created - 60)
    process.ask_to_end(child.pid, created - 60)
    assert process.terminate(child.pid, created - 60, grace=0)
    assert child.poll() is None


@pytest.mark.parametrize("child", [_POLITE], indirect=True)
def test_an_ended_process_is_not_alive_although_nobody_waited_for_it(
    child: subprocess.Popen[str],
) -> None:
    created = process.create_time(child.pid)
    assert created is not None
    process.ask_to_end(child.pid, created)
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not process.is_alive(child.pid, created)


@pytest.mark.parametrize("child", [_POLITE, _STUBBORN], indirect=True)
def test_terminate_ends_the_polite_and_the_stubborn(child: subprocess.Popen[str]) -> None:
    created = process.create_time(child.pid)
    assert created is not None
    assert process.command_of(child.pid)[-1] == "marker"
    assert process.terminate(child.pid, created, grace=0.2)
    assert not process.is_alive(child.pid)
    assert process.terminate(child.pid, created, grace=0.2)


def test_of_a_process_that_never_was_nothing_is_known() -> None:
    nobody = 2**22 + 1
    assert not process.is_alive(nobody)
    assert process.create_time(nobody) is None
    assert process.command_of(nobody) == ()
