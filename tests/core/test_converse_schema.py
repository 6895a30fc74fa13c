from __future__ import annotations

import json
from typing import Any

import pytest

from podman_llm.core.converse_schema import (
    asks_json_object,
    asks_json_schema,
    closed,
    text_format,
)
from podman_llm.core.translation import Untranslatable

CITY = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def wanting(schema: Any, **more: Any) -> dict[str, Any]:
    wanted = {"schema": schema, **more}
    return {"response_format": {"type": "json_schema", "json_schema": wanted}}


def test_a_schema_goes_as_text() -> None:
    told = text_format(wanting(CITY, name="a city", description="One."))["textFormat"]
    assert told["type"] == "json_schema"
    inner = told["structure"]["jsonSchema"]
    assert json.loads(inner["schema"]) == {**CITY, "additionalProperties": False}
    assert inner["description"] == "One."
    assert " " not in inner["name"]


@pytest.mark.parametrize(
    "body", [{}, {"response_format": None}, {"response_format": {"type": "text"}}]
)
def test_text_needs_no_format(body: dict[str, Any]) -> None:
    assert text_format(body) == {}
    assert not asks_json_object(body)
    assert not asks_json_schema(body)


def test_json_mode_is_known() -> None:
    body = {"response_format": {"type": "json_object"}}
    assert asks_json_object(body)
    assert text_format(body) == {}


@pytest.mark.parametrize(
    "wanted",
    [
        "json",
        {"type": "regex"},
        {"type": "json_schema"},
        {"type": "json_schema", "json_schema": {}},
    ],
)
def test_another_format_is_refused(wanted: Any) -> None:
    with pytest.raises(Untranslatable) as caught:
        text_format({"response_format": wanted})
    assert caught.value.param == "response_format"


def test_every_object_is_closed_and_nothing_else_is_touched() -> None:
    schema = {
        "$defs": {"inner": CITY},
        "type": "object",
        "properties": {
            "type": {"type": "array", "items": CITY},
            "either": {"anyOf": [CITY, {"type": "null"}]},
            "open": {"type": "object", "additionalProperties": True},
        },
    }
    shut = {**CITY, "additionalProperties": False}
    assert closed(schema) == {
        "$defs": {"inner": shut},
        "type": "object",
        "properties": {
            "type": {"type": "array", "items": shut},
            "either": {"anyOf": [shut, {"type": "null"}]},
            "open": {"type": "object", "additionalProperties": True},
        },
        "additionalProperties": False,
    }
    assert "additionalProperties" not in CITY


def test_a_schema_that_takes_anything_stays_as_it_is() -> None:
    assert closed({"type": "array", "items": True}) == {"type": "array", "items": True}


def test_a_schema_needs_neither_name_nor_description() -> None:
    told = text_format(wanting(CITY))["textFormat"]["structure"]["jsonSchema"]
    assert told.keys() == {"schema"}
