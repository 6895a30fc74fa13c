from __future__ import annotations

from typing import Any

import pytest

from podman_llm.core.responses_tools import Name, chat_tools
from podman_llm.core.translation import Untranslatable

SCHEMA = {"type": "object", "properties": {"at": {"type": "string"}}}
LS = {"type": "function", "name": "ls", "description": "lists", "parameters": SCHEMA}
SEARCH = {"type": "web_search", "external_web_access": True}


def function(**fields: Any) -> dict[str, Any]:
    return {"type": "function", "function": fields}


def test_functions_are_told_in_chats_shape() -> None:
    strict = LS | {"strict": False, "defer_loading": True}
    tools = chat_tools({"tools": [strict], "parallel_tool_calls": True, "tool_choice": "auto"})
    told = function(name="ls", description="lists", parameters=SCHEMA, strict=False)
    assert tools.fields == {"tools": [told], "tool_choice": "auto", "parallel_tool_calls": True}
    assert tools.names == {"ls": Name("ls")}


def test_functions_of_a_namespace_go_by_both_names() -> None:
    space = {"type": "namespace", "name": "agents", "description": "d", "tools": [LS]}
    choice = {"type": "function", "name": "ls", "namespace": "agents"}
    tools = chat_tools({"tools": [LS, space], "tool_choice": choice})
    assert [one["function"]["name"] for one in tools.fields["tools"]] == ["ls", "agents__ls"]
    assert tools.names["agents__ls"] == Name("ls", "agents")
    assert tools.fields["tool_choice"] == function(name="agents__ls")


def test_the_search_that_is_offered_always_is_left_out() -> None:
    assert len(chat_tools({"tools": [SEARCH, LS]}).fields["tools"]) == 1
    assert chat_tools({"tools": [SEARCH], "tool_choice": "auto"}).fields == {}


@pytest.mark.parametrize("body", [{}, {"tools": None}, {"tools": [], "parallel_tool_calls": True}])
def test_without_tools_nothing_is_said_of_calls(body: dict[str, Any]) -> None:
    assert chat_tools(body | {"tool_choice": "none"}).fields == {}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"tools": {"a": 1}}, "tools is not a list"),
        ({"tools": [{"type": "custom", "name": "apply_patch"}]}, "tools.0 is of type 'custom'"),
        ({"tools": [LS, {"type": "mcp"}]}, "tools.1 is of type 'mcp'"),
        ({"tools": [{"type": "function"}]}, "tools.0 is of type 'function'"),
        ({"tools": ["ls"]}, "tools.0 is of type None"),
        ({"tools": [LS, LS]}, "tools has ls twice"),
        ({"tools": [LS], "tool_choice": {"type": "allowed_tools"}}, "tool_choice is none"),
        ({"tools": [LS], "tool_choice": SEARCH}, "tool_choice is none"),
        ({"tools": [SEARCH], "tool_choice": "required"}, "demands a call of none"),
        ({"tool_choice": {"type": "function", "name": "ls"}}, "demands a call of none"),
    ],
)
def test_what_chat_has_no_word_for_is_named(body: dict[str, Any], why: str) -> None:
    with pytest.raises(Untranslatable, match=why):
        chat_tools(body)
