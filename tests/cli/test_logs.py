from __future__ import annotations

from pathlib import Path

import pytest

from podman_llm.cli.context import Context
from podman_llm.cli.logs import logs
from podman_llm.core.pod import Phase
from podman_llm.errors import NotFound
from podman_llm.state.desired import Desired, save_desired
from podman_llm.state.store import PodState, StateStore
from podman_llm.testing.clock import FakeClock
from tests.samples import EVIDENCE, NOW, a_record


@pytest.fixture
def context(tmp_path: Path) -> Context:
    context = Context(state_dir=tmp_path / "state", clock=FakeClock(NOW))
    context.home().ensure()
    return context


def invoke(context: Context, *arguments: str) -> None:
    logs.main(list(arguments), obj=context, standalone_mode=False)


def test_the_daemon_s_log_is_shown_from_its_end(
    context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    log = context.home().daemon_log
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text("one\ntwo\nthree\n")
    invoke(context, "--source", "daemon", "--tail", "2")
    assert capsys.readouterr().out == "two\nthree\n"


def test_a_log_that_is_not_there_is_said(context: Context) -> None:
    with pytest.raises(NotFound, match=r"proxy\.log"):
        invoke(context, "--source", "proxy")


def test_without_a_pod_there_are_no_pod_logs(context: Context) -> None:
    with pytest.raises(NotFound, match="no pod"):
        invoke(context)


def test_of_an_ended_pod_the_last_words_are_kept(
    context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    record = a_record(Phase.DONE, evidence=EVIDENCE, log_tail=("CUDA out of memory",))
    StateStore(context.home(), context.clock).save(PodState(current=record))
    wish = Desired(generation=1, want="up", settings={}, requested_at=NOW)
    save_desired(context.home(), wish)
    invoke(context)
    assert capsys.readouterr().out == "CUDA out of memory\n"
