from __future__ import annotations

from pathlib import Path

import pytest

from podman_llm.cli.context import Context
from podman_llm.cli.extend import extend
from podman_llm.core.pod import Phase, StopReason
from podman_llm.errors import NotFound, RefusedByCap
from podman_llm.state.desired import Desired, load_desired, save_desired
from podman_llm.state.paths import StatePaths
from podman_llm.state.store import PodState, StateStore
from podman_llm.testing.clock import FakeClock
from tests.samples import EVIDENCE, NOW, a_record


@pytest.fixture
def context(tmp_path: Path) -> Context:
    context = Context(state_dir=tmp_path / "state", clock=FakeClock(NOW))
    paths = context.home()
    paths.ensure()
    StateStore(paths, context.clock).save(PodState(current=a_record()))
    save_desired(paths, Desired(generation=1, want="up", settings={}, requested_at=NOW))
    return context


def invoke(context: Context, *arguments: str) -> None:
    extend.main(list(arguments), obj=context, standalone_mode=False)


def extended(paths: StatePaths) -> float:
    desired = load_desired(paths)
    assert desired is not None
    return desired.extended_seconds


def test_extensions_add_up(context: Context, capsys: pytest.CaptureFixture[str]) -> None:
    invoke(context, "1h")
    assert "ends in 2h 00m, about $0.44 more" in capsys.readouterr().out
    invoke(context, "30m")
    assert extended(context.home()) == 5400


def test_beyond_the_hard_deadline_is_refused_and_nothing_changes(context: Context) -> None:
    with pytest.raises(RefusedByCap, match="allows 4h 00m more"):
        invoke(context, "5h")
    assert extended(context.home()) == 0


def test_a_pod_that_is_being_ended_cannot_be_extended(context: Context) -> None:
    stopping = a_record(Phase.STOPPING, reason=StopReason.IDLE)
    StateStore(context.home(), context.clock).save(PodState(current=stopping))
    with pytest.raises(NotFound, match=r"pod123 is being ended \(idle\)"):
        invoke(context, "1h")
    assert extended(context.home()) == 0


def test_an_ended_pod_cannot_be_extended(context: Context) -> None:
    done = a_record(Phase.DONE, evidence=EVIDENCE)
    StateStore(context.home(), context.clock).save(PodState(current=done))
    with pytest.raises(NotFound):
        invoke(context, "1h")
