"""The Messages endpoint."""

from __future__ import annotations

import json
from typing import Any

import pytest

from podman_llm.testing.openai_config import OpenAIDoubleConfig
from podman_llm.testing.openai_messages import MessageJob, admit_message, as_chat
from podman_llm.testing.openai_model import Model

_MODEL = Model(OpenAIDoubleConfig())
_TOOL = {"name": "get_weather", "input_schema": {"type": "object", "properties": {}}}


def _admit(content: str = "Explain leases", **fields: Any) -> MessageJob:
    body = {"max_tokens": 500, "messages": [{"role": "user", "content": content}], **fields}
    return admit_message(_MODEL, body, "1", 1)


def _events(job: MessageJob) -> list[tuple[str, dict[str, Any]]]:
    *events, done = [event.data.decode() for event in job.events()]
    assert done == "data: [DONE]\n\n"
    return [
        (name.removeprefix("event: "), json.loads(data.removeprefix("data: ")))
        for name, data in (event.strip().split("\n") for event in events)
    ]


def test_a_stream_has_one_block_between_start_and_stop() -> None:
    job = _admit(stream=True)
    names = [name for name, _ in _events(job)]
    assert names[:2] == ["message_start", "content_block_start"]
    assert names[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert set(names[2:-3]) == {"content_block_delta"}
    assert all(name == document["type"] for name, document in _events(job))


def test_the_deltas_add_up_to_the_document() -> None:
    job = _admit(stream=True)
    deltas = [d["delta"]["text"] for name, d in _events(job) if name == "content_block_delta"]
    assert "".join(deltas) == job.whole()["content"][0]["text"]


def test_the_events_cost_the_time_of_all_tokens() -> None:
    for job in (_admit(), _admit("What is the weather?", tools=[_TOOL])):
        assert sum(event.costs for event in job.events()) == job.costs


def test_a_call_is_a_block_of_its_own() -> None:
    job = _admit("What is the weather?", tools=[_TOOL], stream=True)
    assert job.whole()["stop_reason"] == "tool_use"
    assert job.whole()["content"][1]["name"] == "get_weather"
    start = dict(_events(job))["content_block_start"]
    assert start["content_block"]["type"] == "tool_use"


@pytest.mark.parametrize(
    ("choice", "chat"),
    [
        (None, "auto"),
        ({"type": "any"}, "required"),
        ({"type": "tool", "name": "a"}, {"type": "function", "function": {"name": "a"}}),
    ],
)
def test_tool_choices_are_translated(choice: Any, chat: Any) -> None:
    assert as_chat({"messages": [], "tools": [_TOOL], "tool_choice": choice})["tool_choice"] == chat


def test_system_and_results_of_tools_become_messages() -> None:
    result = {"type": "tool_result", "tool_use_id": "t", "content": "sunny"}
    body = {
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [{"role": "user", "content": [result, {"type": "text", "text": "And?"}]}],
    }
    roles = [(m["role"], m["content"]) for m in as_chat(body)["messages"]]
    assert roles == [("system", "Be brief."), ("tool", "sunny"), ("user", "And?")]


def test_an_aborted_message_has_no_stop_reason() -> None:
    assert _admit().whole(is_aborted=True)["stop_reason"] is None
    reason, stop, _ = _admit().abort_events()
    assert b'"stop_reason":null' in reason.data
    assert b"message_stop" in stop.data
