from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from podman_llm.cli.main import cli


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "answers"
    monkeypatch.setenv("CACHE_DIR", str(directory))
    monkeypatch.chdir(tmp_path)
    return directory


def test_stats_tell_where_and_how_much(directory: Path) -> None:
    result = CliRunner().invoke(cli, ["cache", "stats", "--json"], catch_exceptions=False)
    shown = json.loads(result.output)
    assert shown["cache_dir"] == str(directory)
    assert shown["entries"] == 0
    assert shown["max_entries"] == 10000


def test_clearing_asks_first(directory: Path) -> None:
    result = CliRunner().invoke(cli, ["cache", "clear"], input="n\n")
    assert result.exit_code != 0
    assert "Drop every answer" in result.output
    result = CliRunner().invoke(cli, ["cache", "clear", "--yes"], catch_exceptions=False)
    assert "Dropped 0 answers." in result.output
