from __future__ import annotations

import pytest
from click.testing import CliRunner

from podman_llm.cli.main import cli


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_completes_our_command(shell: str) -> None:
    result = CliRunner().invoke(cli, ["completion", shell])
    assert result.exit_code == 0
    assert "podman-llm" in result.output
    assert "_PODMAN_LLM_COMPLETE" in result.output
