from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from podman_llm.cli import demo
from podman_llm.cli.context import demo_paths
from podman_llm.cli.main import cli
from podman_llm.config.models import Settings
from podman_llm.errors import PodmanLLMError, ProviderRefused
from podman_llm.state.desired import Desired, load_desired, save_desired
from podman_llm.state.paths import StatePaths
from podman_llm.state.store import PodState, StateStore
from podman_llm.testing.clock import FakeClock
from tests.samples import NOW, a_record


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


@pytest.mark.parametrize("how", [["down"], ["--shutdown"], ["up", "--shutdown"]])
def test_where_nothing_was_asked_for_nothing_is_ended(tmp_path: Path, how: list[str]) -> None:
    state = tmp_path / "state"
    assert "Nothing to end" in run("--state-dir", str(state), *how)
    assert not state.exists()


@pytest.mark.parametrize("left", [None, b"", b"{"])
def test_a_pod_state_without_a_wish_is_not_taken_for_nothing(
    tmp_path: Path, left: bytes | None
) -> None:
    paths = StatePaths(tmp_path / "state")
    paths.ensure()
    StateStore(paths, FakeClock()).save(PodState(current=a_record()))
    if left is not None:
        paths.desired.write_bytes(left)
    result = CliRunner().invoke(cli, ["--state-dir", str(paths.root), "down"])
    assert isinstance(result.exception, ProviderRefused)  # the way to its end needs a key
    assert "pod123 may still be billing" in result.exception.hint


def test_a_demo_whose_double_is_gone_gets_it_back_to_end_by(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def revive(paths: StatePaths, *_: object) -> None:
        raise PodmanLLMError(f"the double of {paths.root.name} is there again")

    monkeypatch.setattr(demo, "prepare", revive)
    paths = demo_paths(StatePaths(tmp_path / "state"))
    paths.ensure()
    settings = Settings().model_dump(mode="json", by_alias=True)
    save_desired(paths, Desired(generation=1, want="up", settings=settings, requested_at=NOW))
    StateStore(paths, FakeClock()).save(PodState(current=a_record()))
    arguments = ["--state-dir", str(tmp_path / "state"), "--demo", "down"]
    result = CliRunner().invoke(cli, arguments)
    assert "the double of demo is there again" in str(result.exception)


def test_without_a_key_the_pod_that_may_still_bill_is_named(tmp_path: Path) -> None:
    paths = StatePaths(tmp_path / "state")
    paths.ensure()
    settings = Settings().model_dump(mode="json", by_alias=True)
    wish = Desired(generation=1, want="up", settings=settings, requested_at=NOW)
    save_desired(paths, wish)
    StateStore(paths, FakeClock()).save(PodState(current=a_record()))
    result = CliRunner().invoke(cli, ["--state-dir", str(paths.root), "down"])
    assert isinstance(result.exception, ProviderRefused)
    assert "pod123 may still be billing" in result.exception.hint
    assert load_desired(paths) == wish
