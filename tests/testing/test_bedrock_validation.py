from __future__ import annotations

import json
from typing import Any

import pytest

from podman_llm.testing.bedrock_errors import AwsError
from podman_llm.testing.bedrock_validation import check_converse

TOOL = {"toolSpec": {"name": "read", "inputSchema": {"json": {"type": "object"}}}}
CONFIG = {"tools": [TOOL]}


def says(role: str, *blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": role, "content": list(blocks) or [{"text": "x"}]}


def use(identity: str) -> dict[str, Any]:
    return {"toolUse": {"toolUseId": identity, "name": "read", "input": {}}}


def done(identity: str) -> dict[str, Any]:
    return {"toolResult": {"toolUseId": identity, "content": [{"text": "x"}]}}


def body(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"messages": list(messages) or [says("user")], **fields}


def tool(**changes: Any) -> dict[str, Any]:
    return {"tools": [{"toolSpec": {**TOOL["toolSpec"], **changes}}]}


def output(schema: str) -> dict[str, Any]:
    return {"textFormat": {"structure": {"jsonSchema": {"schema": schema}}}}


@pytest.mark.parametrize(
    "good",
    [
        body(),
        body(system=[{"text": "x"}], inferenceConfig={"maxTokens": 1, "temperature": 1}),
        body(says("user"), says("assistant", use("a")), says("user", done("a")), toolConfig=CONFIG),
        body(toolConfig={**CONFIG, "toolChoice": {"tool": {"name": "read"}}}),
        body(outputConfig=output(json.dumps({"type": "object", "additionalProperties": False}))),
    ],
)
def test_what_is_right_passes(good: dict[str, Any]) -> None:
    check_converse(good)


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        ({"messages": []}, "start with a user message"),
        (body(says("assistant")), "start with a user message"),
        (body(says("user"), says("user")), "alternate"),
        (body(says("user"), says("assistant")), "must end with"),
        (body(says("user", {"text": " "})), "messages.0.content.0 is blank"),
        (body({"role": "user", "content": []}), "empty"),
        (body(system=[{"text": ""}]), "system.1.member.text"),
        (body(says("user", {"image": {"format": "bmp", "source": {"bytes": ""}}})), "enum"),
        (body(says("user"), says("assistant", use("a")), says("user")), "following Ids: a"),
        (body(says("user", done("a"))), "exceeds the number"),
        (
            body(
                *(says("user"), says("assistant", use("a")), says("user", done("a"))),
                *(says("assistant", use("a")), says("user", done("a"))),
                toolConfig=CONFIG,
            ),
            "unique",
        ),
        (
            body(says("user"), says("assistant", use("a b")), says("user", done("a b"))),
            "match",
        ),
        (
            body(says("user"), says("assistant", use("a")), says("user", done("a"))),
            "toolConfig field must be defined",
        ),
        (body(inferenceConfig={"maxTokens": 0}), "maxTokens"),
        (body(inferenceConfig={"topP": 1.1}), "inferenceConfig.topP"),
        (body(toolConfig=tool(name="a.b")), "pattern"),
        (body(toolConfig=tool(description="")), "description"),
        (body(toolConfig=tool(inputSchema={"json": {}})), "type must be one of"),
        (body(toolConfig={**CONFIG, "toolChoice": {"tool": {"name": "x"}}}), "not found"),
        (body(outputConfig=output("{")), "not valid JSON"),
        (body(outputConfig=output('{"anyOf": [{"type": "object"}]}')), "additionalProperties"),
    ],
)
def test_what_is_wrong_is_named(bad: dict[str, Any], told: str) -> None:
    with pytest.raises(AwsError) as caught:
        check_converse(bad)
    assert caught.value.name == "ValidationException"
    assert told in caught.value.message


@pytest.mark.parametrize(
    "odd", [[], {"messages": 7}, body({"content": []}), body({"role": "user", "content": 7})]
)
def test_another_shape_is_not_read(odd: Any) -> None:
    with pytest.raises(AwsError) as caught:
        check_converse(odd)
    assert caught.value.name == "SerializationException"
