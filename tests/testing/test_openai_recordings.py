"""The double answers the recorded requests with the recorded bytes, but for what must vary."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from podman_llm.testing.openai_config import OpenAIDoubleConfig
from podman_llm.testing.openai_server import OpenAIDouble
from podman_llm.testing.transcripts import (
    RecordedRequest,
    RecordedResponse,
    SseEvent,
    exchange,
    load_transcript,
    parse_response,
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
        return _event_shapes(replace(response, chunks=(body,)).events())
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


def _recorded(name: str) -> RecordedResponse:
    return parse_response((_VLLM / f"scenario-{name}.raw").read_bytes())


def _with_key(request: RecordedRequest, key: str = "sk-test-123") -> RecordedRequest:
    return request.with_header("Authorization", f"Bearer {key}")


async def _stream_until_it_speaks(
    double: OpenAIDouble, request: RecordedRequest
) -> tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", double.port)
    writer.write(request.encode())
    return await reader.readuntil(b'"finish_reason":null,"token_ids"'), reader, writer


async def test_sigterm_ends_a_stream_as_recorded() -> None:
    double = OpenAIDouble(replace(_HERMES, tokens_per_second=50))
    await double.start()
    request = _with_key(load_transcript(_VLLM, "stream").request)
    raw, reader, writer = await _stream_until_it_speaks(double, request)
    await double.terminate()
    answered, recorded = parse_response(raw + await reader.read()), _recorded("sigterm-inflight")
    writer.close()
    assert _headers(answered) == _headers(recorded)
    assert _event_shapes(answered.events()) == _event_shapes(recorded.events())
    assert answered.complete


@pytest.mark.parametrize("name", ["enginecore-sigkill-inflight", "worker-sigkill-inflight"])
async def test_a_killed_engine_ends_a_stream_as_recorded(name: str) -> None:
    double = OpenAIDouble(replace(_PLAIN, tokens_per_second=50))
    await double.start()
    request = load_transcript(_VLLM, "stream").request
    raw, reader, writer = await _stream_until_it_speaks(double, request)
    await double.kill_engine()
    answered, recorded = parse_response(raw + await reader.read()), _recorded(name)
    writer.close()
    assert _event_shapes(answered.events()) == _event_shapes(recorded.events())
    assert answered.chunks[-2:] == recorded.chunks[-2:]
    assert answered.complete


async def test_a_killed_engine_answers_a_plain_request_as_recorded() -> None:
    scenario = json.loads((_VLLM / "scenario-enginecore-sigkill-inflight.json").read_text())
    recorded = parse_response(scenario["nonstream"][0].encode())
    double = OpenAIDouble(replace(_PLAIN, tokens_per_second=1))
    await double.start()
    request = load_transcript(_VLLM, "chat").request
    answering = asyncio.create_task(exchange("127.0.0.1", double.port, request))
    await double.wait_until(lambda: double.running == 1)
    await double.kill_engine()
    answered = await answering
    assert (answered.status, answered.body) == (recorded.status, recorded.body)
    assert _headers(answered) == _headers(recorded)


async def test_a_missing_key_is_refused_as_recorded(hermes: OpenAIDouble) -> None:
    request = load_transcript(_VLLM, "chat").request
    recorded = _recorded("auth-401-chat")
    for wrong in (request, _with_key(request, "sk-other")):
        answered = await exchange("127.0.0.1", hermes.port, wrong)
        assert (answered.status, answered.body) == (recorded.status, recorded.body)
        assert _headers(answered) == _headers(recorded)


@pytest.mark.parametrize(
    ("path", "authorization", "status"),
    [
        ("/v1/models", "", 401),
        ("/v1/models", "Basic c2stdGVzdC0xMjM=", 401),
        ("/v1/models", "Bearer sk-test-123", 200),
        ("/health", "", 200),
        ("/metrics", "", 200),
        ("/version", "", 200),
    ],
)
async def test_the_key_guards_v1_and_nothing_else(
    hermes: OpenAIDouble, path: str, authorization: str, status: int
) -> None:
    headers = (("Host", "x"), ("Authorization", authorization))
    request = RecordedRequest("GET", path, "HTTP/1.1", headers, b"")
    assert (await exchange("127.0.0.1", hermes.port, request)).status == status


async def test_a_header_of_70_kilobytes_is_taken_as_recorded(hermes: OpenAIDouble) -> None:
    headers = (("Host", "x"), ("X-Padding", "x" * 70_000))
    request = RecordedRequest("GET", "/health", "HTTP/1.1", headers, b"")
    answered = await exchange("127.0.0.1", hermes.port, request)
    assert _headers(answered) == _headers(_recorded("header-70k"))


async def test_a_prompt_seen_before_counts_as_cached_as_recorded(hermes: OpenAIDouble) -> None:
    content = "licensor agrees that " * 70  # between two and three blocks of tokens
    body = json.dumps({"messages": [{"role": "user", "content": content}], "max_tokens": 2})
    chat = _with_key(load_transcript(_VLLM, "chat").request)
    request = replace(chat, body=body.encode()).with_header("Content-Length", str(len(body)))
    for name in ("prefix-cache-1", "prefix-cache-2"):
        answered = await exchange("127.0.0.1", hermes.port, request)
        usage = json.loads(answered.body)["usage"]
        recorded = json.loads((_VLLM / f"scenario-{name}.json").read_text())["usage"]
        assert usage["prompt_tokens_details"] == recorded["prompt_tokens_details"]
