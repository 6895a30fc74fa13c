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
from podman_llm.testing.bedrock_server import BedrockDouble, BedrockDoubleConfig
from podman_llm.upstreams.base import Call
from podman_llm.upstreams.bedrock import BedrockUpstream
from podman_llm.upstreams.sigv4 import BearerSigner
from tests.upstreams.bedrock_rig import (
    HAIKU,
    MODELS,
    TITAN,
    ask,
    call,
    chat,
    fronted,
    read,
    rig,
    runtime,
    signer,
    text,
    vectors,
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
        pool = upstream._runtime._transport._pooled
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


# text completions and embeddings ------------------------------------------------------------------


async def test_the_completion_of_a_text() -> None:
    async with rig() as (upstream, double):
        answer = await ask(upstream, text(max_tokens=5))
        document = answer.document
        assert document["object"] == "text_completion"
        assert document["id"] == f"cmpl-{answer.headers['x-amzn-requestid']}"
        (choice,) = document["choices"]
        assert (choice["finish_reason"], choice["logprobs"]) == ("length", None)
        streamed = await ask(upstream, text(max_tokens=5, **USAGE))
        choices = [one for chunk in streamed.chunks for one in chunk["choices"]]
        assert "".join(one["text"] for one in choices) == choice["text"]
        assert choices[-1]["finish_reason"] == "length"
        assert streamed.chunks[-1]["usage"] == document["usage"]
        assert [one.action for one in double.requests] == ["converse", "converse-stream"]


async def test_several_texts_are_completed_at_once_and_told_in_their_order() -> None:
    prompts = [f"the weather, part {number}" for number in range(12)]
    async with rig() as (upstream, double):
        whole = await ask(upstream, text(prompts))
        assert [one["index"] for one in whole.document["choices"]] == list(range(12))
        streamed = await ask(upstream, text(prompts, stream=True))
        assert streamed.headers["content-type"] == "text/event-stream"
        choices = [one for chunk in streamed.chunks for one in chunk["choices"]]
        assert choices == whole.document["choices"]
        assert len(double.requests) == 24


async def test_embeddings_are_asked_for_one_by_one_and_come_in_their_order() -> None:
    texts = [f"text {number}" for number in range(20)]
    async with rig() as (upstream, double):
        made = (await ask(upstream, vectors(texts))).document
        assert [row["index"] for row in made["data"]] == list(range(20))
        assert made["model"] == TITAN
        assert made["usage"]["prompt_tokens"] == 40
        assert sorted(one.body["inputText"] for one in double.requests) == sorted(texts)
        last = (await ask(upstream, vectors("text 19"))).document
        assert last["data"][0]["embedding"] == made["data"][19]["embedding"]


async def test_cohere_is_asked_for_as_many_as_it_takes() -> None:
    async with rig() as (upstream, double):
        model, texts = "cohere.embed-multilingual-v3", [f"t{number}" for number in range(100)]
        asked = vectors(texts, model=model, input_type="search_query")
        made = (await ask(upstream, asked)).document
        assert len(made["data"]) == 100
        assert made["usage"]["prompt_tokens"] == 100
        assert sorted(len(one.body["texts"]) for one in double.requests) == [4, 96]


async def test_many_vectors_are_put_together_without_holding_others_up() -> None:
    async with rig() as (upstream, _):
        texts = [f"a text, number {number}" for number in range(60)]
        made = (await ask(upstream, vectors(texts, encoding_format="base64"))).document
        assert len(made["data"]) == 60


@pytest.mark.parametrize("asked", [vectors(["a"] * 30), text(["a"] * 30)])
async def test_a_long_list_is_asked_for_a_few_at_a_time(asked: Call) -> None:
    async with rig(BedrockDoubleConfig(seconds_per_event=30)) as (upstream, double):
        sending = asyncio.create_task(upstream.send(asked))
        await asyncio.wait_for(double.wait_until(lambda: len(double.requests) >= 8), 5)
        # A ninth would have come before the refusal of what was sent after it.
        assert (await ask(upstream, vectors("x" * 40_000))).status == 400
        assert len(double.requests) == 8
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending


@pytest.mark.parametrize("asked", [vectors(["a", "b", "c"]), text(["a", "b", "c"])])
async def test_one_call_refused_is_all_refused(asked: Call) -> None:
    async with rig(BedrockDoubleConfig(seconds_per_event=30)) as (upstream, double):
        double.add_fault(exception("ThrottlingException", retry_after=9))
        answer = await asyncio.wait_for(ask(upstream, asked), 10)
        assert (answer.status, answer.headers["retry-after"]) == (429, "9")
        # The others may not have come yet, and then never do.
        await asyncio.wait_for(double.wait_until(lambda: double.left == len(double.requests)), 5)


async def test_one_call_broken_is_all_broken() -> None:
    async with rig() as (upstream, double):
        double.add_fault(BedrockFault(BedrockFaultKind.RESET))
        with pytest.raises(UpstreamUnreachable):
            await upstream.send(vectors(["a", "b", "c"]))


async def test_who_leaves_a_long_list_takes_its_calls_along() -> None:
    async with rig(BedrockDoubleConfig(seconds_per_event=30)) as (upstream, double):
        sending = asyncio.create_task(upstream.send(vectors(["a", "b", "c"])))
        await asyncio.wait_for(double.wait_until(lambda: len(double.requests) == 3), 5)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        await asyncio.wait_for(double.wait_until(lambda: double.left == 3), 5)


async def test_a_text_that_is_too_long_is_the_fault_of_its_field() -> None:
    async with rig() as (upstream, double):
        answer = await ask(upstream, vectors("x" * 40_000))
        assert (answer.error["code"], answer.error["param"]) == ("context_length_exceeded", "input")
        double.add_fault(exception("ValidationException"))
        assert (await ask(upstream, text())).error["param"] == "prompt"
        fault = BedrockFaultKind.STREAM_EXCEPTION
        double.add_fault(BedrockFault(fault, name="ValidationException", after_events=0))
        assert (await ask(upstream, text(stream=True))).error["param"] == "prompt"


async def test_the_official_client_completes_and_embeds() -> None:
    async with rig() as (upstream, _), fronted(upstream) as url, official(url) as client:
        said = await client.completions.create(model="haiku", prompt=["one", "two"])
        assert [choice.index for choice in said.choices] == [0, 1]
        assert said.usage is not None
        stream = await client.completions.create(model="haiku", prompt="one", stream=True)
        told = "".join([chunk.choices[0].text async for chunk in stream])
        assert told == said.choices[0].text
        packed = await client.embeddings.create(model=TITAN, input=["a", "b"])
        plain = await client.embeddings.create(
            model=TITAN, input=["a", "b"], encoding_format="float", dimensions=1024
        )
        assert packed.data[1].embedding == pytest.approx(plain.data[1].embedding)
        assert packed.usage.total_tokens == 2
        with pytest.raises(openai.BadRequestError, match="send it as text"):
            await client.embeddings.create(model=TITAN, input=[[1, 2]])


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
            call({}, url="http://pod.example/v1/responses"),
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
    nobody = runtime(BedrockDouble(), signs=BearerSigner("key"), url=f"http://127.0.0.1:{port}/")
    upstream = BedrockUpstream(MODELS.get, nobody, SystemClock())
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
