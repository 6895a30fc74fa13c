"""The double answers the recorded requests with the recorded bytes, but for what must vary."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from podman_llm.testing.openai_config import OpenAIDoubleConfig
from podman_llm.testing.openai_server import OpenAIDouble
from podman_llm.testing.transcripts import (
    RecordedResponse,
    SseEvent,
    exchange,
    load_transcript,
    transcript_names,
)

_VLLM = Path(__file__).parents[1] / "recordings" / "vllm"

_PLAIN = OpenAIDoubleConfig(
    max_model_len=512,
    tool_parser=False,
    endless=True,
    vocabulary_size=2048,
    model_root="MODEL_DIR",
)
_HERMES = OpenAIDoubleConfig(
    max_model_len=512,
    endless=True,
    vocabulary_size=2048,
    api_key_sha256=hashlib.sha256(b"sk-test-123").hexdigest(),
    request_id_headers=True,
    prompt_tokens_details=True,
)

_NOT_MET = {
    "err_chunked_bad_host": "no Host header: aiohttp refuses it as HTTP/1.1 demands",
    "metrics": "the double tells a few of vLLM's metrics: test_openai_metrics compares those",
}
# Random weights filled these documents with white space until max_tokens; the double closes them.
_ENDS_OTHERWISE = {"chat_json_object", "chat_json_schema", "stream_json_schema"}
# Its last token was the first half of a character, of which nothing can be told yet.
_ENDS_WITHIN_A_CHARACTER = {"hermes_stream_usage"}
# aiohttp answers HTTP/1.0 in its own version; uvicorn says HTTP/1.1 to everybody.
_OTHER_VERSION = {"stream_http10"}

_VARIABLE = {
    *("id", "created", "created_at", "item_id", "system_fingerprint", "sequence_number"),
    *("content", "text", "delta", "arguments", "stop_reason", "prompt"),
    *("token", "tokens", "bytes", "logprob", "rank", "decoded_token", "count"),
    *("text_offset", "token_logprobs", "token_ids", "prompt_token_ids"),
    *("prompt_tokens", "completion_tokens", "total_tokens"),
    *("input_tokens", "output_tokens"),
}
_KEYED_BY_TOKEN = {"top_logprobs", "prompt_logprobs"}
_VARIABLE_HEADERS = {"date", "content-length", "x-request-id"}


def _shape(value: Any, key: str = "") -> Any:
    """``value`` with everything that varies from run to run replaced by its type.

    Keys stay in order, and equal neighbours in a list count once: how many tokens an answer has
    is up to the model.
    """
    if isinstance(value, dict):
        if key in _KEYED_BY_TOKEN and "token" not in value:
            return {"*": _once(_shape(inner, "logprob") for inner in value.values())}
        return [(name, _shape(inner, name)) for name, inner in value.items()]
    if isinstance(value, list) and key != "bytes":
        return _once(_shape(inner, key) for inner in value)
    return type(value).__name__ if key in _VARIABLE else value


def _once(shapes: Any) -> list[Any]:
    return [shape for shape, _ in itertools.groupby(shapes)]


def _event_shapes(events: tuple[SseEvent, ...]) -> list[Any]:
    """Shapes of the events, each choice's together: how choices take turns is up to the engine."""
    shapes = [
        (event.event, event.data if event.data == "[DONE]" else _shape(json.loads(event.data)))
        for event in events
    ]
    return _once(sorted(shapes, key=_choice_index))


def _choice_index(shape: tuple[str, Any]) -> float:
    if shape[1] == "[DONE]":
        return float("inf")
    choices = dict(shape[1]).get("choices")
    if choices is None:
        return 0
    return dict(choices[0])["index"] if choices else float("inf")


def _headers(response: RecordedResponse) -> list[tuple[str, str]]:
    return [(name, "" if name in _VARIABLE_HEADERS else value) for name, value in response.headers]


def _body_shape(name: str, response: RecordedResponse) -> Any:
    body = response.body
    if name in _ENDS_OTHERWISE:
        body = body.replace(b'"finish_reason":"length"', b'"finish_reason":"stop"')
    if name in _ENDS_WITHIN_A_CHARACTER:
        nothing = b'"delta":{},"logprobs":null,"finish_reason":"length"'
        body = body.replace(nothing, nothing.replace(b"{}", b'{"content":""}'))
    if response.is_stream:
        return _event_shapes(RecordedResponse(**{**vars(response), "chunks": (body,)}).events())
    if response.header("content-type") != "application/json" or response.status >= 400:
        return body
    return _shape(json.loads(body))


@pytest.fixture
async def plain() -> AsyncIterator[OpenAIDouble]:
    double = OpenAIDouble(_PLAIN)
    await double.start()
    yield double
    await double.stop()


@pytest.fixture
async def hermes() -> AsyncIterator[OpenAIDouble]:
    double = OpenAIDouble(_HERMES)
    await double.start()
    yield double
    await double.stop()


def test_every_transcript_is_either_replayed_or_excused() -> None:
    excused = _NOT_MET.keys() | _ENDS_OTHERWISE | _ENDS_WITHIN_A_CHARACTER | _OTHER_VERSION
    assert excused <= set(transcript_names(_VLLM))


@pytest.mark.parametrize("name", [n for n in transcript_names(_VLLM) if n not in _NOT_MET])
async def test_the_answer_is_the_recorded_one(
    name: str, plain: OpenAIDouble, hermes: OpenAIDouble
) -> None:
    recorded = load_transcript(_VLLM, name)
    double = hermes if name.startswith("hermes_") else plain
    answered = await exchange("127.0.0.1", double.port, recorded.request)
    assert (answered.status, answered.reason) == (
        recorded.response.status,
        recorded.response.reason,
    )
    assert answered.version == recorded.response.version or name in _OTHER_VERSION
    assert _headers(answered) == _headers(recorded.response)
    assert _body_shape(name, answered) == _body_shape(name, recorded.response)
    assert answered.complete
    if answered.is_stream:
        assert len(answered.chunks) == len(answered.events())
