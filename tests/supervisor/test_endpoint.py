from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

import podman_llm.supervisor.endpoint as endpoint_module
from podman_llm.config.models import ProxySettings, Settings
from podman_llm.core.restart import RestartPolicy
from podman_llm.errors import ConfigError
from podman_llm.host import process, sockets
from podman_llm.host.clock import SystemClock
from podman_llm.host.sockets import bind_listener, require_free
from podman_llm.state.paths import StatePaths
from podman_llm.state.report import DaemonReport, save_report
from podman_llm.supervisor.endpoint import Endpoint, free_slots
from podman_llm.supervisor.lifeline import Lifeline
from podman_llm.supervisor.slot import WorkerArgv

Ask = Callable[[int], int]
Eventually = Callable[[Callable[[], bool]], None]
Make = Callable[..., Endpoint]


@pytest.fixture
def make(paths: StatePaths, argv_of: Callable[[str], WorkerArgv]) -> Iterator[Make]:
    made: list[Endpoint] = []

    def endpoint(mode: str = "plain") -> Endpoint:
        made.append(
            Endpoint(
                paths=paths,
                clock=SystemClock(),
                argv=argv_of(mode),
                bind=bind_listener,
                policy=RestartPolicy(),
            )
        )
        return made[-1]

    yield endpoint
    for each in made:
        each.close()


def _settings(port: int, changes: dict[str, object] | None = None, workers: int = 1) -> Settings:
    proxy = ProxySettings(workers=workers, drain_seconds=0)
    return Settings.model_validate({"proxy_port": port, "proxy": proxy} | (changes or {}))


def _free_port() -> int:
    with bind_listener("127.0.0.1", 0) as taken:
        port: int = taken.getsockname()[1]
    return port


def _pids(endpoint: Endpoint) -> set[int]:
    return {report.pid for report in endpoint.reports() if report.pid}


def test_it_serves_from_the_first_follow_on(make: Make, ask: Ask) -> None:
    endpoint, port = make(), _free_port()
    assert not endpoint.is_open
    endpoint.follow(_settings(port))
    assert {ask(port)} == _pids(endpoint)


def test_closing_ends_the_workers_and_gives_the_port_back(make: Make) -> None:
    endpoint, port = make(), _free_port()
    endpoint.follow(_settings(port))
    (pid,) = _pids(endpoint)
    assert endpoint.is_open
    endpoint.close()
    assert (endpoint.is_open, endpoint.reports()) == (False, ())
    assert process.create_time(pid) is None
    require_free("127.0.0.1", port)


def test_who_comes_while_the_last_answers_finish_is_refused_and_does_not_wait(
    make: Make, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint_module, "_MARGIN_SECONDS", 1.0)
    endpoint, port = make("draining"), _free_port()
    endpoint.follow(_settings(port))
    assert {ask(port)} == _pids(endpoint)
    with ThreadPoolExecutor() as pool:
        closing = pool.submit(endpoint.close)
        refused = False
        while not refused:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=5).close()
            except ConnectionRefusedError:
                refused = True
            except ConnectionResetError:
                continue  # it came in the very moment
        assert closing.running()


@pytest.mark.parametrize("change", [{}, {"runtime_seconds": 7200}, {"gpu_type_id": "other"}])
def test_settings_that_are_not_the_workers_leave_them_alone(
    make: Make, change: dict[str, object]
) -> None:
    endpoint, port = make(), _free_port()
    endpoint.follow(_settings(port))
    before = _pids(endpoint)
    endpoint.follow(_settings(port, change))
    assert _pids(endpoint) == before


def _serving(endpoint: Endpoint) -> set[int]:
    return {one.pid for one in endpoint.reports() if one.pid and not one.is_leaving}


def test_other_settings_of_the_workers_start_them_again_on_the_same_socket(
    make: Make, ask: Ask, eventually: Eventually
) -> None:
    endpoint, port = make(), _free_port()
    endpoint.follow(_settings(port))
    before = _pids(endpoint)
    endpoint.follow(_settings(port, {"max_cache_size": 5}, workers=2))
    eventually(lambda: not _pids(endpoint) & before)
    assert len(_pids(endpoint)) == 2
    assert ask(port) in _pids(endpoint)


def test_who_comes_while_the_old_finish_their_answers_is_served_by_the_new(
    make: Make, ask: Ask, eventually: Eventually
) -> None:
    endpoint, port = make("draining"), _free_port()
    endpoint.follow(_settings(port))
    old = ask(port)
    endpoint.follow(_settings(port, {"max_cache_size": 5}))
    eventually(lambda: old not in _serving(endpoint))
    assert {ask(port) for _ in range(5)} == _serving(endpoint)
    leaving = [report for report in endpoint.reports() if report.is_leaving]
    assert [(report.pid, report.slot) for report in leaving] == [(old, 0)]
    assert [report.slot for report in endpoint.reports()] == [0, 1]
    os.kill(old, signal.SIGKILL)
    eventually(lambda: _pids(endpoint) == _serving(endpoint))
    endpoint.follow(_settings(port, {"max_cache_size": 6}))
    eventually(lambda: {report.slot for report in endpoint.reports()} == {0, 1})
    for pid in _pids(endpoint):
        os.kill(pid, signal.SIGKILL)


def test_the_old_serve_until_the_new_do(make: Make, ask: Ask, eventually: Eventually) -> None:
    endpoint, port = make(), _free_port()
    endpoint.follow(_settings(port))
    old = ask(port)
    well = endpoint._argv
    endpoint._argv = lambda *_: [sys.executable, "-c", "raise SystemExit(7)"]
    endpoint.follow(_settings(port, {"max_cache_size": 5}))
    eventually(lambda: "exited with 7" in endpoint.reports()[-1].problem)
    assert ask(port) == old
    endpoint._argv = well
    endpoint.follow(_settings(port, {"max_cache_size": 6}))
    eventually(lambda: old not in _pids(endpoint))
    assert ask(port) in _serving(endpoint)
    assert [report.problem for report in endpoint.reports()] == [""]


def test_where_the_old_cannot_go_on_beside_the_new_they_stop_accepting_first(
    make: Make, ask: Ask, eventually: Eventually
) -> None:
    endpoint, port = make("draining"), _free_port()
    endpoint.follow(_settings(port))
    old = ask(port)
    tls = {"use_https": True, "ssl_cert": "cert.pem", "ssl_key": "key.pem"}
    endpoint.follow(_settings(port, tls))
    assert old not in _serving(endpoint)
    assert old in _pids(endpoint)
    assert ask(port) in _serving(endpoint)
    for pid in _pids(endpoint):
        os.kill(pid, signal.SIGKILL)


def test_another_port_is_taken_before_the_old_one_is_given_up(
    make: Make, ask: Ask, eventually: Eventually
) -> None:
    endpoint, old, new = make(), _free_port(), _free_port()
    endpoint.follow(_settings(old))
    first = ask(old)
    endpoint.follow(_settings(new))
    assert ask(new) in _pids(endpoint)
    eventually(lambda: first not in _pids(endpoint))
    require_free("127.0.0.1", old)
    with bind_listener("127.0.0.1", 0) as foreign:
        before = _pids(endpoint)
        with pytest.raises(ConfigError, match=f"pid {os.getpid()}"):
            endpoint.follow(_settings(foreign.getsockname()[1]))
    assert _pids(endpoint) == before
    assert ask(new) in before


def test_a_worker_has_no_slot_of_an_orphan_that_finishes_its_answers(
    make: Make, ask: Ask, paths: StatePaths, argv_of: Callable[[str], WorkerArgv]
) -> None:
    port = _free_port()
    with _orphan(paths, argv_of("draining"), port) as worker:
        assert ask(port) == worker.pid
        endpoint = make()
        endpoint.follow(_settings(port))
        assert [report.slot for report in endpoint.reports()] == [1]
        worker.kill()


@pytest.mark.parametrize(
    ("in_use", "number", "free"),
    [(set(), 2, (0, 1)), ({0}, 1, (1,)), ({0, 1, 3}, 3, (2, 4, 5)), ({1}, 2, (0, 2))],
)
def test_the_lowest_slots_that_nobody_has_are_free(
    in_use: set[int], number: int, free: tuple[int, ...]
) -> None:
    assert free_slots(in_use, number) == free


def test_it_can_be_opened_again(make: Make, ask: Ask) -> None:
    endpoint, port = make(), _free_port()
    for _ in range(2):
        endpoint.follow(_settings(port))
        assert ask(port) in _pids(endpoint)
        endpoint.close()


def _orphan(paths: StatePaths, argv: WorkerArgv, port: int) -> subprocess.Popen[bytes]:
    """A worker on ``port`` whose daemon is gone, as the killed one has reported it."""
    lifeline = Lifeline()
    with bind_listener("127.0.0.1", port) as listener:
        fds = (listener.fileno(), lifeline.descriptor)
        worker = subprocess.Popen(argv(0, *fds), pass_fds=fds)
    lifeline.close()
    entry = {"slot": 0, "pid": worker.pid, "restarts": 0, "since": 0.0}
    fields = {
        "pid": 1,
        "started_at": 0.0,
        "tick_at": 0.0,
        "note": "",
        "url": "",
        "workers": (entry,),
    }
    save_report(paths, DaemonReport.model_validate(fields))
    return worker


@pytest.mark.parametrize("mode", ["plain", "stubborn"])
def test_a_port_held_by_an_orphan_is_taken_over(
    make: Make, ask: Ask, paths: StatePaths, argv_of: Callable[[str], WorkerArgv], mode: str
) -> None:
    port = _free_port()
    with _orphan(paths, argv_of(mode), port) as worker:
        assert ask(port) == worker.pid
        endpoint = make()
        endpoint._grace = 0.3
        endpoint.follow(_settings(port))
        assert ask(port) in _pids(endpoint)
        worker.wait()
        assert not process.is_alive(worker.pid)


def test_while_a_port_changes_hands_nobody_is_asked_who_has_it(
    make: Make,
    ask: Ask,
    paths: StatePaths,
    argv_of: Callable[[str], WorkerArgv],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def asked(port: int) -> None:
        raise AssertionError(f"half a second was spent on who has port {port}")

    monkeypatch.setattr(sockets, "listener_on", asked)
    port = _free_port()
    with _orphan(paths, argv_of("plain"), port) as worker:
        assert ask(port) == worker.pid
        endpoint = make()
        endpoint.follow(_settings(port))
        assert ask(port) in _pids(endpoint)
        worker.wait()


def test_closing_what_was_never_open_still_sends_the_orphans_home(
    make: Make, paths: StatePaths, argv_of: Callable[[str], WorkerArgv], ask: Ask
) -> None:
    port = _free_port()
    with _orphan(paths, argv_of("plain"), port) as worker:
        assert ask(port) == worker.pid
        make().close()
        assert worker.wait() == -15
    require_free("127.0.0.1", port)


def test_a_stranger_on_the_port_is_named_and_not_touched(
    make: Make, listener: socket.socket
) -> None:
    with pytest.raises(ConfigError, match=f"is taken by .* \\(pid {os.getpid()}\\)"):
        make().follow(_settings(listener.getsockname()[1]))
