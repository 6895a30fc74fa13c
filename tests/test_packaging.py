"""What ships says what the code says: the sample, the schema, the reference."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from podman_llm.config.load import load
from podman_llm.config.origins import dotted_keys
from podman_llm.config.schema import reference_text, sample_text, schema_text

ROOT = Path(__file__).parent.parent
REMAKE = "make it again with `podman-llm config {}`"


def shipped(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_sample_is_the_one_that_init_writes() -> None:
    assert shipped("pod_config.json") == sample_text(), REMAKE.format("init --force")


def test_the_schema_is_the_one_of_the_settings() -> None:
    assert shipped("pod_config.schema.json") == schema_text(), REMAKE.format("schema")


def test_the_reference_is_the_one_of_the_settings() -> None:
    assert shipped("docs/configuration.md") == reference_text(), REMAKE.format("schema --markdown")


def test_the_sample_satisfies_the_schema_it_points_at() -> None:
    sample = json.loads(shipped("pod_config.json"))
    schema = json.loads((ROOT / sample["$schema"]).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(sample)


def test_the_sample_loads(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path)}
    loaded = load(flags={}, environ=environ, config_path=ROOT / "pod_config.json", cwd=tmp_path)
    assert loaded.origins["modelStoreId"].name.endswith("pod_config.json")


@pytest.mark.parametrize("key", list(dotted_keys()))
def test_every_setting_is_in_the_reference(key: str) -> None:
    assert f"| `{key}` |" in shipped("docs/configuration.md")
