"""The Responses endpoint."""

from __future__ import annotations

import json
from typing import Any

from podman_llm.testing.openai_config import OpenAIDoubleConfig
from podman_llm.testing.openai_model import Model
from podman_llm.testing.openai_responses import ResponseJob, admit_response

_MODEL = Model(OpenAIDoubleConfig())


def _admit(**body: Any) -> ResponseJob:
    return admit_response(_MODEL, {"input": "Explain leases", **body}, "1", 1)


def _documents(job: ResponseJob) -> list[dict[str, Any]]:
    return [json.loads(event.data.split(b"data: ")[1]) for event in job.events()]


def test_the_deltas_add_up_to_the_document() -> None:
    job = _admit(stream=True)
    documents = _documents(job)
    text = "".join(d["delta"] for d in documents if d["type"] == "response.output_text.delta")
    assert text == job.whole()["output"][0]["content"][0]["text"]
    assert documents[-1]["response"]["output"][0]["content"][0]["text"] == text


def test_events_are_numbered_and_the_whole_time_is_paid() -> None:
    job = _admit(stream=True)
    assert [d["sequence_number"] for d in _documents(job)] == list(range(len(_documents(job))))
    assert sum(event.costs for event in job.events()) == job.costs


def test_an_answer_cut_by_the_limit_is_incomplete() -> None:
    cut = _admit(max_output_tokens=2).whole()
    assert cut["status"] == "incomplete"
    assert cut["incomplete_details"] == {"reason": "max_output_tokens"}
    assert _admit().whole()["status"] == "completed"


def test_a_conversation_of_items_is_read() -> None:
    items = [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hello"}]},
        {"type": "reasoning", "summary": []},
    ]
    job = _admit(input=items, instructions="Be brief.")
    assert job.whole()["output"][0]["content"][0]["text"].startswith(("Hello", "Hi"))
    assert job.prompt_tokens > 10


def test_an_aborted_stream_never_completes() -> None:
    assert list(_admit(stream=True).abort_events()) == []
    assert _admit().whole(is_aborted=True)["status"] == "cancelled"
