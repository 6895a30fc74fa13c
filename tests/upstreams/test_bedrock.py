"""The upstream before its double: the contract of ``upstreams.base`` over real sockets."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import openai
import pytest

from podman_llm.errors import UpstreamBroke, UpstreamUnreachable
from podman_llm.host.clock import SystemClock
from podman_llm.testing.bedrock_faults import BedrockFault, BedrockFaultKind
from podman_llm.testing.bedrock_model import Reply
from podman_llm.testing.bedrock_server import BedrockDoubleConfig
from podman_llm.upstreams.bedrock import BedrockUpstream
from podman_llm.upstreams.sigv4 import BearerSigner
from tests.upstreams.bedrock_rig import (
    HAIKU,
    MODELS,
    ask,
    call,
    chat,
    fronted,
    read,
    rig,
    signer,
)

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
LOCAL: Any = {
    "type": "function",
    "function": {"name": "get.time", "parameters": {"type": "object"}},
}
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
SCHEMA: Any = {"type": "json_schema", "json_schema": {"name": "a", "schema": CITY}}
USAGE: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}


def exception(name: str, **fields: Any) -> BedrockFault:
    return BedrockFault(BedrockFaultKind.EXCEPTION, name=name, **fields)


async def test_a_document_is_a_completion() -> None:
    async with rig() as (upstream, double):
        answer = await ask(upstream, chat())
        assert answer.status == 200
        assert answer.document["choices"][0]["finish_reason"] == "stop"
        assert answer.document["model"] == HAIKU
        assert answer.document["id"] == f"chatcmpl-{answer.headers['x-amzn-requestid']}"
        asked = double.requests[0]
        assert (asked.model, asked.is_stream) == (HAIKU, False)
        assert asked.body["messages"] == [{"role": "user", "content": [{"text": "hello"}]}]


async def test_a_stream_says_what_the_document_says() -> None:
    async with rig() as (upstream, double):
        whole = await ask(upstream, chat())
        streamed = await ask(upstream, chat(**USAGE))
        assert streamed.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert streamed.text == whole.document["choices"][0]["message"]["content"]
        assert streamed.chunks[-1]["usage"] == whole.document["usage"]
        assert double.requests[1].is_stream


async def test_the_content_type_is_that_of_the_answer() -> None:
    async with rig() as (upstream, _):
        answer = await upstream.send(chat(stream=True))
        assert (answer.status, answer.content_type) == (200, "text/event-stream")
        answer.close()


async def test_a_bearer_may_ask() -> None:
    config = BedrockDoubleConfig()
    async with rig(config, signs=BearerSigner(config.api_key)) as (upstream, double):
        assert (await ask(upstream, chat())).status == 200
        assert double.requests[0].headers["Authorization"] == f"Bearer {config.api_key}"


async def test_the_clients_headers_stay_here() -> None:
    async with rig() as (upstream, double):
        given = (("Authorization", "Bearer sk-client"), ("Cookie", "c"), ("X-Request-Id", "r"))
        body = {"model": "haiku", "messages": [{"role": "user", "content": "hi"}]}
        await ask(upstream, call(body, headers=given))
        told = {name.lower(): value for name, value in double.requests[0].headers.items()}
        assert told["authorization"].startswith("AWS4-HMAC-SHA256")
        assert not {"cookie", "x-request-id"} & set(told)


async def test_parallel_calls_their_results_and_the_answer() -> None:
    async with rig() as (upstream, double):
        question = {"role": "user", "content": "get the weather and the time for Paris"}
        tools = [WEATHER, LOCAL]
        body = {"model": "haiku", "messages": [question], "tools": tools}
        choice = (await ask(upstream, call(body))).document["choices"][0]
        assert choice["finish_reason"] == "tool_calls"
        message = choice["message"]
        names = [one["function"]["name"] for one in message["tool_calls"]]
        assert names == ["get_weather", "get.time"]
        results = [
            {"role": "tool", "tool_call_id": one["id"], "content": "fine"}
            for one in message["tool_calls"]
        ]
        body["messages"] = [question, message, *results]
        last = (await ask(upstream, call(body))).document["choices"][0]
        assert last["message"]["content"]
        assert "toolResult" in double.requests[1].body["messages"][2]["content"][1]


async def test_a_large_request_is_translated_and_signed_all_the_same() -> None:
    async with rig() as (upstream, double):
        assert (await ask(upstream, chat("x " * 600_000))).status == 200
        assert len(double.requests[0].body["messages"][0]["content"][0]["text"]) == 1_200_000


async def test_a_stream_arrives_while_it_is_being_told() -> None:
    async with rig(BedrockDoubleConfig(seconds_per_event=0.05)) as (upstream, _):
        answer = await upstream.send(chat(stream=True))
        pieces = 0
        while await answer.read():
            pieces += 1
        assert pieces > 5
        answer.close()


async def test_connections_are_used_again_after_a_stream_read_to_its_end() -> None:
    async with rig() as (upstream, _):
        for _turn in range(3):
            await ask(upstream, chat(stream=True))
        pool = upstream._transport._pooled
        assert pool is not None
        assert pool.connector is not None
        assert sum(map(len, pool.connector._conns.values())) == 1


async def test_closing_early_is_noticed() -> None:
    async with rig(BedrockDoubleConfig(seconds_per_event=0.05)) as (upstream, double):
        answer = await upstream.send(chat(stream=True))
        await answer.read()
        answer.close()
        await asyncio.wait_for(double.wait_until(lambda: double.left == 1), 2)


@pytest.mark.parametrize("is_stream", [True, False])
async def test_cancelling_is_noticed(is_stream: bool) -> None:
    async with rig(BedrockDoubleConfig(seconds_per_event=30)) as (upstream, double):
        sending = asyncio.create_task(upstream.send(chat(stream=is_stream)))
        await asyncio.wait_for(double.wait_until(lambda: bool(double.requests)), 2)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await asyncio.wait_for(double.wait_until(lambda: double.left == 1), 2)


# what is refused here -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "status", "code", "param"),
    [
        (call(b"{"), 400, "unsupported_value", None),
        (call([]), 400, "unsupported_value", None),
        (call({"messages": []}), 404, "model_not_found", "model"),
        (chat(model="other"), 404, "model_not_found", "model"),
        (chat(n=2), 400, "unsupported_value", "n"),
        (chat(model="plain", response_format=SCHEMA), 400, "unsupported_value", "response_format"),
        (
            chat([{"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}]),  # type: ignore[arg-type]  # content in parts
            400,
            "unsupported_value",
            "messages.0.content.0.image_url",
        ),
        (
            call({}, url="http://pod.example/v1/embeddings"),
            404,
            "unsupported_endpoint",
            None,
        ),
    ],
)
async def test_what_cannot_be_asked_is_answered_without_bedrock(
    asked: Any, status: int, code: str, param: str | None
) -> None:
    async with rig() as (upstream, double):
        answer = await ask(upstream, asked)
        assert answer.status == status
        assert (answer.error["code"], answer.error["param"]) == (code, param)
        assert not double.requests


# what Bedrock refuses -----------------------------------------------------------------------------


@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        (exception("ThrottlingException"), 429, "rate_limit_exceeded"),
        (exception("ModelNotReadyException"), 503, "model_not_ready"),
        (exception("ServiceQuotaExceededException"), 429, "insufficient_quota"),
        (exception("ServiceUnavailableException"), 503, "service_unavailable"),
        (exception("InternalServerException"), 500, "internal_server_error"),
        (exception("ModelTimeoutException"), 504, "model_timeout"),
        (exception("ModelErrorException", original_status=500), 502, "model_error"),
        (exception("ModelErrorException", original_status=400), 400, "model_error"),
        (exception("ValidationException"), 400, "context_length_exceeded"),
        (exception("ValidationException", message="no"), 400, "invalid_request"),
        (exception("AccessDeniedException"), 403, "access_denied"),
        (exception("ResourceNotFoundException"), 404, "model_not_found"),
        (exception("ExpiredTokenException"), 502, "upstream_credentials"),
        (BedrockFault(BedrockFaultKind.HTML, status=502), 502, "upstream_failed"),
    ],
)
async def test_failures_before_an_answer_have_their_status(
    fault: BedrockFault, status: int, code: str, is_stream: bool
) -> None:
    async with rig() as (upstream, double):
        double.add_fault(fault)
        answer = await ask(upstream, chat(stream=is_stream))
        assert (answer.status, answer.error["code"]) == (status, code)
        waits = answer.headers.get("retry-after")
        assert (waits is not None) is (status in {429, 500, 502, 503, 504} and "cred" not in code)
        if fault.kind is BedrockFaultKind.EXCEPTION:
            assert answer.headers["x-amzn-errortype"] == fault.name
        assert (await ask(upstream, chat(stream=is_stream))).status == 200  # nothing lingers


async def test_bedrocks_own_time_to_wait_is_passed_on() -> None:
    async with rig() as (upstream, double):
        double.add_fault(exception("ThrottlingException", retry_after=17))
        assert (await ask(upstream, chat())).headers["retry-after"] == "17"


async def test_wrong_keys_are_not_the_clients_fault_and_looked_up_anew() -> None:
    config = BedrockDoubleConfig()
    async with rig(config, signs=signer(config, "wrong")) as (upstream, _):
        answer = await ask(upstream, chat())
        assert (answer.status, answer.error["code"]) == (502, "upstream_credentials")
        assert "wrong" not in answer.body.decode()


class Doubtful(BearerSigner):
    """Counts how often it was doubted."""

    doubts = 0

    def doubt(self) -> None:
        self.doubts += 1


async def test_only_refused_credentials_are_doubted() -> None:
    config = BedrockDoubleConfig()
    signs = Doubtful(config.api_key)
    async with rig(config, signs=signs) as (upstream, double):
        for name in ("ThrottlingException", "AccessDeniedException", "ExpiredTokenException"):
            double.add_fault(exception(name))
            await ask(upstream, chat())
        assert signs.doubts == 1


async def test_throttling_as_the_first_event_is_a_status_too() -> None:
    async with rig() as (upstream, double):
        double.add_fault(BedrockFault(BedrockFaultKind.STREAM_EXCEPTION, after_events=0))
        answer = await ask(upstream, chat(stream=True))
        assert (answer.status, answer.headers["retry-after"]) == (429, "5")
        assert answer.headers["content-type"] == "application/json"


# what breaks --------------------------------------------------------------------------------------

INNER = [
    BedrockFaultKind.EARLY_END,
    BedrockFaultKind.RESET,
    BedrockFaultKind.BAD_CHECKSUM,
    BedrockFaultKind.HALF_EVENT,
]


@pytest.mark.parametrize("kind", [*INNER, BedrockFaultKind.HANG_UP])
async def test_a_stream_that_breaks_before_its_first_event_can_be_asked_elsewhere(
    kind: BedrockFaultKind,
) -> None:
    async with rig() as (upstream, double):
        double.add_fault(BedrockFault(kind, after_events=0))
        with pytest.raises(UpstreamUnreachable):
            await upstream.send(chat(stream=True))


@pytest.mark.parametrize(
    "kind", [*INNER, BedrockFaultKind.STREAM_EXCEPTION, BedrockFaultKind.STREAM_ERROR]
)
async def test_a_stream_that_breaks_later_breaks(kind: BedrockFaultKind) -> None:
    async with rig(BedrockDoubleConfig(seconds_per_event=0.005)) as (upstream, double):
        double.add_fault(BedrockFault(kind))
        answer = await upstream.send(chat(stream=True))
        with pytest.raises(UpstreamBroke):
            await read(answer)


@pytest.mark.parametrize("kind", [BedrockFaultKind.RESET, BedrockFaultKind.HANG_UP])
async def test_a_document_that_breaks_can_be_asked_elsewhere(kind: BedrockFaultKind) -> None:
    async with rig() as (upstream, double):
        double.add_fault(BedrockFault(kind))
        with pytest.raises(UpstreamUnreachable):
            await upstream.send(chat())


@pytest.mark.parametrize("is_stream", [True, False])
async def test_an_output_that_could_not_be_read_can_be_asked_elsewhere_or_breaks(
    is_stream: bool,
) -> None:
    async with rig() as (upstream, double):
        double.say(Reply((), "malformed_model_output"))
        with pytest.raises((UpstreamUnreachable, UpstreamBroke), match="malformed_model_output"):
            await ask(upstream, chat(stream=is_stream))


async def test_silence_is_a_504_before_and_within() -> None:
    async with rig(idle=0.2) as (upstream, double):
        double.add_fault(BedrockFault(BedrockFaultKind.FREEZE, after_events=0))
        with pytest.raises(UpstreamUnreachable) as before:
            await upstream.send(chat(stream=True))
        double.add_fault(BedrockFault(BedrockFaultKind.FREEZE, after_events=2))
        answer = await upstream.send(chat(stream=True))
        with pytest.raises(UpstreamBroke) as within:
            await read(answer)
        assert before.value.status == within.value.status == 504


async def test_nobody_there_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    upstream = BedrockUpstream(
        MODELS.get,
        BearerSigner("key"),
        SystemClock(),
        region="us-east-1",
        connect_timeout=5,
        idle_timeout=5,
        endpoint_url=f"http://127.0.0.1:{port}/",
    )
    with pytest.raises(UpstreamUnreachable) as caught:
        await upstream.send(chat())
    assert "acme" not in str(caught.value)
    await upstream.close()


# the official client ------------------------------------------------------------------------------


def official(url: str, *, retries: int = 0) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=url, api_key="sk-x", max_retries=retries)


async def test_the_official_client_reads_every_answer() -> None:
    async with rig() as (upstream, double), fronted(upstream) as url, official(url) as client:
        messages: Any = [{"role": "user", "content": "What is the weather in Paris?"}]
        asked: Any = {"model": "haiku", "messages": messages}
        said = await client.chat.completions.create(**asked)
        assert said.choices[0].message.content
        assert said.usage is not None
        assert said.usage.total_tokens > 0

        called = await client.chat.completions.create(**asked, tools=[WEATHER])
        assert called.choices[0].message.tool_calls is not None

        async with client.chat.completions.stream(**asked, tools=[WEATHER]) as stream:
            final = await stream.get_final_completion()
        calls = final.choices[0].message.tool_calls
        assert calls is not None
        assert json.loads(calls[0].function.arguments) == {"city": "Paris"}
        assert final.choices[0].finish_reason == "tool_calls"

        formed = await client.chat.completions.create(**asked, response_format=SCHEMA)
        assert json.loads(formed.choices[0].message.content or "") == {"city": "Paris"}

        double.add_fault(exception("ThrottlingException"))
        with pytest.raises(openai.RateLimitError):
            await client.chat.completions.create(**asked)
        double.add_fault(exception("ValidationException"))
        with pytest.raises(openai.BadRequestError, match="too long") as caught:
            await client.chat.completions.create(**asked)
        assert caught.value.code == "context_length_exceeded"


async def test_the_official_client_retries_what_passes() -> None:
    async with rig() as (upstream, double), fronted(upstream) as url:
        double.add_fault(exception("ModelNotReadyException", retry_after=1))
        async with official(url, retries=1) as client:
            messages: Any = [{"role": "user", "content": "hello"}]
            said = await client.chat.completions.create(model="haiku", messages=messages)
            assert said.choices[0].message.content


async def test_thoughts_reach_the_official_client() -> None:
    async with rig() as (upstream, double), fronted(upstream) as url:
        thought = {"reasoningContent": {"reasoningText": {"text": "I think so"}}}
        double.say(Reply((thought, {"text": "Yes."})))
        async with official(url) as client:
            messages: Any = [{"role": "user", "content": "hello"}]
            events = await client.chat.completions.create(
                model="haiku", messages=messages, stream=True
            )
            deltas = [event.choices[0].delta async for event in events]
        thoughts = [getattr(delta, "reasoning_content", None) or "" for delta in deltas]
        assert "".join(thoughts) == "I think so"
        assert "".join(delta.content or "" for delta in deltas) == "Yes."
