"""Real clients, and requests recorded from them, against vLLM's double."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import openai
import pytest

from podman_llm.testing.openai_config import OpenAIDoubleConfig
from podman_llm.testing.openai_faults import Fault, FaultKind
from podman_llm.testing.openai_server import OpenAIDouble
from podman_llm.testing.transcripts import RecordedRequest
from tests.proxy.rig import Rig, proxy, says

FOLDER = Path(__file__).parent.parent / "recordings" / "client-requests"
NAMES = ("lab-model", "text-embedding-3-small")
KEY = "pllm-" + "0" * 40
MESSAGES: list[Any] = [{"role": "user", "content": "Say hello."}]


@asynccontextmanager
async def pod(
    settings: dict[str, Any] | None = None, **config: Any
) -> AsyncIterator[tuple[Rig, OpenAIDouble]]:
    """The proxy in front of a model server that demands the pod's key."""
    sha256 = hashlib.sha256(KEY.encode()).hexdigest()
    given = {"served_names": NAMES, "api_key_sha256": sha256} | config
    double = OpenAIDouble(OpenAIDoubleConfig(**given))
    await double.start()
    target = {"url": double.url, "api_key": KEY, "served_by": "pod/abc", "pod_state": "READY"}
    try:
        async with proxy(says(), settings=settings, target=target) as rig:
            yield rig, double
    finally:
        await double.stop()


@asynccontextmanager
async def client_of(rig: Rig, base: str = "/v1") -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        base_url=rig.url + base, api_key="sk-anything", max_retries=0
    ) as client:
        yield client


def recorded(name: str) -> RecordedRequest:
    """The request as recorded, less the notes that stand for tools and messages left out."""
    told = json.loads((FOLDER / name).read_text())
    for field in ("tools", "messages"):
        if field in told["body"]:
            told["body"][field] = [one for one in told["body"][field] if isinstance(one, dict)]
    body = json.dumps(told["body"]).encode()
    headers = [
        (key, value)
        for key, value in told["headers"]
        if key.lower() not in {"host", "content-length"} and value.isascii()
    ]
    own = [("Host", "localhost:8000"), ("Content-Length", str(len(body)))]
    return RecordedRequest(told["method"], told["path"], "HTTP/1.1", (*headers, *own), body)


@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.json")))
async def test_a_recorded_request_completes_and_is_a_hit_the_second_time(name: str) -> None:
    request = recorded(name)
    dimensions = 8 if "embeddings" in name else 0
    async with pod(embedding_dimensions=dimensions) as (rig, double):
        first = await rig.raw(request)
        again = await rig.raw(request)
        assert first.status == 200, first.body
        assert first.complete
        assert first.is_stream is (json.loads(request.body).get("stream") is True)
        assert (first.header("x-cache"), again.header("x-cache")) == ("MISS", "HIT")
        if dimensions:  # kept one by one, and put together anew
            assert json.loads(again.body)["data"] == json.loads(first.body)["data"]
        else:
            assert again.body == first.body
        assert again.events() == first.events()
        assert len(double.requests) == 1


@pytest.mark.parametrize("base", ["/v1", "", "/nocache/v1"])
async def test_the_official_client_completes(base: str) -> None:
    async with pod() as (rig, _), client_of(rig, base) as client:
        answer = await client.chat.completions.create(model="lab-model", messages=MESSAGES)
        assert answer.choices[0].message.content
        assert answer.choices[0].finish_reason == "stop"
        assert [model.id async for model in client.models.list()] == list(NAMES)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_leaves_frees_the_gpu_within_a_tenth_of_a_second(stream: bool) -> None:
    body = json.dumps({"model": "lab-model", "messages": MESSAGES, "stream": stream}).encode()
    at_once = {"proxy": {"linger_seconds": 0}}
    async with pod(at_once, endless=True, tokens_per_second=50) as (rig, double):
        head = (
            "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        async with rig.connection(head.encode() + body) as (reader, _):
            await double.wait_until(lambda: double.running == 1)
            if stream:
                await reader.readuntil(b"content")
        async with asyncio.timeout(0.1):
            await double.wait_until_idle()
        assert double.cancelled == 1


async def test_a_pool_outlives_a_server_that_closes_what_it_promised_to_keep() -> None:
    async with pod() as (rig, double), client_of(rig) as client:
        for turn in range(3):
            double.add_fault(Fault(FaultKind.CLOSE_AFTER))
            answer = await client.completions.create(model="lab-model", prompt=f"turn {turn}")
            assert answer.choices[0].finish_reason
