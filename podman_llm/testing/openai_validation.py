"""The shape of a request body, judged with the words of vLLM's validator.

vLLM declares its bodies as pydantic models; an error text is therefore made of the names of its
classes. They are spelt out here as tables, in the order in which the validator meets them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from podman_llm.testing.openai_errors import (
    Json,
    bad_request,
    detail,
    malformed,
    problem,
    wrong_media_type,
)
from podman_llm.testing.openai_fields import (
    Check,
    check_fields,
    field_problems,
    integer,
    listing,
    mapping,
    number,
    prompts,
    record,
    stops,
    string,
    text_or_list,
    truth,
)


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
    problems = [*_messages(body), *field_problems(body, _CHAT)]
    if problems:
        raise malformed(problems)


def check_completion(body: Json) -> None:
    """Refuse a completion body of the wrong shape; a missing prompt has an error of its own."""
    check_fields(body, _COMPLETION)
    if not body.get("prompt"):
        message = "Either prompt or prompt_embeds must be provided and non-empty."
        raise bad_request(message, "prompt")


def check_response(body: Json) -> None:
    """Refuse a Responses body of the wrong shape."""
    if body.get("input") is None:
        raise malformed([problem("missing", "body.input", "Field required", body)])
    check_fields(body, _RESPONSE)


def check_message(body: Json) -> None:
    """Refuse a Messages body of the wrong shape."""
    for name in ("messages", "max_tokens"):
        if body.get(name) is None:
            raise malformed([problem("missing", f"body.{name}", "Field required", body)])
    check_fields(body, _MESSAGE)


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
    elif name == "role" and role and role != given:
        expected = f"'{role}'"
        yield problem("literal_error", loc, f"Input should be {expected}", given, expected=expected)


def _tool_choice(loc: str, value: object) -> Iterator[Json]:
    if isinstance(value, dict):
        yield from _required(loc, value, "function")
        yield from record(function=_named)(loc, value)
    elif not isinstance(value, str) or value not in {"none", "auto", "required"}:
        expected = "'none', 'auto' or 'required'"
        yield problem("literal_error", loc, f"Input should be {expected}", value, expected=expected)


def _named(loc: str, value: object) -> Iterator[Json]:
    yield from record(name=string, parameters=mapping)(loc, value)
    if isinstance(value, dict):
        yield from _required(loc, value, "name")


def _tool(loc: str, value: object) -> Iterator[Json]:
    yield from record(function=_named)(loc, value)
    if isinstance(value, dict):
        yield from _required(loc, value, "function")


def _anthropic_message(loc: str, value: object) -> Iterator[Json]:
    yield from record(role=string, content=text_or_list)(loc, value)
    if isinstance(value, dict):
        yield from _required(loc, value, "role")


def _required(loc: str, value: Json, name: str) -> Iterator[Json]:
    if value.get(name) is None:
        yield problem("missing", f"{loc}.{name}", "Field required", value)


def _response_format(loc: str, value: object) -> Iterator[Json]:
    """One of three classes of format; a type that none knows is a complaint of each."""
    kinds = {"text", "json_object", "json_schema", "structural_tag"}
    if not isinstance(value, dict):
        yield from mapping(loc, value)
        return
    kind = value.get("type")
    if isinstance(kind, str) and kind in kinds:
        yield from field_problems(value, {"json_schema": record(schema=mapping)}, loc)
        return
    for expected, required in (
        ("'text', 'json_object' or 'json_schema'", ()),
        ("'structural_tag'", ("format",)),
        ("'structural_tag'", ("structures", "triggers")),
    ):
        text = f"Input should be {expected}"
        yield problem("literal_error", f"{loc}.type", text, kind, expected=expected)
        for name in required:
            yield problem("missing", f"{loc}.{name}", "Field required", value)


_SAMPLER: dict[str, Check] = {
    "model": string,
    "frequency_penalty": number,
    "logit_bias": mapping,
    "max_tokens": integer,
    "n": integer,
    "presence_penalty": number,
    "response_format": _response_format,
    "seed": integer,
    "stop": stops,
    "stream": truth,
    "stream_options": record(include_usage=truth, continuous_usage_stats=truth),
    "temperature": number,
    "top_p": number,
    "min_tokens": integer,
    "stop_token_ids": listing(integer),
    "prompt_logprobs": integer,
    "truncate_prompt_tokens": integer,
    "return_token_ids": truth,
    "structured_outputs": record(choice=listing(string)),
}
_CHAT: dict[str, Check] = {
    **_SAMPLER,
    "logprobs": truth,
    "top_logprobs": integer,
    "max_completion_tokens": integer,
    "tools": listing(_tool),
    "tool_choice": _tool_choice,
    "add_generation_prompt": truth,
    "continue_final_message": truth,
}
_COMPLETION: dict[str, Check] = {**_SAMPLER, "logprobs": integer, "echo": truth, "prompt": prompts}
_RESPONSE: dict[str, Check] = {
    "model": string,
    "input": text_or_list,
    "instructions": string,
    "max_output_tokens": integer,
    "stream": truth,
    "temperature": number,
    "top_p": number,
    "tools": listing(mapping),
}
_MESSAGE: dict[str, Check] = {
    "model": string,
    "max_tokens": integer,
    "messages": listing(_anthropic_message),
    "system": text_or_list,
    "stop_sequences": listing(string),
    "stream": truth,
    "temperature": number,
    "top_p": number,
    "tools": listing(record(name=string, input_schema=mapping)),
    "tool_choice": record(type=string, name=string),
}
