"""Codex and Claude Code while there is no pod: fallbacks answer them by translation."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import anthropic
import openai
import pytest

from podman_llm.testing.bedrock_faults import BedrockFault, BedrockFaultKind
from podman_llm.testing.openai_faults import Fault, FaultKind
from podman_llm.testing.transcripts import exchange
from tests.proxy.dialect_rig import (
    ASKS,
    AWAY,
    ENDS,
    FIRST_WORDS,
    MESSAGES,
    PATHS,
    RESPONSES,
    SERVICES,
    claude,
    codex,
    error_of,
    fallback,
    is_whole,
    post,
)
from tests.proxy.failover_rig import house
from tests.proxy.test_clients import recorded

PARAMETERS = {"type": "object", "properties": {"at": {"type": "string"}}, "required": ["at"]}
LOOK: Any = {"type": "function", "name": "look", "description": "Looks.", "parameters": PARAMETERS}
AGENTS: Any = {"type": "namespace", "name": "agents", "description": "Others.", "tools": [LOOK]}
TOOL: Any = {"name": "look", "description": "Looks.", "input_schema": PARAMETERS}
HELLO: Any = [{"role": "user", "content": "Say hello."}]
RECORDED = {
    "codex-01-post-v1_responses.json": RESPONSES,
    "openai_py-18-post-v1_responses.json": RESPONSES,
    "claude-01-post-v1_messages.json": MESSAGES,
}
each_service = pytest.mark.parametrize("service", SERVICES)
each_path = pytest.mark.parametrize("path", PATHS)


@each_service
async def test_responses_are_created_and_streamed(service: str) -> None:
    async with fallback(service) as rig, codex(rig) as client:
        whole = await client.responses.create(model="m", input="Say hello.")
        async with client.responses.stream(model="m", input="Say hello.") as stream:
            told = "".join(
                [
                    event.delta
                    async for event in stream
                    if event.type == "response.output_text.delta"
                ]
            )
            last = await stream.get_final_response()
        assert whole.output_text
        assert last.output_text == told
        assert {whole.status, last.status} == {"completed"}
        for answer in (whole, last):
            assert answer.usage
            assert answer.usage.total_tokens > 0


@each_service
@pytest.mark.parametrize("tool", [LOOK, AGENTS], ids=["plain", "namespace"])
async def test_responses_call_tools_and_go_on_with_what_came_of_it(service: str, tool: Any) -> None:
    async with fallback(service) as rig, codex(rig) as client:
        asked: dict[str, Any] = {"model": "m", "tools": [tool], "input": HELLO}
        whole = await client.responses.create(**asked, tool_choice="required")
        async with client.responses.stream(**asked, tool_choice="required") as stream:
            streamed = await stream.get_final_response()
        for answer in (whole, streamed):
            [call] = answer.output
            assert call.type == "function_call"
            assert (call.name, call.namespace) == ("look", "agents" if tool is AGENTS else None)
            assert set(json.loads(call.arguments)) == {"at"}
            result = {"type": "function_call_output", "call_id": call.call_id, "output": "a fox"}
            asked["input"] = [*HELLO, call.to_dict(), result]
            after = await client.responses.create(**asked, tool_choice="none")
            assert after.output_text


@each_service
async def test_responses_keep_to_a_schema(service: str) -> None:
    schema = {"type": "json_schema", "name": "place", "schema": PARAMETERS, "strict": True}
    async with fallback(service) as rig, codex(rig) as client:
        answer = await client.responses.create(
            model="m",
            input="Where?",
            text={"format": schema},
        )
        assert "at" in json.loads(answer.output_text)


@each_service
async def test_messages_are_created_and_streamed(service: str) -> None:
    async with fallback(service) as rig, claude(rig) as client:
        whole = await client.messages.create(model="m", max_tokens=200, messages=HELLO)
        async with client.messages.stream(model="m", max_tokens=200, messages=HELLO) as stream:
            told = "".join([text async for text in stream.text_stream])
            last = await stream.get_final_message()
        for answer in (whole, last):
            [block] = answer.content
            assert block.type == "text"
            assert block.text
            assert (answer.role, answer.stop_reason) == ("assistant", "end_turn")
            assert min(answer.usage.input_tokens, answer.usage.output_tokens) > 0
        assert last.content[0].type == "text"
        assert last.content[0].text == told


@each_service
async def test_messages_call_tools_and_go_on_with_what_came_of_it(service: str) -> None:
    async with fallback(service) as rig, claude(rig) as client:
        asked: dict[str, Any] = {"model": "m", "max_tokens": 200, "tools": [TOOL]}
        forced = {"messages": HELLO, "tool_choice": {"type": "any"}}
        whole = await client.messages.create(**asked, **forced)
        async with client.messages.stream(**asked, **forced) as stream:
            streamed = await stream.get_final_message()
        for answer in (whole, streamed):
            [call] = answer.content
            assert call.type == "tool_use"
            assert (call.name, set(call.input)) == ("look", {"at"})
            assert answer.stop_reason == "tool_use"
            said = {"role": "assistant", "content": [call.to_dict()]}
            result = {"type": "tool_result", "tool_use_id": call.id, "content": "a fox"}
            turns = [*HELLO, said, {"role": "user", "content": [result]}]
            after = await client.messages.create(**asked, messages=turns)
            assert after.content


@each_service
async def test_an_answer_without_room_says_so(service: str) -> None:
    async with fallback(service) as rig, claude(rig) as reader, codex(rig) as client:
        message = await reader.messages.create(model="m", max_tokens=2, messages=HELLO)
        assert message.stop_reason == "max_tokens"
        answer = await client.responses.create(model="m", input="Hello?", max_output_tokens=2)
        assert answer.status == "incomplete"
        assert answer.incomplete_details
        assert answer.incomplete_details.reason == "max_output_tokens"


@each_service
@pytest.mark.parametrize("name", RECORDED)
async def test_what_agents_ask_is_answered_and_kept_in_their_own_dialect(
    service: str, name: str
) -> None:
    request = recorded(name)
    async with fallback(service) as rig:
        port = int(rig.url.rpartition(":")[2])
        first, again = [await exchange("127.0.0.1", port, request) for _ in range(2)]
        assert first.status == 200, first.body
        assert first.complete
        assert str(first.header("x-served-by")).startswith(f"{service}/")
        assert (first.header("x-cache"), again.header("x-cache")) == ("MISS", "HIT")
        assert again.body == first.body
        if json.loads(request.body).get("stream"):
            assert first.is_stream
            assert first.body.count(ENDS[RECORDED[name]]) == 1
        else:
            assert json.loads(first.body)["object"] == "response"


@each_path
@pytest.mark.parametrize("kind", [FaultKind.ABORT, FaultKind.ENGINE_ERROR, FaultKind.EARLY_END])
async def test_a_chat_that_breaks_never_becomes_a_whole_answer(path: str, kind: FaultKind) -> None:
    async with house("other") as rig:
        rig.set_target(**AWAY)
        rig.services["other"].add_fault(Fault(kind, after_events=3))
        said = await post(rig, path, stream=True)
        assert said.status == 200
        assert said.is_aborted
        assert b"delta" in said.body
        assert ENDS[path] not in said.body
        again = await post(rig, path, stream=True)
        assert is_whole(again, path)
        assert again.headers["X-Cache"] == "MISS"


@each_path
async def test_a_bedrock_that_breaks_never_becomes_a_whole_answer(path: str) -> None:
    async with fallback("bedrock") as rig:
        rig.bedrock.add_fault(BedrockFault(BedrockFaultKind.EARLY_END, after_events=4))
        said = await post(rig, path, stream=True)
        assert said.is_aborted
        assert ENDS[path] not in said.body


@each_path
@pytest.mark.parametrize("stream", [True, False])
async def test_before_any_content_the_next_one_answers(path: str, stream: bool) -> None:
    async with house("first", "second") as rig:
        rig.set_target(**AWAY)
        rig.services["first"].add_fault(Fault(FaultKind.ENGINE_ERROR, after_events=1))
        said = await post(rig, path, stream=stream)
        assert said.status == 200
        failed, answered = said.headers["X-Attempts"].split(", ")
        assert failed == f"first/first-model;outcome={'broke' if stream else 'error'}"
        assert answered == "second/second-model;outcome=answered"


@each_path
async def test_a_pod_that_dies_before_any_content_is_replaced_unseen(path: str) -> None:
    async with house("other") as rig:
        rig.break_pod(FaultKind.RESET, after_events=FIRST_WORDS[path] - 1)
        said = await post(rig, path, stream=True)
        assert is_whole(said, path)
        assert said.headers["X-Served-By"] == "other/other-model"


@each_path
@pytest.mark.parametrize("stream", [True, False])
async def test_who_leaves_frees_the_service_at_once(path: str, stream: bool) -> None:
    at_once = {"proxy": {"linger_seconds": 0}}
    service = {"endless": True, "tokens_per_second": 50}
    async with house("other", settings=at_once, service=service) as rig:
        rig.set_target(**AWAY)
        other = rig.services["other"]
        asking = asyncio.create_task(post(rig, path, stream=stream))
        await other.wait_until(lambda: other.running == 1)
        asking.cancel()
        async with asyncio.timeout(5):
            await other.wait_until_idle()
        assert other.cancelled == 1


@each_path
async def test_a_service_asked_the_same_twice_at_once_is_asked_once(path: str) -> None:
    async with house("other", service={"tokens_per_second": 100}) as rig:
        rig.set_target(**AWAY)
        first, second = await asyncio.gather(*(post(rig, path, stream=True) for _ in range(2)))
        assert first.body == second.body
        assert is_whole(first, path)
        words = {one.headers["X-Cache"] for one in (first, second)}
        assert words == {"MISS", "COALESCED"}
        assert len(rig.services["other"].requests) == 1


NOT_CHAT: dict[str, dict[str, Any]] = {
    RESPONSES: {"previous_response_id": "resp_1"},
    MESSAGES: {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
}


@each_path
async def test_what_chat_has_no_words_for_is_an_honest_error(path: str) -> None:
    async with house("other") as rig:
        rig.set_target(**AWAY)
        said = await post(rig, path, **NOT_CHAT[path])
        assert (said.status, said.headers["X-Served-By"]) == (503, "podman-llm")
        told = error_of(said, path)
        assert told.startswith("podman-llm: There is no pod. other answers ")
        assert "by translation only: " in told
        assert not rig.services["other"].requests


@each_path
async def test_who_speaks_the_dialect_itself_is_asked_in_it(path: str) -> None:
    endpoints = {"endpoints": ["chat/completions", path.removeprefix("/v1/")]}
    async with house("other", backend=endpoints) as rig:
        rig.set_target(**AWAY)
        said = await post(rig, path, stream=True)
        assert said.status == 200
        [request] = rig.services["other"].requests
        assert request.path == path


async def test_a_services_refusal_is_told_in_the_dialects_shape() -> None:
    async with house("other") as rig, claude(rig) as client:
        rig.set_target(**AWAY)
        words = "word " * 40_000
        with pytest.raises(anthropic.BadRequestError) as caught:
            await client.messages.create(
                model="m", max_tokens=9, messages=[{"role": "user", "content": words}]
            )
        assert caught.value.type == "invalid_request_error"
        assert "context" in str(caught.value)


async def test_the_official_clients_read_our_errors() -> None:
    async with house() as rig, claude(rig) as reader, codex(rig) as client:
        rig.set_target(**AWAY)
        with pytest.raises(anthropic.InternalServerError, match="There is no pod") as refused:
            await reader.messages.create(model="m", max_tokens=9, messages=HELLO)
        assert refused.value.type == "api_error"
        with pytest.raises(openai.InternalServerError, match="There is no pod") as told:
            await client.responses.create(model="m", input="hi")
        assert told.value.code == "pod_not_ready"


async def test_other_paths_of_the_dialects_are_the_pods_alone() -> None:
    async with house("other") as rig, claude(rig) as reader:
        rig.set_target(**AWAY)
        with pytest.raises(anthropic.InternalServerError, match="does not answer this path"):
            await reader.messages.count_tokens(model="m", messages=HELLO)
        said = await rig.post({}, path="/v1/responses/resp_1/cancel")
        assert "does not answer this path" in error_of(said, RESPONSES)
        assert not rig.services["other"].requests


async def test_who_asks_is_not_told_to_the_service() -> None:
    async with house("other") as rig:
        rig.set_target(**AWAY)
        headers = {"x-api-key": "sk-mine", "anthropic-beta": "b", "anthropic-version": "2023-06-01"}
        asked = ASKS[MESSAGES] | {"metadata": {"user_id": "me"}}
        said = await rig.post(asked, path="/v1/messages?beta=true", headers=headers)
        assert said.status == 200
        [request] = rig.services["other"].requests
        assert request.path == "/v1/chat/completions"
        assert b"metadata" not in request.body
        assert not {"x-api-key", "anthropic-beta"} & {name.lower() for name, _ in request.headers}
