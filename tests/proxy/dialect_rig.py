"""The official clients of two dialects, before a proxy with or without its pod."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anthropic
import openai

from tests.proxy.failover_rig import House, Said, house

SERVICES = ("openai", "bedrock")
RESPONSES, MESSAGES = "/v1/responses", "/v1/messages"
PATHS = (RESPONSES, MESSAGES)
ASKS: dict[str, dict[str, Any]] = {
    RESPONSES: {"model": "podman-llm", "input": "Say hello."},
    MESSAGES: {
        "model": "podman-llm",
        "max_tokens": 200,
        "messages": [{"role": "user", "content": "Say hello."}],
    },
}
ENDS = {RESPONSES: b"event: response.completed\n", MESSAGES: b"event: message_stop\n"}
FIRST_WORDS = {RESPONSES: 4, MESSAGES: 2}
"""Events of a stream before the first content."""
AWAY: dict[str, Any] = {"url": None, "pod_state": "NONE", "message": "There is no pod."}


@asynccontextmanager
async def fallback(service: str) -> AsyncIterator[House]:
    """The proxy without a pod, and one of ``SERVICES`` in its place."""
    async with house(bedrock={}) if service == "bedrock" else house(service) as rig:
        rig.set_target(**AWAY)
        yield rig


@asynccontextmanager
async def codex(rig: House) -> AsyncIterator[Any]:
    """The official client of the Responses dialect; its unions are too wide to be of help here."""
    url = f"{rig.url}/v1"
    async with openai.AsyncOpenAI(base_url=url, api_key="sk-x", max_retries=0) as client:
        yield client


@asynccontextmanager
async def claude(rig: House) -> AsyncIterator[Any]:
    """The official client of the Messages dialect, likewise."""
    async with anthropic.AsyncAnthropic(base_url=rig.url, api_key="sk-x", max_retries=0) as client:
        yield client


async def post(rig: House, path: str, **more: Any) -> Said:
    """One request of the dialect, read as far as its answer goes."""
    return await rig.post(ASKS[path] | more, path=path)


def is_whole(said: Said, path: str) -> bool:
    """Whether a stream ended as one of this dialect ends."""
    return said.status == 200 and not said.is_aborted and said.body.count(ENDS[path]) == 1


def error_of(said: Said, path: str) -> str:
    """The message of an error, which must have the dialect's shape."""
    told = json.loads(said.body)
    assert set(told) == ({"type", "error"} if path == MESSAGES else {"error"})
    assert set(told["error"]) >= {"type", "message"}
    return str(told["error"]["message"])
