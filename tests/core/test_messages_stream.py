from __future__ import annotations

import json
from typing import Any

import pytest

from podman_llm.core.chat_answer import Ending, Kind, Origin, Section, Usage
from podman_llm.core.chat_reader import Began, Ended, More
from podman_llm.core.messages_stream import MessagesTeller
from podman_llm.core.sse import event_data, event_name, split_events


def told(*sections: Section, reason: str = "stop") -> list[dict[str, Any]]:
    """The events of an answer of these sections, each told in its pieces."""
    teller = MessagesTeller(Origin("7", 5, "gpt"))
    said = [teller.begin()]
    for section in sections:
        said.append(teller.tell(Began(section)))
        said += [teller.tell(More(section, piece)) for piece in section.pieces]
        said.append(teller.tell(Ended(section)))
    events = split_events(b"".join([*said, teller.end(Ending(reason, Usage(3, 2)))]))
    documents = [json.loads(event_data(event) or b"") for event in events]
    assert [event_name(event).decode() for event in events] == [one["type"] for one in documents]
    return documents


def test_blocks_follow_one_another_between_start_and_stop() -> None:
    thought = Section(Kind.THOUGHT, 0, pieces=["h", "m"])
    events = told(thought, Section(Kind.CALL, 1, "c1", "ls", pieces=["{}"]), reason="tool_calls")
    assert [event["type"] for event in events] == [
        "message_start",
        *("content_block_start", "content_block_delta", "content_block_delta"),
        "content_block_stop",
        *("content_block_start", "content_block_delta", "content_block_stop"),
        *("message_delta", "message_stop"),
    ]
    assert events[0]["message"]["content"] == []
    assert events[0]["message"]["stop_reason"] is None
    assert events[5]["content_block"]["id"] == "c1"
    assert [event.get("index") for event in events[1:8]] == [0, 0, 0, 0, 1, 1, 1]
    assert events[8]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert (events[8]["usage"]["input_tokens"], events[8]["usage"]["output_tokens"]) == (3, 2)


@pytest.mark.parametrize(
    ("kind", "delta"),
    [
        (Kind.THOUGHT, {"type": "thinking_delta", "thinking": "x"}),
        (Kind.TEXT, {"type": "text_delta", "text": "x"}),
        (Kind.REFUSAL, {"type": "text_delta", "text": "x"}),
        (Kind.CALL, {"type": "input_json_delta", "partial_json": "x"}),
    ],
)
def test_each_kind_goes_on_in_its_own_way(kind: Kind, delta: dict[str, str]) -> None:
    assert told(Section(kind, 0, pieces=["x"]))[2]["delta"] == delta


def test_a_refusal_ends_as_one() -> None:
    events = told(Section(Kind.REFUSAL, 0, pieces=["no"]))
    assert events[-2]["delta"]["stop_reason"] == "refusal"


def test_text_that_no_encoding_takes_does_not_end_the_stream() -> None:
    assert told(Section(Kind.TEXT, 0, pieces=["\ud800"]))[2]["delta"]["text"] == "?"
