from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from podman_llm.core.pulse import PulsePolicy
from podman_llm.core.restart import RestartPolicy
from podman_llm.host import process
from podman_llm.host.clock import SystemClock
from podman_llm.host.sockets import require_free
from podman_llm.state.paths import StatePaths
from podman_llm.supervisor.slot import Upkeep, WorkerArgv
from podman_llm.supervisor.supervisor import Supervisor

Eventually = Callable[[Callable[[], bool]], None]
Start = Callable[..., Supervisor]
_PATIENT = PulsePolicy()


@pytest.fixture
def start(
    paths: StatePaths, listener: socket.socket, argv_of: Callable[[str], WorkerArgv]
) -> Iterator[Start]:
    started: list[Supervisor] = []

    def make(
        *,
        mode: str = "plain",
        workers: int = 1,
        grace: float = 5.0,
        pulse: PulsePolicy = _PATIENT,
        once_serving: Callable[[], None] = lambda: None,
    ) -> Supervisor:
        supervisor = Supervisor(
            slots=range(workers),
            argv=argv_of(mode),
            listener=listener,
            clock=SystemClock(),
            upkeep=Upkeep(RestartPolicy(base=0.05, ceiling=0.2, stable=5), pulse, paths.proxy_log),
            grace=grace,
            once_serving=once_serving,
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
    assert supervisor.reports() == ()
    assert supervisor.is_over


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


@pytest.mark.parametrize("mode", ["plain", "stubborn"])
def test_a_worker_that_hangs_is_replaced_and_the_next_client_is_served(
    start: Start,
    listener: socket.socket,
    ask: Callable[[int], int],
    eventually: Eventually,
    mode: str,
) -> None:
    supervisor = start(mode=mode, pulse=PulsePolicy(silent=1.0))
    victim = ask(_port(listener))
    os.kill(victim, signal.SIGSTOP)
    assert ask(_port(listener)) != victim
    eventually(partial(_has_restarted, supervisor, 1))
    assert process.create_time(victim) is None


def test_a_worker_that_never_gave_a_sign_has_longer_and_says_why_it_was_ended(
    start: Start, paths: StatePaths, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    supervisor = start(mode="mute", pulse=PulsePolicy(starting=1.0, silent=0.1))
    eventually(partial(_has_restarted, supervisor, 2))
    ends = [record for record in caplog.records if record.getMessage() == "worker.ended"]
    assert {vars(end)["problem"] for end in ends} == {
        "worker 0 hung: it gave no sign of life for 1 s"
    }


def test_a_worker_that_hangs_while_it_is_to_end_is_not_waited_for(
    start: Start, listener: socket.socket, ask: Callable[[int], int]
) -> None:
    supervisor = start(grace=3600, pulse=PulsePolicy(silent=1.0))
    pid = ask(_port(listener))
    os.kill(pid, signal.SIGSTOP)
    supervisor.stop()
    assert process.create_time(pid) is None


def test_it_is_told_once_that_every_worker_serves(start: Start, eventually: Eventually) -> None:
    told: list[float] = []
    supervisor = start(workers=2, once_serving=lambda: told.append(0.0))
    eventually(lambda: bool(told))
    os.kill(_pids(supervisor)[0], signal.SIGKILL)
    eventually(partial(_has_restarted, supervisor, 1))
    assert supervisor.is_serving
    supervisor.stop()
    assert len(told) == 1
    assert not supervisor.is_serving


def test_workers_that_never_serve_are_never_told_of(start: Start) -> None:
    told: list[float] = []
    supervisor = start(mode="broken", once_serving=lambda: told.append(0.0))
    assert not supervisor.is_serving
    supervisor.stop()
    assert told == []


def test_the_port_is_held_until_the_workers_are_asked_to_end(
    start: Start, listener: socket.socket, ask: Callable[[int], int]
) -> None:
    supervisor, port = start(mode="draining"), _port(listener)
    listener.close()
    pid = ask(port)
    supervisor.ask_to_end()
    assert not supervisor.is_over
    assert [(report.pid, report.is_leaving) for report in supervisor.reports()] == [(pid, True)]
    os.kill(pid, signal.SIGKILL)
    supervisor.stop()
    require_free("127.0.0.1", port)
