from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from podman_llm.core.restart import RestartPolicy
from podman_llm.host import process
from podman_llm.host.clock import SystemClock
from podman_llm.state.paths import StatePaths
from podman_llm.supervisor.supervisor import Supervisor, WorkerArgv

Eventually = Callable[[Callable[[], bool]], None]
Start = Callable[..., Supervisor]


@pytest.fixture
def start(
    paths: StatePaths, listener: socket.socket, argv_of: Callable[[str], WorkerArgv]
) -> Iterator[Start]:
    started: list[Supervisor] = []

    def make(*, mode: str = "plain", workers: int = 1, grace: float = 5.0) -> Supervisor:
        supervisor = Supervisor(
            workers=workers,
            argv=argv_of(mode),
            listen_fd=listener.fileno(),
            log=paths.proxy_log,
            clock=SystemClock(),
            policy=RestartPolicy(base=0.05, ceiling=0.2, stable=5),
            grace=grace,
        )
        supervisor.start()
        started.append(supervisor)
        return supervisor

    yield make
    for supervisor in started:
        if supervisor._thread.is_alive():
            supervisor.stop()


def _pids(supervisor: Supervisor) -> list[int]:
    return [report.pid for report in supervisor.reports() if report.pid]


def _has_restarted(supervisor: Supervisor, times: int) -> bool:
    return supervisor.reports()[0].restarts == times


def _port(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


def test_every_slot_has_a_worker_from_the_start_and_clients_are_served(
    start: Start, listener: socket.socket, ask: Callable[[int], int]
) -> None:
    supervisor = start(workers=2)
    assert [report.slot for report in supervisor.reports()] == [0, 1]
    assert len(set(_pids(supervisor))) == 2
    assert ask(_port(listener)) in _pids(supervisor)


def test_a_killed_worker_is_replaced_and_only_it(start: Start, eventually: Eventually) -> None:
    supervisor = start(workers=2)
    victim, other = _pids(supervisor)
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: supervisor.reports()[0].restarts == 1)
    replacement, untouched = _pids(supervisor)
    assert replacement != victim
    assert untouched == other
    assert supervisor.reports()[1].restarts == 0


def test_killing_workers_under_load_refuses_no_connection(
    start: Start, listener: socket.socket, ask: Callable[[int], int], eventually: Eventually
) -> None:
    supervisor = start()
    port, served, lost, refused = _port(listener), set[int](), [], []
    done = threading.Event()

    def client() -> None:
        while not done.is_set():
            try:
                served.add(ask(port))
            except ConnectionRefusedError as err:
                refused.append(err)
            except (OSError, ValueError) as err:
                lost.append(err)  # it was being served by the worker that died

    threads = [threading.Thread(target=client) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        for kills in range(1, 5):
            eventually(lambda: served.issuperset(_pids(supervisor)))
            os.kill(_pids(supervisor)[0], signal.SIGKILL)
            eventually(partial(_has_restarted, supervisor, kills))
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert not refused
    assert len(served) >= 4
    assert len(lost) <= 4 * len(threads)


def test_stopping_leaves_no_process_behind_not_even_a_zombie(start: Start) -> None:
    supervisor = start(workers=2)
    pids = _pids(supervisor)
    supervisor.stop()
    assert [process.create_time(pid) for pid in pids] == [None, None]
    assert [report.pid for report in supervisor.reports()] == [None, None]


def test_who_does_not_go_is_killed_after_the_grace(
    start: Start, listener: socket.socket, ask: Callable[[int], int]
) -> None:
    supervisor = start(mode="stubborn", grace=0.2)
    pid = ask(_port(listener))
    supervisor.stop()
    assert process.create_time(pid) is None


def test_a_worker_that_cannot_work_is_tried_again_ever_slower_and_says_why(
    start: Start, paths: StatePaths, eventually: Eventually
) -> None:
    supervisor = start(mode="broken")
    eventually(lambda: supervisor.reports()[0].restarts >= 3)
    eventually(lambda: supervisor.reports()[0].pid is None)
    problem = supervisor.reports()[0].problem
    assert "worker 0 exited with 1; next start in " in problem
    assert str(paths.proxy_log) in problem
    assert "cannot work" in paths.proxy_log.read_text()


def test_a_command_that_does_not_exist_is_a_problem_not_a_crash(
    paths: StatePaths, eventually: Eventually
) -> None:
    argv = [str(paths.root / "nothing")]
    supervisor = Supervisor(
        workers=1,
        argv=lambda slot, fd, lifeline: argv,
        listen_fd=0,
        log=paths.proxy_log,
        clock=SystemClock(),
        policy=RestartPolicy(base=0.05, ceiling=0.05),
        grace=1,
    )
    supervisor.start()
    assert "cannot be started: No such file" in supervisor.reports()[0].problem
    argv[:] = [sys.executable, "-c", "import time; time.sleep(60)"]
    eventually(lambda: supervisor.reports()[0].pid is not None)
    assert supervisor.reports()[0].problem == ""
    supervisor.stop()


def test_the_lifeline_ends_for_the_workers_when_the_supervisor_lets_go(
    start: Start, listener: socket.socket, ask: Callable[[int], int], eventually: Eventually
) -> None:
    supervisor = start(mode="follower")
    pid = ask(_port(listener))
    os.close(supervisor._lifeline_held)
    eventually(lambda: supervisor.reports()[0].restarts >= 1)
    assert not process.is_alive(pid)
    supervisor._lifeline_held = os.dup(supervisor._lifeline)
