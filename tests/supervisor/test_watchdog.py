from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from podman_llm.core.pod import ClockReading, Sleep
from podman_llm.errors import StateError
from podman_llm.host import process
from podman_llm.host.clock import SystemClock
from podman_llm.state.desired import Desired, save_desired
from podman_llm.state.locks import ControllerLock
from podman_llm.state.paths import StatePaths
from podman_llm.state.report import DaemonReport, DoneWith, save_report
from podman_llm.state.store import Failure, PodState, StateStore
from podman_llm.supervisor.watchdog import HUNG_SECONDS, Verdict, end_hung, look
from tests.samples import a_record

NOW = 1_795_000_000.0


@pytest.fixture
def lock(paths: StatePaths) -> Iterator[None]:
    """A daemon at work."""
    with ControllerLock(paths):
        yield


def _want(paths: StatePaths, want: str, generation: int = 1) -> None:
    wish = {"generation": generation, "want": want, "settings": {}, "requested_at": NOW}
    save_desired(paths, Desired.model_validate(wish))


def _report(paths: StatePaths, **fields: object) -> None:
    report = {"pid": os.getpid(), "started_at": NOW - 5000, "tick_at": NOW, "note": "READY"}
    whole = {**report, "url": "", "workers": (), **fields}
    save_report(paths, DaemonReport.model_validate(whole))


def _hold(paths: StatePaths, state: PodState) -> None:
    StateStore(paths, SystemClock()).save(state)


def test_where_nothing_was_ever_wanted_nothing_is_missing(paths: StatePaths) -> None:
    assert look(paths, NOW).verdict is Verdict.WELL


def test_a_wanted_pod_needs_a_daemon(paths: StatePaths) -> None:
    _want(paths, "up")
    assert look(paths, NOW).verdict is Verdict.MISSING


@pytest.mark.parametrize("want", ["up", "down"])
def test_an_open_record_needs_one_whatever_is_wanted(paths: StatePaths, want: str) -> None:
    _want(paths, want)
    _hold(paths, PodState(current=a_record()))
    found = look(paths, NOW)
    assert found.verdict is Verdict.MISSING
    assert "may be billing" in found.words


def test_a_record_that_cannot_be_read_may_be_an_open_one(paths: StatePaths) -> None:
    _want(paths, "down")
    for path in (paths.pod_state, paths.previous_pod_state):
        path.write_bytes(b"{")
    assert look(paths, NOW).verdict is Verdict.MISSING


def test_what_has_failed_is_not_tried_again_unasked(paths: StatePaths) -> None:
    _want(paths, "up", generation=2)
    failure = Failure(generation=2, exit_code=5, message="no capacity", hint="", at=NOW)
    _hold(paths, PodState(failure=failure))
    found = look(paths, NOW)
    assert found.verdict is Verdict.WELL
    assert "no capacity" in found.words
    _want(paths, "up", generation=3)
    assert look(paths, NOW).verdict is Verdict.MISSING


def test_a_pod_that_sleeps_needs_its_daemon_even_if_it_could_not_be_woken(
    paths: StatePaths,
) -> None:
    _want(paths, "up", generation=2)
    failure = Failure(generation=2, exit_code=9, message="no balance", hint="", at=NOW)
    sleep = Sleep(2, NOW, ClockReading(NOW, 0.0, "boot"), 60.0, why_not="no balance")
    _hold(paths, PodState(failure=failure, sleep=sleep))
    assert look(paths, NOW).verdict is Verdict.MISSING


@pytest.mark.usefixtures("lock")
def test_a_daemon_at_work_is_well_even_before_its_first_word(paths: StatePaths) -> None:
    _want(paths, "up")
    assert look(paths, NOW).verdict is Verdict.WELL
    _report(paths)
    assert look(paths, NOW).words.endswith("READY")


@pytest.mark.usefixtures("lock")
@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({"tick_at": NOW - HUNG_SECONDS - 1}, Verdict.HUNG),
        ({"tick_at": NOW - HUNG_SECONDS + 1}, Verdict.WELL),
        ({"tick_at": 0.0}, Verdict.WELL),
        ({"tick_at": NOW - 9000, "started_at": NOW - 10}, Verdict.WELL),
        ({"tick_at": NOW - 9000, "done_with": DoneWith(generation=1, want="down")}, Verdict.WELL),
    ],
)
def test_one_that_ends_no_turn_for_long_is_hung_unless_it_rests(
    paths: StatePaths, fields: dict[str, object], verdict: Verdict
) -> None:
    _want(paths, "up")
    _report(paths, **fields)
    assert look(paths, NOW).verdict is verdict


def test_a_wish_that_cannot_be_read_is_what_was_understood_of_it_last(paths: StatePaths) -> None:
    _want(paths, "up")
    paths.desired.replace(paths.understood)
    paths.desired.write_bytes(b"{")
    assert look(paths, NOW).verdict is Verdict.MISSING


def test_a_wish_that_cannot_be_read_is_no_wish_for_nothing(paths: StatePaths) -> None:
    paths.desired.write_bytes(b"{")
    with pytest.raises(StateError):
        look(paths, NOW)


def test_a_hung_daemon_is_ended_and_a_stranger_with_its_pid_is_not(paths: StatePaths) -> None:
    def start(*argv: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", "input()", *argv], stdin=subprocess.PIPE)

    with start("daemon", "--state-dir", str(paths.root)) as hung:
        _report(paths, pid=hung.pid)
        assert end_hung(paths)
        assert not process.is_alive(hung.pid)
    assert end_hung(paths), "it is gone already"
    with start("daemon", "--state-dir", "/elsewhere") as stranger:
        _report(paths, pid=stranger.pid)
        assert not end_hung(paths)
        assert process.is_alive(stranger.pid)
        stranger.kill()


def test_without_any_report_there_is_nobody_to_end(tmp_path: Path) -> None:
    assert end_hung(StatePaths(tmp_path))
