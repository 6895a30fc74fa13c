from __future__ import annotations

import json
from typing import Any

from podman_llm.core.chat_answer import Ending, Kind, Origin, Section, Usage
from podman_llm.core.chat_reader import Began, Ended, More
from podman_llm.core.responses_stream import ResponsesTeller
from podman_llm.core.responses_tools import Name
from podman_llm.core.sse import event_data, event_name, split_events

ORIGIN = Origin("7", 5, "gpt")


def told(*sections: Section, reason: str = "stop", **names: Name) -> list[dict[str, Any]]:
    """The events of an answer of these sections, each told in its pieces."""
    teller = ResponsesTeller(ORIGIN, {"instructions": "x"}, names)
    said = [teller.begin()]
    for section in sections:
        said.append(teller.tell(Began(section)))
        said += [teller.tell(More(section, piece)) for piece in section.pieces]
        said.append(teller.tell(Ended(section)))
    events = split_events(b"".join([*said, teller.end(Ending(reason, Usage(3, 2)))]))
    documents = [json.loads(event_data(event) or b"") for event in events]
    assert [event_name(event).decode() for event in events] == [one["type"] for one in documents]
    assert [one["sequence_number"] for one in documents] == list(range(len(documents)))
    return documents


def kinds(events: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in events]


def test_a_text_is_told_in_the_order_that_clients_count_on() -> None:
    events = told(Section(Kind.TEXT, 0, pieces=["Hel", "lo"]))
    assert kinds(events) == [
        *("created", "in_progress", "output_item.added", "content_part.added"),
        *("output_text.delta", "output_text.delta", "output_text.done"),
        *("content_part.done", "output_item.done", "completed"),
    ]
    place = {"item_id": "msg_7_0", "output_index": 0, "content_index": 0}
    for event in events[3:8]:
        assert event.items() >= place.items()
    assert [event["delta"] for event in events[4:6]] == ["Hel", "lo"]
    assert events[6]["text"] == events[7]["part"]["text"] == "Hello"
    assert events[0]["response"]["status"] == "in_progress"
    whole = events[-1]["response"]
    assert whole["output"] == [events[-2]["item"]]
    assert (whole["status"], whole["instructions"]) == ("completed", "x")
    assert whole["usage"]["total_tokens"] == 5


def test_thoughts_calls_and_refusals_have_events_of_their_own() -> None:
    call = Section(Kind.CALL, 1, "c1", "fs__ls", pieces=['{"a"', ":1}"])
    sections = [
        Section(Kind.THOUGHT, 0, pieces=["hm"]),
        call,
        Section(Kind.REFUSAL, 2, pieces=["no"]),
    ]
    events = told(*sections, fs__ls=Name("ls", "fs"))
    assert kinds(events)[2:-1] == [
        *("output_item.added", "content_part.added", "reasoning_text.delta"),
        *("reasoning_text.done", "content_part.done", "output_item.done"),
        *("output_item.added", "function_call_arguments.delta", "function_call_arguments.delta"),
        *("function_call_arguments.done", "output_item.done"),
        *("output_item.added", "content_part.added", "refusal.delta", "refusal.done"),
        *("content_part.done", "output_item.done"),
    ]
    done = events[11]
    assert (done["name"], done["arguments"], done["item_id"]) == ("ls", '{"a":1}', "fc_7_1")
    assert "content_index" not in done
    assert [item["type"] for item in events[-1]["response"]["output"]] == [
        *("reasoning", "function_call", "message")
    ]
    assert events[-1]["response"]["output"][1]["namespace"] == "fs"


def test_an_answer_without_room_is_incomplete() -> None:
    last = told(Section(Kind.TEXT, 0, is_cut=True, pieces=["He"]), reason="length")[-1]
    assert last["type"] == "response.incomplete"
    assert last["response"]["incomplete_details"] == {"reason": "max_output_tokens"}


def test_text_that_no_encoding_takes_does_not_end_the_stream() -> None:
    assert told(Section(Kind.TEXT, 0, pieces=["\ud800"]))[4]["delta"] == "?"
