from __future__ import annotations

from click.testing import CliRunner

from podman_llm.cli.main import cli


def test_the_doubles_are_listed_with_what_can_be_set() -> None:
    result = CliRunner().invoke(cli, ["dev", "fake-runpod", "--help"])
    assert result.exit_code == 0
    for option in ("--boot-seconds", "--load-seconds", "--tokens-per-second", "--announce"):
        assert option in result.output
    assert "fake-openai" in CliRunner().invoke(cli, ["dev", "--help"]).output
