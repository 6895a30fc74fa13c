from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from podman_llm.core.pulse import PulsePolicy
from podman_llm.core.restart import RestartPolicy
from podman_llm.host import process
from podman_llm.state.paths import StatePaths
from podman_llm.supervisor.slot import Slot, Upkeep, WorkerArgv
from podman_llm.testing.clock import FakeClock

Eventually = Callable[[Callable[[], bool]], None]
Make = Callable[..., Slot]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def make(
    paths: StatePaths,
    listener: socket.socket,
    clock: FakeClock,
    argv_of: Callable[[str], WorkerArgv],
) -> Iterator[Make]:
    made: list[Slot] = []

    def slot(mode: str = "plain", argv: WorkerArgv | None = None) -> Slot:
        upkeep = Upkeep(RestartPolicy(base=1.0), PulsePolicy(), paths.proxy_log)
        argv = argv or argv_of(mode)
        made.append(Slot(3, argv=argv, listen_fd=listener.fileno(), clock=clock, upkeep=upkeep))
        return made[-1]

    yield slot
    for each in made:
        each.kill()


def _pid(slot: Slot) -> int:
    assert slot.report.pid is not None
    return slot.report.pid


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _serves(slot: Slot) -> bool:
    slot.tend()
    return slot.is_serving


def _looks(slot: Slot, clock: FakeClock, number: int) -> None:
    for _ in range(number):
        clock.advance(0.5)
        slot.tend()


def _is_replaced(slot: Slot, victim: int | None) -> bool:
    slot.tend()
    return slot.report.pid not in (None, victim)


def test_it_serves_from_the_workers_first_sign_on(make: Make, eventually: Eventually) -> None:
    slot = make()
    slot.tend()
    assert not slot.is_empty
    assert not slot.is_serving
    eventually(lambda: _serves(slot))
    assert slot.report.slot == 3
    assert slot.report.restarts == 0


def test_what_hangs_is_replaced_and_counted(
    make: Make, clock: FakeClock, eventually: Eventually
) -> None:
    slot = make()
    eventually(lambda: _serves(slot))
    victim = _pid(slot)
    _freeze(victim, eventually)
    slot.tend()  # takes in what it said before
    _looks(slot, clock, 23)
    assert process.is_alive(victim)
    _looks(slot, clock, 1)
    eventually(lambda: _is_replaced(slot, victim))
    assert slot.report.restarts == 1
    assert process.create_time(victim) is None


def test_what_was_frozen_together_with_us_goes_on(
    make: Make, clock: FakeClock, eventually: Eventually
) -> None:
    slot = make()
    eventually(lambda: _serves(slot))
    pid = _pid(slot)
    _freeze(pid, eventually)
    slot.tend()
    for _ in range(20):
        clock.suspend(3600)
        slot.tend()
        clock.advance(3600)
        slot.tend()
    os.kill(pid, signal.SIGCONT)
    assert slot.report.pid == pid
    assert slot.report.restarts == 0


def test_nothing_is_started_in_the_place_of_one_that_is_seen_off(
    make: Make, clock: FakeClock, eventually: Eventually
) -> None:
    slot = make()
    slot.tend()
    slot.ask_to_end()

    def is_empty() -> bool:
        slot.see_off()
        clock.advance(0.05)
        return slot.is_empty

    eventually(is_empty)
    assert (slot.report.pid, slot.report.problem) == (None, "")


def test_a_command_that_does_not_exist_is_a_problem_not_a_crash(
    make: Make, paths: StatePaths, clock: FakeClock
) -> None:
    argv = [str(paths.root / "nothing")]
    slot = make(argv=lambda slot, fd, lifeline: argv)
    slot.tend()
    assert "worker 3 cannot be started: No such file" in slot.report.problem
    argv[:] = [sys.executable, "-c", "import time; time.sleep(60)"]
    _looks(slot, clock, 2)
    assert slot.report.pid is not None
    assert slot.report.problem == ""


def test_the_lifeline_of_a_worker_lasts_as_long_as_it(
    make: Make, clock: FakeClock, eventually: Eventually
) -> None:
    descriptors = _descriptors()
    slot = make()
    for _ in range(3):
        eventually(lambda: _serves(slot))
        pid = _pid(slot)
        os.kill(pid, signal.SIGKILL)
        eventually(partial(_ended, slot, pid))
        _looks(slot, clock, 10)
    slot.kill()
    assert _descriptors() == descriptors


def _ended(slot: Slot, pid: int) -> bool:
    slot.tend()
    return slot.report.pid != pid


def _freeze(pid: int, eventually: Eventually) -> None:
    """Return when it has said its last."""
    os.kill(pid, signal.SIGSTOP)
    eventually(lambda: os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT) is not None)
