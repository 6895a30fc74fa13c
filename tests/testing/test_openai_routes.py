"""Routes beside those that generate, and the admin routes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from podman_llm.testing.openai_config import OpenAIDoubleConfig
from podman_llm.testing.openai_server import OpenAIDouble

_CHAT = {"messages": [{"role": "user", "content": "Hi"}]}


@pytest.fixture
async def double() -> AsyncIterator[OpenAIDouble]:
    double = OpenAIDouble(OpenAIDoubleConfig(served_names=("a", "b"), embedding_dimensions=4))
    await double.start()
    yield double
    await double.stop()


@pytest.fixture
async def client(double: OpenAIDouble) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(double.url) as session:
        yield session


async def test_every_served_name_is_listed(client: aiohttp.ClientSession) -> None:
    async with client.get("/v1/models") as response:
        models = (await response.json())["data"]
    assert [model["id"] for model in models] == ["a", "b"]
    assert {model["root"] for model in models} == {"a"}


async def test_an_embedding_model_embeds(client: aiohttp.ClientSession) -> None:
    async with client.post("/v1/embeddings", json={"input": ["x", "y"]}) as response:
        assert len((await response.json())["data"]) == 2


async def test_what_was_tokenized_can_be_detokenized(client: aiohttp.ClientSession) -> None:
    async with client.post("/tokenize", json={"prompt": "Hello there"}) as response:
        tokens = (await response.json())["tokens"]
    async with client.post("/detokenize", json={"tokens": tokens}) as response:
        assert await response.json() == {"prompt": "Hello there"}


async def test_faults_are_ordered_listed_and_cleared_over_http(
    client: aiohttp.ClientSession, double: OpenAIDouble
) -> None:
    order = {"kind": "status", "status": 429, "times": 2}
    async with client.post("/_double/faults", json=order) as response:
        assert response.status == 201
    async with client.post("/v1/chat/completions", json=_CHAT) as response:
        assert response.status == 429
    async with client.get("/_double/faults") as response:
        assert [fault["times"] for fault in (await response.json())["faults"]] == [1]
    async with client.delete("/_double/faults") as response:
        assert response.status == 204
    async with client.post("/v1/chat/completions", json=_CHAT) as response:
        assert response.status == 200
    assert len(double.requests) == 2


async def test_a_wrong_fault_is_refused_with_what_is_known(client: aiohttp.ClientSession) -> None:
    async with client.post("/_double/faults", json={"kind": "explode"}) as response:
        assert response.status == 400
        assert "early_end" in (await response.json())["detail"]


async def test_the_state_is_told_over_http(client: aiohttp.ClientSession) -> None:
    async with client.post("/v1/chat/completions", json=_CHAT) as response:
        await response.read()
    async with client.get("/_double/state") as response:
        state = await response.json()
    assert (state["completions"], state["requests"], state["running"]) == (1, 1, 0)
    assert state["generation_tokens"] > 0


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/tokenize", {"messages": "x"}),
        ("/tokenize", {"prompt": 1}),
        ("/detokenize", {"tokens": ["x"]}),
        ("/v1/embeddings", {"input": {}}),
    ],
)
async def test_misshapen_bodies_are_refused(
    client: aiohttp.ClientSession, path: str, body: dict[str, object]
) -> None:
    async with client.post(path, json=body) as response:
        assert response.status == 400
        assert (await response.json())["error"]["type"] == "Bad Request"
