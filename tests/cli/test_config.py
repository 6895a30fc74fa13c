from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from podman_llm.cli.config import config
from podman_llm.cli.context import Context
from podman_llm.config.schema import reference_text, schema_text
from podman_llm.errors import ConfigError


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "work"
    directory.mkdir()
    monkeypatch.chdir(directory)
    return directory


def run(*arguments: str) -> Result:
    return CliRunner().invoke(config, arguments, obj=Context(), catch_exceptions=False)


def test_show_tells_each_value_and_where_it_is_from(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / "pod_config.json").write_text('{\n "proxy_port": 8001\n}', encoding="utf-8")
    monkeypatch.setenv("MAX_CACHE_SIZE", "7")
    lines = [" ".join(line.split()) for line in run("show").output.splitlines()]
    assert "proxy_port 8001 (pod_config.json line 2)" in lines
    assert "max_cache_size 7 (environment MAX_CACHE_SIZE)" in lines
    assert "use_https false (default)" in lines


def test_show_as_json_masks_secrets(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_geheim")
    monkeypatch.setenv("RUNPOD_ENDPOINT", "https://me:geheim@host/v1?key=geheim")
    output = run("show", "--json").output
    shown = json.loads(output)
    assert shown["RUNPOD_API_KEY"] == {"value": "***", "origin": "environment RUNPOD_API_KEY"}
    assert shown["RUNPOD_ENDPOINT_API_KEY"] == {"value": None, "origin": "not set"}
    assert shown["endpoint"]["value"] == "https://***@host/v1?***"
    assert "geheim" not in output


def test_check_lists_what_is_set(here: Path) -> None:
    (here / "pod_config.json").write_text('{"pod": {"idle_seconds": 5}}', encoding="utf-8")
    output = run("check").output
    assert "is valid" in output
    assert "pod.idle_seconds (pod_config.json line 1)" in output
    assert "proxy_port" not in output


def test_check_refuses_what_is_wrong(here: Path) -> None:
    (here / "pod_config.json").write_text('{"nginx_port": 5}', encoding="utf-8")
    with pytest.raises(ConfigError, match="nginx_port"):
        run("check")


def test_init_writes_a_sample_that_is_valid_and_replaces_nothing(here: Path) -> None:
    run("init")
    assert "is valid" in run("check").output
    assert (here / "pod_config.schema.json").read_text(encoding="utf-8") == schema_text()
    (here / "pod_config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ConfigError, match="is there already"):
        run("init")
    assert (here / "pod_config.json").read_text(encoding="utf-8") == "{}"
    run("init", "--force")
    assert (here / "pod_config.json").read_text(encoding="utf-8") != "{}"


def test_schema_is_the_one_that_ships(here: Path) -> None:
    assert run("schema").output == schema_text()
    assert run("schema", "--markdown").output == reference_text()
