from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from podman_llm.cli.follow import FailedError, LiveNarrator, PlainNarrator, follow, narrator
from podman_llm.cli.view import View, look
from podman_llm.core.pod import Phase
from podman_llm.state.desired import Desired, save_desired
from podman_llm.state.locks import ControllerLock
from podman_llm.state.paths import StatePaths
from podman_llm.state.report import DaemonReport, DoneWith, save_report
from podman_llm.state.store import Failure, PodState
from podman_llm.testing.clock import FakeClock
from tests.samples import NOW, a_record


def view(phase: Phase, note: str) -> View:
    empty = look(StatePaths(Path("/nowhere")), NOW)
    report = DaemonReport(pid=1, started_at=NOW, tick_at=NOW, note=note, url="", workers=())
    desired = Desired(generation=1, want="up", settings={}, requested_at=NOW)
    state = PodState(current=a_record(phase))
    return replace(empty, daemon=report, state=state, desired=desired)


def test_plain_output_repeats_no_sentence_whose_numbers_only_count_up() -> None:
    lines: list[str] = []
    teller = PlainNarrator(lines.append)
    teller.tell(view(Phase.BOOTING, "booting, 3 s"))
    teller.tell(view(Phase.BOOTING, "booting, 4 s"))
    teller.tell(view(Phase.READY, "ready"))
    assert lines == ["booting, 3 s", "ready"]


def test_live_output_keeps_one_line_for_each_phase() -> None:
    live: list[str] = []
    kept: list[str] = []
    teller = LiveNarrator(live.append, kept.append)
    for second in range(3):
        teller.tell(view(Phase.BOOTING, f"booting, {second} s"))
    teller.tell(view(Phase.READY, "ready"))
    assert len(live) == 4
    assert len(kept) == 2


def test_progress_goes_beside_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    with narrator(live=False) as teller:
        teller.tell(view(Phase.BOOTING, "booting"))
    out, err = capsys.readouterr()
    assert out == ""
    assert "booting" in err


def test_following_ends_when_the_claim_holds(tmp_path: Path) -> None:
    seen: list[float] = []

    def is_third(view: View) -> bool:
        seen.append(view.now)
        return len(seen) == 3

    _, is_there = follow(
        StatePaths(tmp_path),
        FakeClock(),
        PlainNarrator(lambda _: None),
        is_over=is_third,
        is_daemon_gone=lambda: False,
    )
    assert is_there
    assert seen[2] > seen[1] > seen[0]


def test_following_looks_once_more_after_the_daemon_has_gone(tmp_path: Path) -> None:
    answers = iter([False, True])
    looks: list[View] = []

    def never(view: View) -> bool:
        looks.append(view)
        return False

    _, is_there = follow(
        StatePaths(tmp_path),
        FakeClock(),
        PlainNarrator(lambda _: None),
        is_over=never,
        is_daemon_gone=lambda: next(answers),
    )
    assert not is_there
    assert len(looks) == 2


def test_following_ends_at_its_timeout(tmp_path: Path) -> None:
    clock = FakeClock()
    start = clock.monotonic()
    _, is_there = follow(
        StatePaths(tmp_path),
        clock,
        PlainNarrator(lambda _: None),
        is_over=lambda _: False,
        is_daemon_gone=lambda: False,
        timeout=10,
    )
    assert not is_there
    assert 10 <= clock.monotonic() - start < 11


def test_a_recorded_failure_becomes_the_exit_code() -> None:
    failure = Failure(generation=1, exit_code=5, message="no capacity", hint="later", at=NOW)
    error = FailedError(failure)
    assert (error.exit_code, error.message, error.hint) == (5, "no capacity", "later")


def test_following_ends_when_a_daemon_that_is_kept_rests(tmp_path: Path) -> None:
    paths = StatePaths(tmp_path)
    save_desired(paths, Desired(generation=1, want="down", settings={}, requested_at=0.0))
    report = DaemonReport(
        pid=os.getpid(),
        started_at=1.0,
        tick_at=1.0,
        note="",
        url="",
        workers=(),
        done_with=DoneWith(generation=1, want="down"),
    )
    save_report(paths, report)
    with ControllerLock(paths):
        view, is_there = follow(
            paths,
            FakeClock(),
            PlainNarrator(lambda _: None),
            is_over=lambda _: False,
            is_daemon_gone=lambda: False,
        )
    assert view.is_done
    assert not is_there
