from __future__ import annotations

from typing import Any

import pytest

from podman_llm.core.chat_answer import (
    ChatAnswer,
    Ending,
    Kind,
    Origin,
    Usage,
    ending_of,
    origin_of,
    read_completion,
    usage_of,
)
from podman_llm.core.translation import Malformed

CALL = {"id": "c1", "type": "function", "function": {"name": "ls", "arguments": '{"at":"."}'}}


def completion(message: Any, reason: object = "stop", **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": message, "finish_reason": reason}
    head = {"id": "chatcmpl-7", "created": 5, "model": "gpt"}
    return {**head, "choices": [choice], **more}


def told(answer: ChatAnswer) -> list[tuple[Kind, int, str]]:
    return [(one.kind, one.number, one.said) for one in answer.sections]


def test_a_message_is_told_in_the_order_in_which_it_came_about() -> None:
    message = {"content": "Here.", "reasoning_content": "hm", "tool_calls": [CALL, CALL]}
    answer = read_completion(completion(message, "tool_calls"))
    assert told(answer) == [
        (Kind.THOUGHT, 0, "hm"),
        (Kind.TEXT, 1, "Here."),
        (Kind.CALL, 2, '{"at":"."}'),
        (Kind.CALL, 3, '{"at":"."}'),
    ]
    assert (answer.sections[2].identity, answer.sections[2].name) == ("c1", "ls")
    assert answer.origin == Origin("7", 5, "gpt")
    assert not answer.sections[-1].is_cut


def test_a_thought_told_under_both_its_names_is_one() -> None:
    message = {"reasoning": "hm", "reasoning_content": "hm", "content": None, "refusal": "no"}
    assert told(read_completion(completion(message))) == [
        (Kind.THOUGHT, 0, "hm"),
        (Kind.REFUSAL, 1, "no"),
    ]


def test_without_room_the_last_section_is_cut() -> None:
    answer = read_completion(completion({"content": "He", "reasoning": "hm"}, "length"))
    assert [section.is_cut for section in answer.sections] == [False, True]


def test_an_empty_answer_has_no_sections() -> None:
    assert told(read_completion(completion({"content": "", "tool_calls": 5}))) == []


def test_a_call_without_arguments_has_empty_ones() -> None:
    bare = {"id": "c1", "function": {"name": "ls"}}
    assert told(read_completion(completion({"tool_calls": [bare]}))) == [(Kind.CALL, 0, "{}")]


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"choices": [{}]},
        completion("text"),
        completion({"tool_calls": ["no call"]}),
        completion({"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {"a": 1}}}]}),
        completion({"tool_calls": [{"id": None, "function": {"name": "ls"}}]}),
    ],
)
def test_what_is_no_answer_is_malformed(document: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        read_completion(document)


@pytest.mark.parametrize(
    ("reason", "has_calls", "expected"),
    [
        ("stop", False, "stop"),
        ("stop", True, "tool_calls"),
        ("length", True, "length"),
        ("content_filter", False, "content_filter"),
        (None, False, ""),
    ],
)
def test_the_ending_tells_of_calls(reason: object, has_calls: bool, expected: str) -> None:
    assert ending_of(reason, None, has_calls=has_calls) == Ending(expected, None)


def test_usage_is_read_as_far_as_it_is_told() -> None:
    assert usage_of({"usage": None}) is None
    assert usage_of({"usage": {"prompt_tokens": 3, "completion_tokens": "x"}}) == Usage(3)
    details = {"cached_tokens": 4, "cache_write_tokens": 2}
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 5,
        "prompt_tokens_details": details,
        "completion_tokens_details": {"reasoning_tokens": 1},
    }
    assert usage_of({"usage": usage}) == Usage(9, 5, 4, 2, 1)


def test_an_origin_is_read_from_whatever_there_is() -> None:
    assert origin_of({"id": 3, "created": "x"}) == Origin("", 0, "")
