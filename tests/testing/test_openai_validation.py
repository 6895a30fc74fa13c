"""Shapes of bodies beyond those that were recorded."""

from __future__ import annotations

from typing import Any

import pytest

from podman_llm.testing.openai_errors import Refused
from podman_llm.testing.openai_validation import (
    as_truth,
    check_chat,
    check_completion,
    parse_body,
    text_of,
)


def _refusal(check: Any, *arguments: Any) -> str:
    with pytest.raises(Refused) as caught:
        check(*arguments)
    assert caught.value.status == 400
    return str(caught.value.body["error"]["message"])


def test_a_content_type_with_parameters_is_json() -> None:
    assert parse_body(b'{"a": 1}', "Application/JSON; charset=utf-8") == {"a": 1}


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("temperature", [1], "float_type"),
        ("max_tokens", 1.5, "int_from_float"),
        ("max_tokens", {}, "int_type"),
        ("stream", [], "bool_type"),
        ("model", 7, "string_type"),
        ("stop", 7, "string_type"),
    ],
)
def test_a_field_of_the_wrong_type_is_named(field: str, value: object, kind: str) -> None:
    body = {"messages": [{"role": "user", "content": "x"}], field: value}
    message = _refusal(check_chat, body)
    assert f"'type': '{kind}', 'loc': 'body.{field}'" in message


@pytest.mark.parametrize(
    "body",
    [
        {"messages": [{"role": "user", "content": "x"}], "temperature": "0.5", "stream": "true"},
        {"messages": [{"role": "assistant", "content": None}], "max_tokens": 4.0},
        {"messages": [{"role": "wizard"}], "unknown": {}, "stop": ["a"], "seed": None},
    ],
)
def test_what_the_validator_converts_is_accepted(body: dict[str, Any]) -> None:
    check_chat(body)


def test_a_message_that_is_no_object_is_refused() -> None:
    assert "dict_type" in _refusal(check_chat, {"messages": ["hi"]})


def test_the_logprobs_of_a_completion_are_a_number() -> None:
    check_completion({"prompt": "x", "logprobs": 2})
    assert "int_parsing" in _refusal(check_completion, {"prompt": "x", "logprobs": "two"})


def test_strings_count_as_truths_by_their_meaning() -> None:
    assert [as_truth(value) for value in ("yes", "off", True, None)] == [True, False, True, False]


def test_the_text_of_parts_is_joined() -> None:
    assert text_of([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]) == "ab"
    assert text_of(None) == ""
