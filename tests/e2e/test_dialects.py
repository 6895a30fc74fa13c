"""The dialects of Codex and Claude Code through a real process, read by their official clients."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import Any

import anthropic
import openai
import pytest

from podman_llm.testing.bedrock_faults import BedrockFault, BedrockFaultKind
from podman_llm.testing.bedrock_server import BedrockDouble
from podman_llm.testing.openai_config import OpenAIDoubleConfig
from podman_llm.testing.openai_server import OpenAIDouble
from podman_llm.testing.server_thread import ServerThread
from tests.e2e.editor import serving
from tests.e2e.machine import Machine
from tests.e2e.others import ON_BEDROCK, ON_OPENAI, Others

NOBODY = "http://127.0.0.1:1"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION: Any = {"type": "function", "name": "get_weather", "parameters": SCHEMA}
TOOL: Any = {"name": "get_weather", "input_schema": SCHEMA}


def rain(where: str) -> Any:
    """A question that was not asked before."""
    return [{"role": "user", "content": f"Use the weather tool: will it rain in {where}?"}]


def test_without_a_pod_bedrock_answers_both_and_openai_when_it_is_throttled(
    machine: Machine,
) -> None:
    with ExitStack() as stack:
        bedrock = stack.enter_context(ServerThread(BedrockDouble()))
        config = OpenAIDoubleConfig(served_names=("gpt-double",))
        others = Others(bedrock, stack.enter_context(ServerThread(OpenAIDouble(config))))
        machine.environment |= others.environment()
        stack.enter_context(serving(machine, NOBODY, fallback={"backends": others.backends()}))
        url = f"http://127.0.0.1:{machine.port}"
        codex = stack.enter_context(openai.OpenAI(base_url=f"{url}/v1", api_key="x", max_retries=0))
        claude = stack.enter_context(anthropic.Anthropic(base_url=url, api_key="x", max_retries=0))
        clients: Any = ((codex, call_by), (claude, use_by))  # wide unions, of no help here
        for client, called in clients:
            assert called(client, rain("Oslo")) == ON_BEDROCK
            bedrock.server.add_fault(BedrockFault(BedrockFaultKind.EXCEPTION))
            assert called(client, rain("Bergen")) == ON_OPENAI
        with pytest.raises(anthropic.InternalServerError, match="podman-llm: ") as refused:
            claude.messages.count_tokens(model="m", messages=rain("Oslo"))
        assert refused.value.type == "api_error"


def call_by(client: Any, question: Any) -> str:
    """Have a function called, whole and streamed; who answered."""
    asked: Any = {"model": "m", "input": question, "tools": [FUNCTION], "tool_choice": "required"}
    told = client.responses.with_raw_response.create(**asked)
    with client.responses.stream(**asked) as stream:
        streamed = stream.get_final_response()
    for answer in (told.parse(), streamed):
        [call] = answer.output
        assert call.type == "function_call"
        assert set(json.loads(call.arguments)) == {"city"}
    return str(told.headers["X-Served-By"])


def use_by(client: Any, question: Any) -> str:
    """The same in the other dialect."""
    forced = {"type": "tool", "name": "get_weather"}
    asked: Any = {"model": "m", "max_tokens": 500, "tools": [TOOL], "tool_choice": forced}
    told = client.messages.with_raw_response.create(**asked, messages=question)
    with client.messages.stream(**asked, messages=question) as stream:
        streamed = stream.get_final_message()
    for answer in (told.parse(), streamed):
        [call] = answer.content
        assert call.type == "tool_use"
        assert set(call.input) == {"city"}
    return str(told.headers["X-Served-By"])
