from __future__ import annotations

from pathlib import Path

import pytest

from podman_llm.cli.context import Context
from podman_llm.cli.wish import last_wish, next_wish, unheeded
from podman_llm.config.load import load
from podman_llm.config.models import Settings
from podman_llm.core.pod import Phase
from podman_llm.errors import StateError
from podman_llm.state.desired import Desired
from podman_llm.state.store import Failure, PodState, StateStore
from podman_llm.testing.clock import FakeClock
from tests.samples import EVIDENCE, NOW, a_record


@pytest.fixture
def context(tmp_path: Path) -> Context:
    context = Context(state_dir=tmp_path / "state", clock=FakeClock())
    context.home().ensure()
    return context


def test_a_damaged_wish_is_told_and_gives_way(
    context: Context, capsys: pytest.CaptureFixture[str]
) -> None:
    assert last_wish(context, context.home()) is None
    assert not capsys.readouterr().err
    context.home().desired.write_bytes(b"{")
    assert last_wish(context, context.home()) is None
    assert "desired.json is damaged" in capsys.readouterr().err


def test_a_newer_program_s_wish_is_not_written_over(context: Context) -> None:
    context.home().desired.write_bytes(b'{"version": 2}')
    with pytest.raises(StateError, match="format version 2"):
        last_wish(context, context.home())


def test_generations_go_up(context: Context) -> None:
    last = Desired(generation=4, want="down", settings={}, requested_at=NOW)
    assert next_wish(context, context.home(), last, Settings()).generation == 5
    assert next_wish(context, context.home(), None, Settings()).generation == 1


@pytest.mark.parametrize(
    "state",
    [
        PodState(current=a_record(Phase.DONE, evidence=EVIDENCE, generation=3)),
        PodState(failure=Failure(3, 5, "no capacity", "", NOW)),
    ],
)
def test_with_the_wish_lost_no_generation_is_used_twice(context: Context, state: PodState) -> None:
    StateStore(context.home(), context.clock).save(state)
    assert next_wish(context, context.home(), None, Settings()).generation == 4


def test_only_what_somebody_set_otherwise_is_unheeded(tmp_path: Path) -> None:
    (tmp_path / "pod_config.json").write_text('{"proxy_port": 8100, "pod": {"idle_seconds": 60}}')
    in_force = Settings(runtime_seconds=7200, proxy_port=8100).model_dump(mode="json")
    wish = Desired(generation=1, want="up", settings=in_force, requested_at=NOW)
    loaded = load(flags={"gpu_type_id": "NVIDIA L4"}, cwd=tmp_path, environ={})
    named = unheeded(loaded.settings, loaded.origins, wish)
    assert set(named) == {"gpu_type_id", "pod.idle_seconds"}
