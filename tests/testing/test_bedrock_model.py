from __future__ import annotations

import json
from typing import Any

import pytest

from podman_llm.testing.bedrock_model import Reply, reply_to


def asked(text: str, **fields: Any) -> Reply:
    return reply_to({"messages": [{"role": "user", "content": [{"text": text}]}], **fields})


def spec(name: str) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"x": {"type": "integer"}}}
    return {"toolSpec": {"name": name, "inputSchema": {"json": schema}}}


def names(reply: Reply) -> list[str]:
    return [block["toolUse"]["name"] for block in reply.blocks if "toolUse" in block]


TOOLS = {"tools": [spec("get_weather"), spec("search")]}


def test_the_same_question_has_the_same_answer() -> None:
    assert asked("tell me about tests") == asked("tell me about tests")
    assert asked("tell me about tests") != asked("tell me about trees")


@pytest.mark.parametrize(
    ("text", "more", "called"),
    [
        ("hello", {}, []),
        ("the weather?", {}, ["get_weather"]),
        ("search for the weather", {}, ["get_weather", "search"]),
        ("hello", {"toolChoice": {"any": {}}}, ["get_weather"]),
        ("hello", {"toolChoice": {"tool": {"name": "search"}}}, ["search"]),
    ],
)
def test_tools_are_called_when_named_or_demanded(text: str, more: Any, called: list[str]) -> None:
    reply = asked(text, toolConfig={**TOOLS, **more})
    assert names(reply) == called
    assert (reply.stop_reason == "tool_use") is bool(called)


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ({"type": "auto"}, ["get_weather"]),
        ({"type": "any"}, ["get_weather"]),
        ({"type": "tool", "name": "search"}, ["search"]),
    ],
)
def test_claudes_own_choice_is_heard(choice: Any, called: list[str]) -> None:
    fields = {"tool_choice": {**choice, "disable_parallel_tool_use": True}}
    reply = asked("search for the weather", toolConfig=TOOLS, additionalModelRequestFields=fields)
    assert names(reply) == called


def test_a_result_is_not_answered_with_the_same_call() -> None:
    block = {"toolResult": {"toolUseId": "a", "content": [{"text": "the weather is fine"}]}}
    turn = {"role": "user", "content": [block, {"text": "weather?"}]}
    assert names(reply_to({"messages": [turn], "toolConfig": TOOLS})) == []


def test_json_is_said_when_asked_for() -> None:
    schema = {"type": "object", "properties": {"count": {"type": "integer"}}}
    structure = {"jsonSchema": {"schema": json.dumps(schema)}}
    reply = asked("count", outputConfig={"textFormat": {"structure": structure}})
    assert json.loads(reply.blocks[0]["text"]) == {"count": 1}
    assert json.loads(asked("x", system=[{"text": "a JSON object"}]).blocks[0]["text"])


def test_limits_and_stops_end_an_answer() -> None:
    assert asked("hello", inferenceConfig={"maxTokens": 2}).stop_reason == "max_tokens"
    whole = asked("hello").blocks[0]["text"]
    stopped = asked("hello", inferenceConfig={"stopSequences": ["!"]})
    assert stopped.stop_reason == "stop_sequence"
    assert "!" in whole
    assert "!" not in stopped.blocks[0]["text"]


def test_a_block_that_cannot_be_told_in_events_says_so() -> None:
    with pytest.raises(ValueError, match="no events"):
        list(Reply(({"image": {}},)).events())
