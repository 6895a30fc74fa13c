from __future__ import annotations

from typing import Any

import pytest

from podman_llm.core.converse_models import ConverseModel
from podman_llm.core.converse_names import safe_name
from podman_llm.core.converse_tools import offered_tools, renamed_tools, tool_config
from podman_llm.core.translation import Untranslatable
from tests.core.converse_rules import ABLE, PLAIN, function, translate, user

READ = function("read", path={"type": "string"})


def config(model: ConverseModel = ABLE, **body: Any) -> Any:
    body = {"messages": [user("hi")], "tools": [READ], **body}
    document = translate(body, model).document
    kept = ("toolConfig", "additionalModelRequestFields")
    return {name: value for name, value in document.items() if name in kept}


def test_a_function_becomes_a_spec() -> None:
    tool = {"type": "function", "function": {**READ["function"], "description": "Reads."}}
    spec = {
        "name": "read",
        "description": "Reads.",
        "inputSchema": {"json": READ["function"]["parameters"]},
    }
    assert config(tools=[tool]) == {"toolConfig": {"tools": [{"toolSpec": spec}]}}


@pytest.mark.parametrize("parameters", [None, {}, {"properties": {}}])
def test_a_schema_is_that_of_an_object_always(parameters: Any) -> None:
    tool = {"type": "function", "function": {"name": "now", "parameters": parameters}}
    spec = config(tools=[tool])["toolConfig"]["tools"][0]["toolSpec"]
    assert spec["inputSchema"]["json"] == {"type": "object", "properties": {}}


def test_a_blank_description_is_left_out() -> None:
    tool = {"type": "function", "function": {"name": "now", "description": " "}}
    assert "description" not in config(tools=[tool])["toolConfig"]["tools"][0]["toolSpec"]


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        (None, None),
        ("auto", None),
        ("required", {"any": {}}),
        ({"type": "function", "function": {"name": "read"}}, {"tool": {"name": "read"}}),
    ],
)
def test_the_choice_is_told(choice: Any, told: Any) -> None:
    assert config(tool_choice=choice)["toolConfig"].get("toolChoice") == told


def test_a_demand_is_a_wish_where_it_cannot_be_made() -> None:
    assert "toolChoice" not in config(PLAIN, tool_choice="required")["toolConfig"]


def test_no_tools_and_the_choice_of_none_offer_none() -> None:
    assert config(tools=None) == config(tools=[]) == config(tool_choice="none") == {}


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ("auto", {"type": "auto"}),
        ("required", {"type": "any"}),
        (
            {"type": "function", "function": {"name": "read"}},
            {"type": "tool", "name": "read"},
        ),
    ],
)
def test_single_calls_are_told_in_claudes_words(choice: Any, told: Any) -> None:
    made = config(tool_choice=choice, parallel_tool_calls=False)
    assert made["additionalModelRequestFields"] == {
        "tool_choice": {**told, "disable_parallel_tool_use": True}
    }
    assert "toolChoice" not in made["toolConfig"]


def test_names_that_converse_does_not_take_are_remembered() -> None:
    tools = [function("files.read"), READ]
    safe = safe_name("files.read")
    assert renamed_tools(tools) == {safe: "files.read"}
    choice = {"type": "function", "function": {"name": "files.read"}}
    made = config(tools=tools, tool_choice=choice)
    assert made["toolConfig"]["toolChoice"] == {"tool": {"name": safe}}


def test_a_cache_point_follows_a_marked_tool() -> None:
    marked = {**READ, "cache_control": {"type": "ephemeral"}}
    assert config(tools=[marked])["toolConfig"]["tools"][1] == {"cachePoint": {"type": "default"}}
    assert len(config(PLAIN, tools=[marked])["toolConfig"]["tools"]) == 1


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"tools": "read"}, "tools"),
        ({"tools": [READ, {"type": "web_search"}]}, "tools.1"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools.0"),
        ({"tools": [READ], "tool_choice": "perhaps"}, "tool_choice"),
    ],
)
def test_what_is_no_function_is_named(body: dict[str, Any], param: str) -> None:
    with pytest.raises(Untranslatable) as caught:
        tool_config(body, offered_tools(body), ABLE)
    assert caught.value.param == param
