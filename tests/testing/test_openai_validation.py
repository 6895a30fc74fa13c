"""Shapes of bodies beyond those that were recorded."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podman_llm.testing.openai_chat import admit_chat
from podman_llm.testing.openai_completions import admit_completion
from podman_llm.testing.openai_config import OpenAIDoubleConfig
from podman_llm.testing.openai_errors import Refused
from podman_llm.testing.openai_generation import Admit
from podman_llm.testing.openai_messages import admit_message
from podman_llm.testing.openai_model import Model
from podman_llm.testing.openai_responses import admit_response
from podman_llm.testing.openai_validation import check_chat, check_completion, parse_body


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


_MODEL = Model(OpenAIDoubleConfig(max_model_len=256))
_NAMES = ("type", "function", "name", "role", "content", "json_schema", "schema", "enum")
_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 30) | st.floats() | st.sampled_from(["", "auto"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(_NAMES), inner, max_size=3)
    ),
    max_leaves=6,
)
_FIELDS = (
    *("tools", "tool_choice", "stop", "logprobs", "top_logprobs", "n", "response_format", "stream"),
    *("prompt_logprobs", "stop_token_ids", "truncate_prompt_tokens", "logit_bias", "temperature"),
    *("stream_options", "structured_outputs", "max_tokens", "min_tokens", "system", "echo", "seed"),
)
_GREETING = [{"role": "user", "content": "Hi"}]


@settings(max_examples=60)
@given(fields=st.dictionaries(st.sampled_from(_FIELDS), _ANYTHING, max_size=3))
@pytest.mark.parametrize(
    ("admit", "least"),
    [
        (admit_chat, {"messages": _GREETING}),
        (admit_completion, {"prompt": "Hi"}),
        (admit_response, {"input": "Hi"}),
        (admit_message, {"messages": _GREETING, "max_tokens": 9}),
    ],
)
def test_whatever_the_fields_hold_a_request_is_answered_or_refused(
    admit: Admit, least: dict[str, Any], fields: dict[str, Any]
) -> None:
    _answer_or_refuse(admit, {**least, **fields})


@settings(max_examples=60)
@given(prompt=_ANYTHING)
@pytest.mark.parametrize(
    ("admit", "name"),
    [
        (admit_chat, "messages"),
        (admit_completion, "prompt"),
        (admit_response, "input"),
        (admit_message, "messages"),
    ],
)
def test_whatever_the_prompt_is_a_request_is_answered_or_refused(
    admit: Admit, name: str, prompt: object
) -> None:
    for asked in (prompt, [prompt]):
        _answer_or_refuse(admit, {"max_tokens": 9, name: asked})


def _answer_or_refuse(admit: Admit, body: dict[str, Any]) -> None:
    with contextlib.suppress(Refused):
        job = admit(_MODEL, body, "1", 1)
        job.whole()
        list(job.events())
