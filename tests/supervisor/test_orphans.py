from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from podman_llm.host import process
from podman_llm.host.clock import SystemClock
from podman_llm.state.activity import WorkerActivity, save_activity
from podman_llm.state.paths import StatePaths
from podman_llm.state.report import DaemonReport, WorkerReport, save_report
from podman_llm.supervisor.orphans import ask_to_end, find_orphans, is_worker, see_off

_SLEEP = "import time; time.sleep(60)"
_STUBBORN = f"import signal; signal.signal(15, signal.SIG_IGN); print(flush=True); {_SLEEP}"
Spawn = Callable[..., int]


@pytest.fixture
def spawn() -> Iterator[Spawn]:
    """A process with these last words in its command line; its pid."""
    started: list[subprocess.Popen[str]] = []

    def make(*words: str, code: str = _SLEEP) -> int:
        started.append(
            subprocess.Popen(
                [sys.executable, "-c", code, *words], stdout=subprocess.PIPE, text=True
            )
        )
        if code == _STUBBORN:
            assert started[-1].stdout is not None
            started[-1].stdout.readline()
        return started[-1].pid

    yield make
    for each in started:
        each.kill()
        each.communicate()


def _recorded_as_worker(paths: StatePaths, pid: int | None) -> None:
    worker = WorkerReport(slot=0, pid=pid, restarts=0, since=0.0)
    report = DaemonReport(pid=1, started_at=0.0, tick_at=0.0, note="", url="", workers=(worker,))
    save_report(paths, report)


def _recorded_activity(paths: StatePaths, pid: int) -> None:
    numbers = dict.fromkeys(("in_flight", "requests", "hits", "misses", "bypassed", "errors"), 0)
    fields = {"slot": 1, "pid": pid, "at": 0.0, "last_counted_at": None}
    save_activity(paths, WorkerActivity.model_validate(fields | numbers))


def test_recorded_workers_of_this_state_directory_are_found(
    paths: StatePaths, spawn: Spawn
) -> None:
    root = str(paths.root)
    reported, active = spawn("worker", "--state-dir", root), spawn("worker", "--state-dir", root)
    _recorded_as_worker(paths, reported)
    _recorded_activity(paths, active)
    found = {(orphan.pid, orphan.slot) for orphan in find_orphans(paths)}
    assert found == {(reported, 0), (active, 1)}


@pytest.mark.parametrize("words", [("daemon", "{root}"), ("worker", "{root}2"), ("worker",), ()])
def test_a_pid_that_means_somebody_else_by_now_is_left_alone(
    paths: StatePaths, spawn: Spawn, words: tuple[str, ...]
) -> None:
    _recorded_as_worker(paths, spawn(*(word.format(root=paths.root) for word in words)))
    assert find_orphans(paths) == ()


def test_nothing_recorded_or_damaged_records_mean_no_orphans(paths: StatePaths) -> None:
    assert find_orphans(paths) == ()
    _recorded_as_worker(paths, None)
    assert find_orphans(paths) == ()
    paths.report.write_bytes(b"\0")
    assert find_orphans(paths) == ()


def test_the_command_line_that_bootstrap_builds_is_a_worker(paths: StatePaths) -> None:
    command = (sys.executable, "-m", "podman_llm", "worker", "--state-dir", str(paths.root))
    assert is_worker(command, paths)
    assert not is_worker(command, StatePaths(Path("/somewhere/else")))


@pytest.mark.parametrize("code", [_SLEEP, _STUBBORN])
def test_orphans_are_asked_and_at_last_killed(paths: StatePaths, spawn: Spawn, code: str) -> None:
    pid = spawn("worker", str(paths.root), code=code)
    _recorded_as_worker(paths, pid)
    (orphan,) = find_orphans(paths)
    ask_to_end(orphan)
    started = time.monotonic()
    see_off([orphan], clock=SystemClock(), grace=0.3)
    assert not process.is_alive(pid)
    assert time.monotonic() - started < 10
