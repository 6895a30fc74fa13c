from __future__ import annotations

from typing import Any

import pytest

from podman_llm.core.responses_request import to_chat
from podman_llm.core.responses_tools import Name
from podman_llm.core.translation import Untranslatable

ASK = {"model": "m", "input": "hi"}
CHAT = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
SCHEMA = {"name": "city", "schema": {"type": "object"}, "strict": True}


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, {}),
        ({"stream": False}, {}),
        ({"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}),
        (
            {"max_output_tokens": 9, "temperature": 0},
            {"max_completion_tokens": 9, "temperature": 0},
        ),
        ({"top_p": 0.5, "top_k": 3}, {"top_p": 0.5, "top_k": 3}),
        ({"reasoning": {"effort": "low", "summary": "auto"}}, {"reasoning_effort": "low"}),
        ({"reasoning": {"summary": "auto"}}, {}),
        ({"text": {"format": {"type": "text"}, "verbosity": "low"}}, {}),
        (
            {"text": {"format": {"type": "json_object"}}},
            {"response_format": {"type": "json_object"}},
        ),
        (
            {"text": {"format": {"type": "json_schema", **SCHEMA}}},
            {"response_format": {"type": "json_schema", "json_schema": SCHEMA}},
        ),
        (
            {
                "store": True,
                "include": ["reasoning.encrypted_content"],
                "prompt_cache_key": "x",
                "client_metadata": {"a": "b"},
                "metadata": {"a": "b"},
                "user": "u",
                "truncation": "auto",
                "service_tier": "flex",
                "previous_response_id": None,
                "background": False,
                "top_logprobs": 0,
            },
            {},
        ),
    ],
)
def test_fields_are_told_in_chats_words_or_left_out(
    asked: dict[str, Any], told: dict[str, Any]
) -> None:
    assert to_chat(ASK | asked).body == CHAT | told


def test_tools_come_with_the_clients_names_for_them() -> None:
    chat = to_chat(ASK | {"tools": [{"type": "function", "name": "ls"}]})
    assert chat.body["tools"] == [{"type": "function", "function": {"name": "ls"}}]
    assert chat.names == {"ls": Name("ls")}


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": {"id": "c"}}, "conversation"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"background": True}, "background"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"include": ["message.output_text.logprobs"]}, "include"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format"),
        ({"tools": [{"type": "custom"}]}, "tools.0"),
        ({"input": 3}, "input"),
    ],
)
def test_what_chat_has_no_word_for_is_named(asked: dict[str, Any], where: str) -> None:
    with pytest.raises(Untranslatable) as caught:
        to_chat(ASK | asked)
    assert caught.value.param == where
