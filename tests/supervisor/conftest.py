"""State, a socket, and supervisors that are stopped whatever happens."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from podman_llm.host.sockets import bind_listener
from podman_llm.state.paths import StatePaths
from podman_llm.supervisor.slot import WorkerArgv


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    made = StatePaths(tmp_path / "state")
    made.ensure()
    return made


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with bind_listener("127.0.0.1", 0) as made:
        yield made


@pytest.fixture
def argv_of(paths: StatePaths) -> Callable[[str], WorkerArgv]:
    """The argv of workers of this state directory, by their mode."""
    script = str(Path(__file__).with_name("worker.py"))

    def of(mode: str) -> WorkerArgv:
        def argv(slot: int, fd: int, lifeline: int) -> list[str]:
            state_dir = str(paths.root)
            return [
                sys.executable,
                script,
                "worker",
                state_dir,
                f"{slot}",
                f"{fd}",
                f"{lifeline}",
                mode,
            ]

        return argv

    return of


@pytest.fixture
def ask() -> Callable[[int], int]:
    """Connect to a port of this machine: the pid of the worker that answered."""

    def served_by(port: int) -> int:
        with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
            client.sendall(b"?")
            return int(client.recv(100))

    return served_by


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], None]:
    """Wait until another process or thread has come so far."""

    def wait(claim: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not claim():
            assert time.monotonic() < deadline, "it never came true"
            time.sleep(0.01)

    return wait
