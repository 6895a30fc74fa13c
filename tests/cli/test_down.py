from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from podman_llm.cli.main import cli
from podman_llm.state.paths import StatePaths


def run(*arguments: str) -> str:
    result = CliRunner().invoke(cli, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


@pytest.mark.parametrize("how", [["down"], ["--shutdown"], ["up", "--shutdown"]])
def test_where_nothing_was_asked_for_nothing_is_ended(tmp_path: Path, how: list[str]) -> None:
    state = tmp_path / "state"
    assert "Nothing to end" in run("--state-dir", str(state), *how)
    assert not state.exists()


def test_a_pod_state_without_a_wish_is_not_taken_for_nothing(tmp_path: Path) -> None:
    paths = StatePaths(tmp_path / "state")
    paths.ensure()
    paths.pod_state.write_text("{}")
    result = CliRunner().invoke(cli, ["--state-dir", str(paths.root), "down"])
    assert result.exit_code != 0
    assert result.exception is not None
    assert getattr(result.exception, "exit_code", None) == 3
