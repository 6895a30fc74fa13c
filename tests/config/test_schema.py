from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from podman_llm.config.environment import variable_of
from podman_llm.config.origins import dotted_keys
from podman_llm.config.schema import allowed, json_schema, reference_text

REFERENCE = reference_text().splitlines()


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("proxy_port", "a whole number from 1 to 65535"),
        ("runtime_seconds", "a number of at least 60"),
        ("use_https", "true or false"),
        ("modelStoreId", "text"),
        ("gpu_type_id", "text or a list of text"),
        ("ssl_cert", "a path or null"),
        ("pod.gpu_count", 'a whole number or "auto"'),
        ("pod.max_price_per_hour", "a number above 0 or null"),
        ("pod.min_cuda_version", r"text that matches `^\d+\.\d+$` or null"),
        ("fallback.backends", "a list of objects"),
        ("routing.policy", '"auto" or "hold" or "fallback" or "fail"'),
        ("cache.policy", '"all" or "deterministic" or "off"'),
    ],
)
def test_what_is_allowed_is_said_in_words(key: str, words: str) -> None:
    assert allowed(key) == words


@pytest.mark.parametrize("key", list(dotted_keys()))
def test_every_setting_is_explained_with_its_default_and_variable(key: str) -> None:
    [row] = [line for line in REFERENCE if line.startswith(f"| `{key}` |")]
    assert f"Environment: `{variable_of(key)}`." in row
    assert len(row.split(" | ")[2]) > 20


def test_the_schema_is_one_and_names_the_variable_of_each_key() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert "Environment: CACHE_DIR." in schema["properties"]["cache_dir"]["description"]


@pytest.mark.parametrize(
    ("document", "is_valid"),
    [
        ({}, True),
        ({"$schema": "./x", "gpu_type_id": ["a"], "pod": {"gpu_count": "auto"}}, True),
        ({"nginx_port": 1}, False),
        ({"fallback": {"backends": [{"name": "a", "models": {"*": "b"}}]}}, True),
        ({"fallback": {"backends": [{"name": "a"}]}}, False),
        ({"proxy_port": 0}, False),
        ({"pod": {"clouds": ["MARS"]}}, False),
    ],
)
def test_an_editor_sees_what_we_would_refuse(document: dict[str, Any], is_valid: bool) -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    assert validator.is_valid(document) is is_valid


def test_the_keys_of_objects_in_lists_are_explained_too() -> None:
    heading = next(i for i, line in enumerate(REFERENCE) if "Each of `fallback.backends`" in line)
    rows = REFERENCE[heading:]
    for name, default in (("name", "(must be given)"), ("context", "`null`")):
        assert any(line.startswith(f"| `{name}` | {default} | ") for line in rows)
