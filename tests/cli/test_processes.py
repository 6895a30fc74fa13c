from __future__ import annotations

from click.testing import CliRunner

from podman_llm.cli.main import cli


def test_the_inner_commands_are_not_offered_to_people() -> None:
    offered = CliRunner().invoke(cli, ["--help"]).output
    assert "worker" not in offered
    assert "daemon" not in offered.replace("daemon or the proxy", "")


def test_the_inner_commands_demand_everything_they_need() -> None:
    result = CliRunner().invoke(cli, ["worker", "--state-dir", "x"])
    assert result.exit_code == 2
    assert "--slot" in result.output
