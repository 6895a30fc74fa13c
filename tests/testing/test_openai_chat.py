"""Chat answers: both forms say the same, and events come in vLLM's order."""

from __future__ import annotations

import json
from typing import Any

import pytest

from podman_llm.testing.openai_chat import ChatJob, admit_chat
from podman_llm.testing.openai_config import OpenAIDoubleConfig
from podman_llm.testing.openai_errors import Refused
from podman_llm.testing.openai_model import Model

_MODEL = Model(OpenAIDoubleConfig())
_TOOL = {
    "type": "function",
    "function": {
        "name": "set_mode",
        "parameters": {"type": "object", "properties": {"mode": {"enum": ["on", "off"]}}},
    },
}


def _admit(**fields: Any) -> ChatJob:
    body = {"messages": [{"role": "user", "content": "Explain leases"}], **fields}
    return admit_chat(_MODEL, body, "1", 1)


def _chunks(job: ChatJob) -> list[dict[str, Any]]:
    *events, done = job.events()
    assert done.data == b"data: [DONE]\n\n"
    return [json.loads(event.data.removeprefix(b"data: ")) for event in events]


def test_the_deltas_add_up_to_the_document() -> None:
    job = _admit(stream=True)
    deltas = [chunk["choices"][0]["delta"] for chunk in _chunks(job)]
    text = "".join(delta.get("content", "") for delta in deltas)
    assert text == job.whole()["choices"][0]["message"]["content"]


def test_the_arguments_of_a_call_add_up_to_the_document() -> None:
    job = _admit(stream=True, tools=[_TOOL], tool_choice="required")
    calls = [c["choices"][0]["delta"].get("tool_calls") for c in _chunks(job)]
    arguments = "".join(call[0]["function"].get("arguments", "") for call in calls if call)
    called = job.whole()["choices"][0]["message"]["tool_calls"][0]
    assert json.loads(arguments) == json.loads(called["function"]["arguments"])
    assert calls[1][0]["id"] == called["id"]


def test_usage_comes_last_and_only_when_asked_for() -> None:
    asked = _chunks(_admit(stream=True, stream_options={"include_usage": True}))
    assert asked[-1]["choices"] == []
    assert asked[-1]["usage"]["completion_tokens"] == _admit().completion_tokens
    assert all("usage" not in chunk for chunk in asked[:-1])
    assert all("usage" not in chunk for chunk in _chunks(_admit(stream=True)))


def test_the_fingerprint_is_on_the_last_chunk_alone() -> None:
    for fields in ({}, {"n": 3, "temperature": 1}, {"stream_options": {"include_usage": True}}):
        chunks = _chunks(_admit(stream=True, **fields))
        assert ["system_fingerprint" in chunk for chunk in chunks[-2:]] == [False, True]


def test_each_of_several_choices_finishes_once() -> None:
    chunks = _chunks(_admit(stream=True, n=3, temperature=1))
    finished = [c["choices"][0]["index"] for c in chunks if c["choices"][0]["finish_reason"]]
    assert sorted(finished) == [0, 1, 2]


def test_running_usage_counts_up() -> None:
    options = {"include_usage": True, "continuous_usage_stats": True}
    chunks = _chunks(_admit(stream=True, stream_options=options))
    written = [chunk["usage"]["completion_tokens"] for chunk in chunks]
    assert written == sorted(written)
    assert (written[0], written[-1]) == (0, _admit().completion_tokens)


def test_the_events_cost_the_time_of_all_tokens() -> None:
    for fields in ({}, {"n": 2, "temperature": 1}):
        job = _admit(stream=True, **fields)
        assert sum(event.costs for event in job.events()) == job.costs


def test_an_aborted_document_says_so() -> None:
    assert _admit().whole(is_aborted=True)["choices"][0]["finish_reason"] == "abort"


def test_every_choice_of_an_aborted_stream_ends() -> None:
    events = list(_admit(stream=True, n=2, temperature=1).abort_events())
    assert [event.data.count(b'"abort"') for event in events] == [1, 1, 0]


def test_an_image_is_refused_by_a_model_of_text() -> None:
    parts = [{"type": "image_url", "image_url": {"url": "data:"}}]
    with pytest.raises(Refused, match="not a multimodal model"):
        _admit(messages=[{"role": "user", "content": parts}])
