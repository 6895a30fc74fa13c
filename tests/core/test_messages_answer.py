from __future__ import annotations

import pytest

from podman_llm.core.chat_answer import ChatAnswer, Ending, Kind, Origin, Section, Usage
from podman_llm.core.messages_answer import block, stop_reason, to_message, tokens
from podman_llm.core.translation import Malformed

THOUGHT = Section(Kind.THOUGHT, 0, pieces=["hm"])
TEXT = Section(Kind.TEXT, 1, pieces=["Hi", "."])
CALL = Section(Kind.CALL, 2, "c1", "ls", pieces=['{"at":', '"."}'])


def answer(*sections: Section, reason: str = "stop") -> ChatAnswer:
    return ChatAnswer(Origin("7", 5, "gpt"), sections, Ending(reason, Usage(9, 5, 4, 2, 1)))


def test_each_section_is_a_block() -> None:
    assert to_message(answer(THOUGHT, TEXT, CALL, reason="tool_calls")) == {
        "id": "msg_7",
        "type": "message",
        "role": "assistant",
        "model": "gpt",
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": ""},
            {"type": "text", "text": "Hi."},
            {"type": "tool_use", "id": "c1", "name": "ls", "input": {"at": "."}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 3,
            "cache_creation_input_tokens": 2,
            "cache_read_input_tokens": 4,
            "output_tokens": 5,
        },
    }


def test_a_refusal_is_text_that_ends_as_one() -> None:
    message = to_message(answer(Section(Kind.REFUSAL, 0, pieces=["no"])))
    assert (message["content"], message["stop_reason"]) == (
        [{"type": "text", "text": "no"}],
        "refusal",
    )


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("stop", "end_turn"),
        ("tool_calls", "tool_use"),
        ("length", "max_tokens"),
        ("content_filter", "refusal"),
    ],
)
def test_the_reason_goes_by_its_own_name(reason: str, stop: str) -> None:
    assert stop_reason(Ending(reason, None), is_refused=False) == stop


@pytest.mark.parametrize("said", ['{"at', "[1]", "null", ""])
def test_arguments_that_cannot_be_read_are_no_answer(said: str) -> None:
    with pytest.raises(Malformed):
        to_message(answer(Section(Kind.CALL, 0, "c1", "ls", pieces=[said])))


def test_a_call_that_there_was_no_room_for_is_left_out() -> None:
    cut = Section(Kind.CALL, 2, "c1", "ls", is_cut=True, pieces=['{"at'])
    message = to_message(answer(TEXT, cut, reason="length"))
    assert message["content"] == [{"type": "text", "text": "Hi."}]
    whole = Section(Kind.CALL, 2, "c1", "ls", is_cut=True, pieces=["{}"])
    assert len(to_message(answer(TEXT, whole, reason="length"))["content"]) == 2


def test_usage_that_nobody_told_is_zero_for_want_of_a_word() -> None:
    assert set(tokens(None).values()) == {0}


def test_a_block_that_begins_says_nothing_yet() -> None:
    assert block(CALL) == {"type": "tool_use", "id": "c1", "name": "ls", "input": {}}
    assert block(TEXT) == {"type": "text", "text": ""}
    assert block(THOUGHT) == {"type": "thinking", "thinking": "", "signature": ""}
