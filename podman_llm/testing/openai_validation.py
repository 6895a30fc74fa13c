"""The shape of a request body, judged with the words of vLLM's validator.

vLLM declares its bodies as pydantic models; an error text is therefore made of the names of its
classes. They are spelt out here as tables, in the order in which the validator meets them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

from podman_llm.testing.openai_errors import (
    Json,
    bad_request,
    detail,
    malformed,
    problem,
    wrong_media_type,
)

_Check = Callable[[str, object], Iterator[Json]]

_MAX_STOPS = 4
_TRUTHS = {"true", "false", "0", "1", "yes", "no", "on", "off", "t", "f", "y", "n"}


def parse_body(raw: bytes, content_type: str) -> Json:
    """The JSON object in a request; raises Refused in the order in which vLLM complains."""
    if content_type.split(";", maxsplit=1)[0].strip().lower() != "application/json":
        raise wrong_media_type()
    if not raw:
        raise malformed([problem("missing", "body", "Field required", None)])
    try:
        body = json.loads(raw.decode())
    except UnicodeDecodeError as error:
        raise detail(400, "There was an error parsing the body") from error
    except json.JSONDecodeError as error:
        text, where = "JSON decode error", f"body.{error.pos}"
        raise malformed([problem("json_invalid", where, text, {}, error=error.msg)]) from error
    if not isinstance(body, dict):
        text = "Input should be a valid dictionary or object to extract fields from"
        raise malformed([problem("model_attributes_type", "body", text, body)])
    return body


def check_chat(body: Json) -> None:
    """Refuse a chat body of the wrong shape."""
    problems = list(_messages(body))
    for name, check in _FIELDS.items():
        if body.get(name) is not None:
            problems += check(f"body.{name}", body[name])
    if problems:
        raise malformed(problems)


def check_completion(body: Json) -> None:
    """Refuse a completion body of the wrong shape; a missing prompt has an error of its own."""
    checks = {**_FIELDS, "logprobs": _integer}
    problems = [
        found
        for name, check in checks.items()
        if body.get(name) is not None
        for found in check(f"body.{name}", body[name])
    ]
    if problems:
        raise malformed(problems)
    if not body.get("prompt"):
        raise bad_request(
            "Either prompt or prompt_embeds must be provided and non-empty.", "prompt"
        )


def _messages(body: Json) -> Iterator[Json]:
    if "messages" not in body:
        yield problem("missing", "body.messages", "Field required", body)
        return
    messages = body["messages"]
    if messages is None:
        raise bad_request("'NoneType' object is not iterable")
    if not isinstance(messages, list):
        yield problem("list_type", "body.messages", "Input should be a valid list", messages)
        return
    for index, message in enumerate(messages):
        if not _is_message(message):
            yield from _message_problems(f"body.messages.{index}", message)


def _is_message(message: object) -> bool:
    """Whether some class of message fits: any role will do, and only an assistant may say null."""
    if not isinstance(message, dict) or not isinstance(message.get("role"), str):
        return False
    content = message.get("content", "")
    return isinstance(content, str | list) or (content is None and message["role"] == "assistant")


# Name of the class, its role ("" is any), and what it must have, in order.
_MESSAGE_CLASSES = (
    ("ChatCompletionDeveloperMessageParam", "developer", ("content", "role")),
    ("ChatCompletionSystemMessageParam", "system", ("content", "role")),
    ("ChatCompletionUserMessageParam", "user", ("content", "role")),
    ("ChatCompletionAssistantMessageParam", "assistant", ("role",)),
    ("ChatCompletionToolMessageParam", "tool", ("content", "role", "tool_call_id")),
    ("ChatCompletionFunctionMessageParam", "function", ("name", "role")),
    ("CustomChatCompletionMessageParam", "", ("content", "role")),
    ("Message", "", ("author", "recipient")),
)


def _message_problems(where: str, message: object) -> Iterator[Json]:
    """What is wrong with a message, once for each class it might have been."""
    if not isinstance(message, dict):
        yield problem("dict_type", where, "Input should be a valid dictionary", message)
        return
    for cls, role, fields in _MESSAGE_CLASSES:
        for name in fields:
            yield from _field_problems(f"{where}.{cls}.{name}", name, message, role)


def _field_problems(loc: str, name: str, message: Json, role: str) -> Iterator[Json]:
    given = message.get(name)
    if name == "content":
        if not isinstance(message.get("content", ""), str | list):
            yield problem("string_type", loc, "Input should be a valid string", given)
            yield problem("iterable_type", loc, "Input should be iterable", given)
    elif name not in message:
        yield problem("missing", loc, "Field required", message)
    elif name == "role" and role not in {"", given}:
        expected = f"'{role}'"
        yield problem("literal_error", loc, f"Input should be {expected}", given, expected=expected)


def _number(loc: str, value: object) -> Iterator[Json]:
    if isinstance(value, str):
        try:
            float(value)
        except ValueError:
            text = "Input should be a valid number, unable to parse string as a number"
            yield problem("float_parsing", loc, text, value)
    elif not isinstance(value, int | float):
        yield problem("float_type", loc, "Input should be a valid number", value)


def _integer(loc: str, value: object) -> Iterator[Json]:
    if isinstance(value, str):
        try:
            int(value)
        except ValueError:
            text = "Input should be a valid integer, unable to parse string as an integer"
            yield problem("int_parsing", loc, text, value)
    elif isinstance(value, float) and not value.is_integer():
        text = "Input should be a valid integer, got a number with a fractional part"
        yield problem("int_from_float", loc, text, value)
    elif not isinstance(value, int | float):
        yield problem("int_type", loc, "Input should be a valid integer", value)


def _truth(loc: str, value: object) -> Iterator[Json]:
    if isinstance(value, str) and value.lower() not in _TRUTHS:
        text = "Input should be a valid boolean, unable to interpret input"
        yield problem("bool_parsing", loc, text, value)
    elif not isinstance(value, bool | int | str):
        yield problem("bool_type", loc, "Input should be a valid boolean", value)


def _string(loc: str, value: object) -> Iterator[Json]:
    if not isinstance(value, str):
        yield problem("string_type", loc, "Input should be a valid string", value)


def _stops(loc: str, value: object) -> Iterator[Json]:
    if isinstance(value, str) or (isinstance(value, list) and len(value) <= _MAX_STOPS):
        return
    yield from _string(loc, value)
    if isinstance(value, list):
        text = f"List should have at most {_MAX_STOPS} items after validation, not {len(value)}"
        yield problem(
            "too_long", loc, text, value,
            field_type="List", max_length=_MAX_STOPS, actual_length=len(value),
        )  # fmt: skip


def _response_format(loc: str, value: object) -> Iterator[Json]:
    """One of three classes of format; a type that none knows is a complaint of each."""
    kinds = {"text", "json_object", "json_schema", "structural_tag"}
    if not isinstance(value, dict) or value.get("type") in kinds:
        return
    for expected, required in (
        ("'text', 'json_object' or 'json_schema'", ()),
        ("'structural_tag'", ("format",)),
        ("'structural_tag'", ("structures", "triggers")),
    ):
        text, given = f"Input should be {expected}", value.get("type")
        yield problem("literal_error", f"{loc}.type", text, given, expected=expected)
        for name in required:
            yield problem("missing", f"{loc}.{name}", "Field required", value)


_FIELDS: dict[str, _Check] = {
    "model": _string,
    "frequency_penalty": _number,
    "logprobs": _truth,
    "top_logprobs": _integer,
    "max_tokens": _integer,
    "max_completion_tokens": _integer,
    "n": _integer,
    "presence_penalty": _number,
    "response_format": _response_format,
    "seed": _integer,
    "stop": _stops,
    "stream": _truth,
    "temperature": _number,
    "top_p": _number,
    "min_tokens": _integer,
}


def as_truth(value: object) -> bool:
    """A checked boolean as the validator reads it: strings count by their meaning."""
    if isinstance(value, str):
        return value.lower() in {"true", "1", "yes", "on", "t", "y"}
    return bool(value)


def text_of(content: Any) -> str:  # noqa: ANN401 - whatever a client put into a message
    """The text in a message's content, given as a string or as parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""
