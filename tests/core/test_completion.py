from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from podman_llm.core.completion import (
    Complete,
    Endpoint,
    Failed,
    Incomplete,
    asks_usage_chunk,
    choices_asked,
    has_usage_chunk,
    is_usage_chunk,
    judge_body,
    without_usage_chunk,
)
from podman_llm.core.sse import split_events
from tests.core import transcripts

UNSTORABLE = dict.fromkeys(("chat_stop_string", "chat_stop_token_ids"), "no content")
UNSTORABLE["responses"] = "incomplete: max_output_tokens"


def chat(*choices: dict[str, Any], **fields: Any) -> bytes:
    return json.dumps({"choices": choices} | fields).encode()


def choice(reason: str | None, content: str | None = "hi", **message: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": content} | message
    return {"index": 0, "message": said, "finish_reason": reason}


def test_every_recorded_answer_is_whole_and_every_recorded_refusal_failed(
    recordings: Path,
) -> None:
    seen = 0
    for path in sorted((recordings / "vllm").glob("*.response.raw")):
        endpoint = transcripts.endpoint(path)
        if endpoint is None or transcripts.is_stream(path):
            continue
        status, body = transcripts.answer(path)
        verdict = judge_body(endpoint, status, body)
        name = path.name.removesuffix(".response.raw")
        expected = (
            Failed(f"status {status}") if status != 200 else Complete(UNSTORABLE.get(name, ""))
        )
        assert verdict == expected, name
        seen += 1
    assert seen > 80


@pytest.mark.parametrize("reason", ["stop", "length", "tool_calls", "function_call", "anything"])
def test_a_reason_to_have_finished_makes_it_whole(reason: str) -> None:
    assert judge_body(Endpoint.CHAT, 200, chat(choice(reason))) == Complete()


def test_tool_calls_and_reasoning_are_content() -> None:
    called = choice("tool_calls", None, tool_calls=[{"id": "1"}])
    thought = choice("length", None, reasoning="hm")
    assert judge_body(Endpoint.CHAT, 200, chat(called)) == Complete()
    assert judge_body(Endpoint.CHAT, 200, chat(thought)) == Complete()


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (chat(choice("abort")), Incomplete("the upstream aborted (finish_reason abort)")),
        (chat(choice(None)), Incomplete("ended without a finish_reason")),
        (chat({"index": 0, "text": "x"}), Incomplete("ended without a finish_reason")),
        (chat(choice("stop"), choice(None)), Incomplete("ended without a finish_reason")),
        (chat(), Incomplete("0 of 1 choices")),
        (b'{"choices":null}', Incomplete("0 of 1 choices")),
        (b'{"choices":5}', Incomplete("0 of 1 choices")),
        (b'{"choices":{"0":1}}', Incomplete("0 of 1 choices")),
        (b"{}", Incomplete("0 of 1 choices")),
        (chat(choice("error")), Failed("finish_reason error")),
        (chat(choice("content_filter")), Complete("finish_reason content_filter")),
        (chat(choice("stop", "")), Complete("no content")),
        (chat(choice("stop", None, tool_calls=[])), Complete("no content")),
        (chat(error={"message": "gone"}), Failed("the upstream reports: gone")),
        (b'{"error":"Unauthorized"}', Failed("the upstream reports: Unauthorized")),
        (b"[1]", Failed("the answer is not a JSON object")),
        (b"", Failed("the answer is not a JSON object")),
        (b"<html>", Failed("the answer is not a JSON object")),
        (chat(choice("stop"))[:-3], Failed("the answer is not a JSON object")),
        (b"[" * 100_000, Failed("the answer is not a JSON object")),
    ],
)
def test_what_is_not_whole_or_not_to_be_kept(body: bytes, verdict: object) -> None:
    assert judge_body(Endpoint.CHAT, 200, body) == verdict


@pytest.mark.parametrize("status", [201, 206, 400, 404, 429, 500, 503])
def test_only_a_200_is_an_answer(status: int) -> None:
    body = chat(choice("stop"))
    assert judge_body(Endpoint.CHAT, status, body) == Failed(f"status {status}")


def test_an_answer_with_fewer_choices_than_asked_is_not_whole() -> None:
    body = chat(choice("stop"))
    assert judge_body(Endpoint.CHAT, 200, body, choices=2) == Incomplete("1 of 2 choices")


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({"status": "completed", "output": [{}]}, Complete()),
        ({"status": "completed", "output": []}, Complete("no content")),
        (
            {
                "status": "incomplete",
                "incomplete_details": {"reason": "max_output_tokens"},
                "output": [{}],
            },
            Complete("incomplete: max_output_tokens"),
        ),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
            Complete("incomplete: content_filter"),
        ),
        ({"status": "incomplete", "incomplete_details": None}, Incomplete("status incomplete")),
        ({"status": "incomplete", "incomplete_details": {"reason": "abort"}},
         Incomplete("status incomplete: abort")),
        ({"status": "in_progress"}, Incomplete("status in_progress")),
        ({"status": "cancelled"}, Incomplete("status cancelled")),
        ({"status": "failed", "error": None}, Failed("the upstream reports: None")),
        ({}, Incomplete("status None")),
    ],
)  # fmt: skip
def test_a_responses_object_is_whole_by_its_status(fields: dict[str, Any], verdict: object) -> None:
    assert judge_body(Endpoint.RESPONSES, 200, json.dumps(fields).encode()) == verdict


@pytest.mark.parametrize(
    ("stop", "verdict"),
    [
        ("end_turn", Complete()),
        ("max_tokens", Complete()),
        ("tool_use", Complete()),
        ("refusal", Complete("finish_reason refusal")),
        (None, Incomplete("ended without a finish_reason")),
    ],
)
def test_a_message_is_whole_by_its_stop_reason(stop: str | None, verdict: object) -> None:
    body = json.dumps({"content": [{"type": "text", "text": "x"}], "stop_reason": stop})
    assert judge_body(Endpoint.MESSAGES, 200, body.encode()) == verdict


def test_embeddings_are_whole_if_there_are_any() -> None:
    assert judge_body(Endpoint.EMBEDDINGS, 200, b'{"data":[{"embedding":"AA=="}]}') == Complete()
    assert judge_body(Endpoint.EMBEDDINGS, 200, b'{"data":[]}') == Incomplete("no embeddings")


@pytest.mark.parametrize(
    ("endpoint", "body", "asked"),
    [
        (Endpoint.CHAT, {}, 1),
        (Endpoint.CHAT, {"n": 3}, 3),
        (Endpoint.CHAT, {"n": None}, 1),
        (Endpoint.CHAT, {"n": True}, 1),
        (Endpoint.CHAT, {"n": "2"}, 1),
        (Endpoint.CHAT, {"prompt": ["a", "b"]}, 1),
        (Endpoint.COMPLETIONS, {"prompt": "a"}, 1),
        (Endpoint.COMPLETIONS, {"prompt": ["a", "b"], "n": 2}, 4),
        (Endpoint.COMPLETIONS, {"prompt": [1, 2, 3]}, 1),
        (Endpoint.COMPLETIONS, {"prompt": [[1, 2], [3]]}, 2),
        (Endpoint.COMPLETIONS, {"prompt": []}, 1),
        (Endpoint.RESPONSES, {"n": 3}, 1),
    ],
)
def test_how_many_choices_were_asked_for(
    endpoint: Endpoint, body: dict[str, Any], asked: int
) -> None:
    assert choices_asked(endpoint, body) == asked


# the usage chunk --------------------------------------------------------------------------------


def test_recorded_streams_have_the_usage_chunk_where_it_was_asked_for(recordings: Path) -> None:
    seen = {True: 0, False: 0}
    for path in sorted((recordings / "vllm").glob("*stream*.response.raw")):
        if not transcripts.is_stream(path) or transcripts.endpoint(path) is Endpoint.RESPONSES:
            continue
        request = path.with_name(path.name.replace(".response.raw", ".request.txt"))
        asked = asks_usage_chunk(json.loads(request.read_bytes().partition(b"\r\n\r\n")[2]))
        _, body = transcripts.answer(path)
        assert has_usage_chunk(body) is asked, path.name
        left = without_usage_chunk(body)
        assert not has_usage_chunk(left)
        assert len(split_events(left)) == len(split_events(body)) - asked
        assert left.endswith(b"data: [DONE]\n\n")
        seen[asked] += 1
    assert min(seen.values()) > 2


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (b'data: {"choices":[],"usage":{"total_tokens":1}}\n\n', True),
        (b'data: {"choices": [ ], "usage": {"total_tokens": 1}}\r\n\r\n', True),
        (b'data: {"choices":[],"usage":null}\n\n', False),
        (b'data: {"choices":[],"prompt_filter_results":[]}\n\n', False),
        (b'data: {"choices":[{"index":0}],"usage":{"total_tokens":1}}\n\n', False),
        (
            b'data: {"choices":[{"delta":{"content":"\\"choices\\":[]"}}],"usage":{"a":1}}\n\n',
            False,
        ),
        (b'data: {"choices":[{"x":{"choices":[]}}],"usage":{"a":1}}\n\n', False),
        (b'data: {"choices":[]\n\n', False),
        (b': "choices":[]\n\n', False),
        (b"data: [DONE]\n\n", False),
    ],
)
def test_which_event_is_a_usage_chunk(event: bytes, expected: bool) -> None:
    assert is_usage_chunk(event) is expected


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ({"include_usage": True}, True),
        ({"include_usage": False}, False),
        ({}, False),
        (None, False),
    ],
)
def test_who_asks_for_the_usage_chunk(options: object, asked: bool) -> None:
    assert asks_usage_chunk({"stream": True, "stream_options": options}) is asked
