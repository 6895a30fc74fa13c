from __future__ import annotations

from typing import Any

import pytest

from podman_llm.core.chat_answer import ChatAnswer, Ending, Kind, Origin, Section, Usage
from podman_llm.core.completion import Complete, judge_response
from podman_llm.core.responses_answer import item, response, to_response
from podman_llm.core.responses_tools import Name

ORIGIN = Origin("7", 5, "gpt")
TEXT = Section(Kind.TEXT, 0, pieces=["Hi", "."])
CALL = Section(Kind.CALL, 1, "c1", "fs__ls", pieces=["{}"])
NAMES = {"fs__ls": Name("ls", "fs")}


def answer(*sections: Section, reason: str = "stop", usage: Usage | None = None) -> ChatAnswer:
    return ChatAnswer(ORIGIN, sections, Ending(reason, usage))


@pytest.mark.parametrize(
    ("section", "told"),
    [
        (
            TEXT,
            {
                "id": "msg_7_0",
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "content": [
                    {"type": "output_text", "text": "Hi.", "annotations": [], "logprobs": []}
                ],
            },
        ),
        (
            Section(Kind.REFUSAL, 2, pieces=["no"]),
            {
                "id": "msg_7_2",
                "type": "message",
                "role": "assistant",
                "status": "completed",
                "content": [{"type": "refusal", "refusal": "no"}],
            },
        ),
        (
            Section(Kind.THOUGHT, 0, pieces=["hm"]),
            {
                "id": "rs_7_0",
                "type": "reasoning",
                "status": "completed",
                "summary": [],
                "content": [{"type": "reasoning_text", "text": "hm"}],
            },
        ),
        (
            CALL,
            {
                "id": "fc_7_1",
                "type": "function_call",
                "status": "completed",
                "call_id": "c1",
                "name": "ls",
                "namespace": "fs",
                "arguments": "{}",
            },
        ),
    ],
)
def test_each_section_is_an_item(section: Section, told: dict[str, Any]) -> None:
    assert item(section, ORIGIN, NAMES) == told


def test_an_item_that_begins_says_nothing_yet() -> None:
    assert item(TEXT, ORIGIN, NAMES, is_begun=True)["content"] == []
    begun = item(CALL, ORIGIN, NAMES, is_begun=True)
    assert (begun["arguments"], begun["status"]) == ("", "in_progress")


def test_a_cut_item_is_incomplete() -> None:
    assert item(Section(Kind.TEXT, 0, is_cut=True), ORIGIN, {})["status"] == "incomplete"


@pytest.mark.parametrize(
    ("reason", "status", "why"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
    ],
)
def test_the_status_tells_how_it_ended(reason: str, status: str, why: object) -> None:
    told = to_response(answer(TEXT, reason=reason), {}, {})
    assert (told["status"], told["incomplete_details"]) == (status, why)
    assert isinstance(judge_response(told), Complete)
    assert judge_response(told).is_storable is (status == "completed")  # type: ignore[union-attr]  # as asserted


def test_the_request_is_repeated_and_the_usage_told() -> None:
    asked = {"instructions": "be brief", "temperature": 0, "tools": [{"type": "function"}]}
    told = to_response(answer(TEXT, usage=Usage(9, 5, 4, 2, 1)), asked, {})
    assert {name: told[name] for name in asked} == asked
    assert (told["id"], told["created_at"], told["model"]) == ("resp_7", 5, "gpt")
    assert told["usage"] == {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 1},
        "total_tokens": 14,
    }
    assert to_response(answer(TEXT), {}, {})["usage"] is None


def test_without_an_ending_it_is_in_progress() -> None:
    told = response(ORIGIN, {}, [], None)
    assert (told["status"], told["usage"], told["output"]) == ("in_progress", None, [])
