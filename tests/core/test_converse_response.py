from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podman_llm.core.completion import Complete, Endpoint, judge_body
from podman_llm.core.converse_names import safe_name
from podman_llm.core.converse_response import (
    Head,
    finish_reason,
    to_completion,
    usage_of,
)
from podman_llm.core.translation import Malformed
from podman_llm.testing.bedrock_model import Reply
from tests.core.converse_rules import calls, function, result, turns, user

HEAD = Head("chatcmpl-1", 7, "claude")
TEXT = {"text": "Hello"}
THOUGHT = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}}
CALL = {"toolUse": {"toolUseId": "t1", "name": "read", "input": {"path": "ä"}}}


def choice(*blocks: dict[str, Any], stop: str = "end_turn") -> dict[str, Any]:
    document = to_completion(Reply(blocks, stop).document(), HEAD, {})
    assert document["id"] == "chatcmpl-1"
    assert (document["created"], document["model"]) == (7, "claude")
    made: dict[str, Any] = document["choices"][0]
    return made


def test_text_is_content() -> None:
    assert choice(TEXT, {"text": " you"}) == {
        "index": 0,
        "message": {"role": "assistant", "content": "Hello you"},
        "logprobs": None,
        "finish_reason": "stop",
    }


def test_thoughts_have_their_own_field() -> None:
    message = choice(THOUGHT, TEXT)["message"]
    assert message == {"role": "assistant", "content": "Hello", "reasoning_content": "hm"}


def test_calls_are_calls_and_say_nothing() -> None:
    made = choice(CALL, {"toolUse": {"toolUseId": "t2", "name": "now"}}, stop="tool_use")
    assert made["finish_reason"] == "tool_calls"
    assert made["message"]["content"] is None
    first, second = made["message"]["tool_calls"]
    assert first["id"] == "t1"
    assert first["function"] == {"name": "read", "arguments": '{"path": "ä"}'}
    assert second["function"] == {"name": "now", "arguments": "{}"}


def test_a_tool_gets_the_clients_name_back() -> None:
    safe = safe_name("files.read")
    block = {"toolUse": {"toolUseId": "t", "name": safe, "input": {}}}
    made = to_completion(Reply((block,), "tool_use").document(), HEAD, {safe: "files.read"})
    call = made["choices"][0]["message"]["tool_calls"][0]
    assert call["function"]["name"] == "files.read"


def test_blocks_that_are_not_known_are_passed_over() -> None:
    redacted = {"reasoningContent": {"redactedContent": "eA=="}}
    assert choice(redacted, {"new": 1}, TEXT)["message"]["content"] == "Hello"


def test_nothing_said_is_an_empty_text() -> None:
    assert choice()["message"]["content"] == ""


@pytest.mark.parametrize(
    ("stop", "reason"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("content_filtered", "content_filter"),
        ("guardrail_intervened", "content_filter"),
        ("something_new", "stop"),
    ],
)
def test_reasons(stop: str, reason: str) -> None:
    assert finish_reason(stop, has_calls=False) == reason


def test_a_turn_that_ends_with_calls_says_so() -> None:
    assert finish_reason("end_turn", has_calls=True) == "tool_calls"
    assert finish_reason("max_tokens", has_calls=True) == "length"


@pytest.mark.parametrize("stop", ["malformed_model_output", "malformed_tool_use"])
def test_an_output_that_could_not_be_read_is_no_answer(stop: str) -> None:
    with pytest.raises(Malformed, match=stop):
        choice(TEXT, stop=stop)


@pytest.mark.parametrize("answer", [{}, {"output": {}}, {"output": {"message": {"content": []}}}])
def test_what_is_no_answer_of_converse_is_malformed(answer: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        to_completion(answer, HEAD, {})


@pytest.mark.parametrize("suffix", ["Tokens", "TokenCount"])
def test_cached_tokens_belong_to_the_prompt(suffix: str) -> None:
    given_usage = {
        "inputTokens": 1,
        "outputTokens": 8,
        f"cacheReadInput{suffix}": 2,
        f"cacheWriteInput{suffix}": 4,
    }
    assert usage_of(given_usage) == {
        "prompt_tokens": 7,
        "completion_tokens": 8,
        "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 2, "cache_write_tokens": 4},
    }
    assert usage_of(None) is None


json_objects = st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=3), max_size=3)
names = st.sampled_from(["read", "files.read", "x" * 70])
ids = st.text("abc-_.:", min_size=1, max_size=9)
said = st.text(min_size=1, max_size=9).filter(str.strip)


@given(said, st.lists(st.tuples(ids, names, json_objects), max_size=3, unique_by=lambda c: c[0]))
def test_an_answer_put_back_into_the_history_is_what_the_model_said(
    text: str, used: list[tuple[str, str, dict[str, Any]]]
) -> None:
    tools = [function(name) for _, name, _ in used] or [function("read")]
    blocks: list[dict[str, Any]] = [{"text": text}]
    for identity, name, given_input in used:
        use = {"toolUseId": identity, "name": safe_name(name), "input": given_input}
        blocks.append({"toolUse": use})
    answer = Reply(tuple(blocks), "tool_use" if used else "end_turn").document()
    completion = to_completion(answer, HEAD, {safe_name(name): name for _, name, _ in used})
    body = json.dumps(completion).encode()
    assert judge_body(Endpoint.CHAT, 200, body) == Complete()
    message = completion["choices"][0]["message"]
    results = [result(identity, "done") for identity, _, _ in used]
    history = turns(user("hi"), message, *results, user("and?"), tools=tools)
    assert history[1] == {"role": "assistant", "content": blocks}


def test_the_helper_makes_what_answers_are_made_of() -> None:
    block = {"toolUse": {"toolUseId": "a", "name": "read", "input": {}}}
    message = choice(block, stop="tool_use")["message"]
    assert message == calls(("a", "read", "{}"))
