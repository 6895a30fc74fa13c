from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from podman_llm.config.models import BackendSettings
from podman_llm.core.completion import Endpoint
from podman_llm.proxy.backends import backend_of
from podman_llm.testing.openai_server import OpenAIDouble
from tests.proxy.rig import Answered, Rig, Turn, http, proxy, says
from tests.proxy.test_boarding import pod
from tests.upstreams.bedrock_rig import TITAN
from tests.upstreams.bedrock_rig import rig as bedrock

PATH = "/v1/embeddings"


async def ask(rig: Rig, given: Any, control: str = "", **more: Any) -> Answered:
    body = {"model": "lab-model", "input": given, **more}
    return await rig.ask(body, path=PATH, headers={"Cache-Control": control})


def vectors(answered: Answered) -> list[Any]:
    data = json.loads(answered.body)["data"]
    assert [row["index"] for row in data] == list(range(len(data)))
    return [row["embedding"] for row in data]


def asked_of(double: OpenAIDouble) -> list[Any]:
    return [json.loads(request.body)["input"] for request in double.requests]


@pytest.mark.parametrize("form", ["float", "base64"])
async def test_only_what_is_missing_is_asked_for(form: str) -> None:
    async with pod(embedding_dimensions=4) as (rig, double):
        known = await ask(rig, ["a", "b", "c"], encoding_format=form)
        mixed = await ask(rig, ["x", "b", "y", "a", "z"], encoding_format=form)
        assert asked_of(double) == [["a", "b", "c"], ["x", "y", "z"]]
        assert (known.cache, mixed.cache) == ("MISS", "MISS")
        whole = await ask(rig, ["x", "b", "y", "a", "z"], "no-store", encoding_format=form)
        assert vectors(mixed) == vectors(whole)
        again = await ask(rig, ["z", "y", "b"], encoding_format=form)
        assert again.cache == "HIT"
        assert vectors(again) == [vectors(whole)[at] for at in (4, 2, 1)]
        assert len(double.requests) == 3


async def test_one_text_and_one_of_many_are_the_same() -> None:
    async with pod(embedding_dimensions=4) as (rig, double):
        await ask(rig, ["a", "b"])
        assert (await ask(rig, "b")).cache == "HIT"
        assert (await ask(rig, ["b"], encoding_format="base64")).cache == "MISS"
        assert len(double.requests) == 2


async def test_token_counts_add_up() -> None:
    async with pod(embedding_dimensions=4) as (rig, _):
        first = json.loads((await ask(rig, ["one text", "and a longer one"])).body)
        again = json.loads((await ask(rig, ["one text", "and a longer one"])).body)
        assert again["usage"]["prompt_tokens"] == first["usage"]["prompt_tokens"]
        assert again["model"] == first["model"]


async def test_the_same_texts_at_once_are_one_call() -> None:
    async with pod(embedding_dimensions=4) as (rig, double):
        await ask(rig, ["a"])
        asked = await asyncio.gather(*(ask(rig, ["a", "b", "c"]) for _ in range(5)))
        assert asked_of(double) == [["a"], ["b", "c"]]
        assert len({one.body for one in asked}) == 1


async def test_old_vectors_are_asked_for_again() -> None:
    async with pod(embedding_dimensions=4, cache={"ttl_seconds": 60}) as (rig, double):
        await ask(rig, ["a"])
        rig.clock.advance(40)
        await ask(rig, ["b"])
        rig.clock.advance(40)
        await ask(rig, ["a", "b"])
        assert asked_of(double) == [["a"], ["b"], ["a"]]
        assert (await ask(rig, ["a", "b"])).headers["Age"] == "40"


async def test_who_wants_new_vectors_gets_all_of_them_new() -> None:
    async with pod(embedding_dimensions=4) as (rig, double):
        await ask(rig, ["a"])
        await ask(rig, ["a", "b"], "no-cache")
        assert asked_of(double)[1:] == [["a", "b"]]


async def test_a_refusal_of_the_rest_is_the_answer_and_leaves_what_is_known() -> None:
    async with pod(embedding_dimensions=4) as (rig, double):
        await ask(rig, ["a"])
        refused = await ask(rig, ["a", "b " * 40_000])
        assert refused.status == 400
        assert "context length" in json.loads(refused.body)["error"]["message"]
        assert (await ask(rig, ["a"])).cache == "HIT"
        assert len(double.requests) == 2


async def test_an_answer_with_a_vector_too_few_is_none() -> None:
    row = {"index": 0, "object": "embedding", "embedding": [0.5]}
    body = {"object": "list", "model": "m", "data": [row], "usage": {"prompt_tokens": 1}}

    async def stingy(turn: Turn) -> None:
        await turn.send(http(json.dumps(body).encode()))

    async with proxy(stingy) as rig:
        assert (await ask(rig, ["a"])).status == 200
        assert (await ask(rig, ["a", "b", "c"])).status == 502
        assert (await ask(rig, ["b"])).cache == "MISS"


async def test_bedrock_is_asked_only_for_what_is_missing_too() -> None:
    settings = BackendSettings(
        name="bedrock", kind="bedrock", models={"*": TITAN}, endpoints=(Endpoint.EMBEDDINGS,)
    )
    config: dict[str, Any] = {"fallback": {"backends": [settings.model_dump()]}}
    async with bedrock() as (upstream, double):
        others = [backend_of(settings, upstream)]
        async with proxy(says(), target={"url": None}, settings=config, backends=others) as rig:
            known = await ask(rig, ["a", "b"], encoding_format="base64")
            mixed = await ask(rig, ["x", "b", "y", "a"], encoding_format="base64")
            assert known.headers["X-Served-By"] == f"bedrock/{TITAN}"
            asked = [request.body["inputText"] for request in double.requests]
            assert (sorted(asked[:2]), sorted(asked[2:])) == (["a", "b"], ["x", "y"])
            assert [vectors(mixed)[at] for at in (3, 1)] == vectors(known)
            again = await ask(rig, ["y", "b"], encoding_format="base64")
            assert (again.cache, vectors(again)) == ("HIT", [vectors(mixed)[at] for at in (2, 1)])
            tokens = await ask(rig, [[1, 2]])
            assert tokens.status == 503
            assert "input must be sent as text" in tokens.body.decode()
            assert len(double.requests) == 4
