from __future__ import annotations

from typing import Any

import pytest

from podman_llm.core.messages_request import to_chat
from podman_llm.core.translation import Untranslatable

ASK = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
CHAT = {"model": "m", "max_completion_tokens": 9, "messages": ASK["messages"]}
SCHEMA = {"type": "object", "properties": {"at": {"type": "string"}}}
LS = {"name": "ls", "description": "lists", "input_schema": SCHEMA}
TOLD = {
    "type": "function",
    "function": {"name": "ls", "description": "lists", "parameters": SCHEMA},
}
FORMAT = {
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "answer", "schema": SCHEMA, "strict": True},
    }
}


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, {}),
        ({"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}),
        (
            {"temperature": 0, "top_p": 0.5, "top_k": 3},
            {"temperature": 0, "top_p": 0.5, "top_k": 3},
        ),
        ({"stop_sequences": ["a"]}, {"stop": ["a"]}),
        ({"stop_sequences": []}, {}),
        ({"thinking": {"type": "enabled", "budget_tokens": 2048}}, {}),
        ({"output_config": {"effort": "high"}}, {}),
        ({"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}, FORMAT),
        ({"output_format": {"type": "json_schema", "schema": SCHEMA}}, FORMAT),
        (
            {
                "output_format": {"type": "json_schema", "schema": SCHEMA},
                "output_config": {"effort": "high"},
            },
            FORMAT,
        ),
        (
            {
                "metadata": {"user_id": "u"},
                "context_management": {"edits": []},
                "service_tier": "auto",
                "mcp_servers": [],
            },
            {},
        ),
        ({"tools": [LS]}, {"tools": [TOLD]}),
        ({"tools": [LS | {"type": "custom", "cache_control": {}}]}, {"tools": [TOLD]}),
        (
            {"tools": [LS], "tool_choice": {"type": "any"}},
            {"tools": [TOLD], "tool_choice": "required"},
        ),
        (
            {
                "tools": [LS],
                "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
            },
            {"tools": [TOLD], "tool_choice": "auto", "parallel_tool_calls": False},
        ),
        (
            {"tools": [LS], "tool_choice": {"type": "tool", "name": "ls"}},
            {
                "tools": [TOLD],
                "tool_choice": {"type": "function", "function": {"name": "ls"}},
            },
        ),
        ({"tools": [], "tool_choice": {"type": "none"}}, {}),
    ],
)
def test_fields_are_told_in_chats_words_or_left_out(
    asked: dict[str, Any], told: dict[str, Any]
) -> None:
    assert to_chat(ASK | asked) == CHAT | told


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        ({"messages": None}, "messages"),
        ({"container": "c"}, "container"),
        ({"mcp_servers": [{"url": "x"}]}, "mcp_servers"),
        ({"tools": {"a": 1}}, "tools"),
        ({"tools": ["ls"]}, "tools.0"),
        ({"tools": [LS, {"type": "web_search_20250305", "name": "web_search"}]}, "tools.1"),
        ({"tools": [LS | {"type": "computer_20250124"}]}, "tools.0"),
        ({"tools": [LS], "tool_choice": {"type": "other"}}, "tool_choice"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config.format"),
    ],
)
def test_what_chat_has_no_word_for_is_named(asked: dict[str, Any], where: str) -> None:
    with pytest.raises(Untranslatable) as caught:
        to_chat(ASK | asked)
    assert caught.value.param == where
