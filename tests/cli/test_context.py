from __future__ import annotations

from pathlib import Path

import pytest

from podman_llm.cli.context import Context, demo_paths, is_up
from podman_llm.state.desired import Desired, save_desired
from podman_llm.state.locks import ControllerLock
from podman_llm.state.paths import StatePaths
from podman_llm.state.report import DaemonReport, DoneWith, save_report
from tests.samples import NOW


def want(paths: StatePaths, what: str) -> None:
    paths.ensure()
    desired = {"generation": 1, "want": what, "settings": {}, "requested_at": NOW}
    save_desired(paths, Desired.model_validate(desired))


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(state_dir=tmp_path / "state")


def test_commands_find_the_demo_when_nothing_else_is_up(context: Context) -> None:
    assert context.paths() == context.home()
    want(demo_paths(context.home()), "up")
    assert context.paths() == demo_paths(context.home())


def test_a_real_pod_comes_before_the_demo(context: Context) -> None:
    want(demo_paths(context.home()), "up")
    want(context.home(), "up")
    assert context.paths() == context.home()


def test_demo_can_be_asked_for(context: Context) -> None:
    want(context.home(), "up")
    context.demo = True
    assert context.paths() == demo_paths(context.home())


def test_what_is_going_down_is_still_up_while_its_daemon_works(context: Context) -> None:
    want(context.home(), "down")
    assert not is_up(context.home())
    with ControllerLock(context.home()):
        assert is_up(context.home())


def test_a_daemon_that_rests_is_not_up(context: Context) -> None:
    want(context.home(), "down")
    report = DaemonReport(pid=1, started_at=NOW, tick_at=NOW, note="", url="", workers=())
    with ControllerLock(context.home()):
        save_report(context.home(), report)
        assert is_up(context.home())
        done = DoneWith(generation=1, want="down")
        save_report(context.home(), report.model_copy(update={"done_with": done}))
        assert not is_up(context.home())
        want(context.home(), "up")
        assert is_up(context.home())


def test_asking_creates_nothing(context: Context, tmp_path: Path) -> None:
    context.paths()
    assert not (tmp_path / "state").exists()
