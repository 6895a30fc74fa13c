"""What Bedrock, and Claude behind it, refuses of a Converse request."""

from __future__ import annotations

import base64
import binascii
import itertools
import json
import re
from collections.abc import Iterator
from typing import Any

from podman_llm.testing.bedrock_errors import AwsError, invalid
from podman_llm.testing.openai_errors import Json

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ID = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_FORMATS = ("png", "jpeg", "gif", "webp")


def check_converse(body: object) -> None:
    """Raise AwsError for what is refused."""
    if not isinstance(body, dict):
        raise AwsError("SerializationException", "the body is not an object")
    try:
        _check_system(body)
        _check_turns(body)
        _check_calls(body)
        _check_inference(body.get("inferenceConfig") or {})
        _check_tools(body.get("toolConfig"))
        _check_output(body.get("outputConfig") or {})
    except (AttributeError, KeyError, TypeError, binascii.Error) as err:
        # A member of another type than the one described.
        raise AwsError("SerializationException", f"{type(err).__name__}: {err}") from err


def _check_system(body: Json) -> None:
    for index, block in enumerate(body.get("system") or ()):
        if "text" in block and not block["text"]:
            raise _constraint(f"system.{index + 1}.member.text", "", "length greater than 0")


def _check_turns(body: Json) -> None:
    turns = body.get("messages") or []
    if not turns or turns[0]["role"] != "user":
        raise invalid(
            "A conversation must start with a user message. Try again with a conversation that"
            " starts with a user message."
        )
    roles = [turn["role"] for turn in turns]
    if any(one == following for one, following in itertools.pairwise(roles)):
        raise invalid("A conversation must alternate between user and assistant roles.")
    if roles[-1] != "user":
        raise invalid(
            "This model does not support assistant message prefill. The conversation must end with"
            " a user message."
        )
    for turn, block, path in _blocks(body):
        _check_block(turn, block, path)


def _check_block(turn: Json, block: Json, path: str) -> None:
    if not turn["content"]:
        raise invalid(f"The content field in the Message object at {path} is empty.")
    if "text" in block and not block["text"].strip():
        raise invalid(
            f"The text field in the ContentBlock object at {path} is blank. Add text to the text"
            " field, and try again."
        )
    if image := block.get("image"):
        if image["format"] not in _FORMATS:
            raise _constraint(
                f"{path}.image.format", image["format"], f"enum value set: {_FORMATS}"
            )
        base64.b64decode(image["source"]["bytes"], validate=True)
    if result := block.get("toolResult"):
        for inner in result["content"]:
            _check_block(result, inner, f"{path}.toolResult")


def _check_calls(body: Json) -> None:
    """Each call has its result in the turn after it, and no id comes twice."""
    seen: set[str] = set()
    asked: list[str] = []
    for index, turn in enumerate(body["messages"]):
        results = [block["toolResult"] for block in turn["content"] if "toolResult" in block]
        given = [result["toolUseId"] for result in results]
        path = f"messages.{index}.content"
        if missing := [identity for identity in asked if identity not in given]:
            listed = ", ".join(missing)
            raise invalid(f"Expected toolResult blocks at {path} for the following Ids: {listed}")
        if len(given) > len(asked):
            raise invalid(
                f"The number of toolResult blocks at {path} exceeds the number of toolUse blocks of"
                " previous turn."
            )
        asked = [block["toolUse"]["toolUseId"] for block in turn["content"] if "toolUse" in block]
        for identity in asked:
            if identity in seen or not _ID.fullmatch(identity):
                raise invalid(f"{path}: `tool_use` ids must be unique and match {_ID.pattern}")
            seen.add(identity)
    if seen and not body.get("toolConfig"):
        raise invalid(
            "The toolConfig field must be defined when using toolUse and toolResult content blocks."
        )


def _check_inference(config: Json) -> None:
    if config.get("maxTokens", 1) < 1:
        told = "value greater than or equal to 1"
        raise _constraint("inferenceConfig.maxTokens", config["maxTokens"], told)
    for name in ("temperature", "topP"):
        if not 0 <= config.get(name, 0) <= 1:
            told = "value less than or equal to 1"
            raise _constraint(f"inferenceConfig.{name}", config[name], told)


def _check_tools(config: Json | None) -> None:
    if config is None:
        return
    specs = [tool["toolSpec"] for tool in config["tools"] if "toolSpec" in tool]
    for index, spec in enumerate(specs, 1):
        path = f"toolConfig.tools.{index}.member.toolSpec"
        if not _NAME.fullmatch(spec["name"]):
            raise _constraint(f"{path}.name", spec["name"], f"pattern: {_NAME.pattern}")
        if not spec.get("description", "x"):
            raise _constraint(f"{path}.description", "", "length greater than 0")
        if spec["inputSchema"]["json"].get("type") != "object":
            raise invalid(f"The value at {path}.inputSchema.json.type must be one of: object.")
    wanted = (config.get("toolChoice") or {}).get("tool")
    if wanted and wanted["name"] not in [spec["name"] for spec in specs]:
        raise invalid(f"Tool '{wanted['name']}' not found in provided tools")


def _check_output(config: Json) -> None:
    if "textFormat" not in config:
        return
    text = config["textFormat"]["structure"]["jsonSchema"]["schema"]
    try:
        schema = json.loads(text)
    except ValueError as err:
        raise invalid("output_config.format.schema: not valid JSON") from err
    if not all(one.get("additionalProperties") is False for one in _objects(schema)):
        raise invalid(
            "output_config.format.schema: For 'object' type, 'additionalProperties' must be"
            " explicitly set to false"
        )


def _objects(schema: Any) -> Iterator[Json]:  # noqa: ANN401 - any JSON
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for inner in schema.values():
            yield from _objects(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _objects(inner)


def _blocks(body: Json) -> Iterator[tuple[Json, Json, str]]:
    for index, turn in enumerate(body["messages"]):
        for place, block in enumerate(turn["content"] or [{}]):
            yield turn, block, f"messages.{index}.content.{place}"


def _constraint(path: str, value: object, told: str) -> AwsError:
    return invalid(
        f"1 validation error detected: Value '{value}' at '{path}' failed to satisfy constraint:"
        f" Member must have {told}"
    )
