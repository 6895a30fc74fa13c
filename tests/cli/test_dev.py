from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from podman_llm.cli.main import cli
from podman_llm.errors import ConfigError


def test_the_doubles_are_listed_with_what_can_be_set() -> None:
    result = CliRunner().invoke(cli, ["dev", "fake-runpod", "--help"])
    assert result.exit_code == 0
    for option in ("--boot-seconds", "--load-seconds", "--real-containers", "--announce"):
        assert option in result.output
    listed = CliRunner().invoke(cli, ["dev", "--help"]).output
    assert "fake-openai" in listed
    assert "fake-bedrock" in listed


def test_the_made_up_credentials_are_told_and_the_guide_names_them() -> None:
    told = CliRunner().invoke(cli, ["dev", "fake-bedrock", "--help"]).output
    guide = (Path(__file__).parents[2] / "docs" / "fallbacks.md").read_text()
    for one in ("AKIDEXAMPLE", "made-up-secret", "8767"):
        assert one in told
        assert one in guide


@pytest.mark.parametrize(
    ("name", "path"), [("fake-bedrock", "/__double/state"), ("fake-runpod", "/_double/bill")]
)
def test_a_double_says_where_it_serves_until_it_is_told_to_end(name: str, path: str) -> None:
    argv = [sys.executable, "-m", "podman_llm", "dev", name, "--port", "0"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as double:
        assert double.stdout is not None
        said = double.stdout.readline()
        url = said.split()[2].rstrip(",:")
        assert requests.get(f"{url}{path}", timeout=5).status_code == 200
        double.terminate()
        assert double.wait(10) == 0


@pytest.mark.parametrize("double", ["fake-runpod", "fake-openai", "fake-bedrock"])
def test_a_port_that_is_taken_is_told_before_anything_starts(double: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(cli, ["dev", double, "--port", str(port)])
    assert isinstance(result.exception, ConfigError)
    assert str(port) in result.exception.message
