from __future__ import annotations

import json

import pytest

from podman_llm.testing.bedrock_server import BedrockDouble, BedrockDoubleConfig
from podman_llm.upstreams.base import Answer, Call
from podman_llm.upstreams.openai import OpenAIUpstream
from podman_llm.upstreams.signed import SignedUpstream
from podman_llm.upstreams.sigv4 import BearerSigner, Signer
from tests.upstreams.bedrock_rig import Read, read, signer

GPT = "openai.gpt-oss-120b-1:0"


async def ask(double: BedrockDouble, signs: Signer, **fields: object) -> Read:
    upstream = SignedUpstream(OpenAIUpstream(connect_timeout=5, idle_timeout=5), signs)
    asked = {"model": GPT, "messages": [{"role": "user", "content": "hi"}], **fields}
    headers = (("Content-Type", "application/json"), ("User-Agent", "podman-llm"))
    url = f"{double.url}/openai/v1/chat/completions"
    try:
        return await read(
            await upstream.send(Call("POST", url, headers, json.dumps(asked).encode()))
        )
    finally:
        await upstream.close()


async def test_what_is_signed_is_let_in_whole_and_as_a_stream() -> None:
    double = BedrockDouble(BedrockDoubleConfig(session_token="made-up-token"))
    await double.start()
    try:
        whole = await ask(double, signer(double.config))
        streamed = await ask(double, signer(double.config), stream=True)
    finally:
        await double.stop()
    assert whole.document["model"] == GPT
    assert streamed.text == whole.document["choices"][0]["message"]["content"]
    assert [one.action for one in double.requests] == ["chat/completions"] * 2


class Doubtful(BearerSigner):
    """Counts how often it was doubted."""

    doubts = 0

    def doubt(self) -> None:
        self.doubts += 1


@pytest.mark.parametrize(
    ("token", "status", "doubts"), [("bedrock-api-key-double", 200, 0), ("wrong", 403, 1)]
)
async def test_keys_that_are_refused_are_doubted(token: str, status: int, doubts: int) -> None:
    double, signs = BedrockDouble(), Doubtful(token)
    await double.start()
    try:
        assert (await ask(double, signs)).status == status
    finally:
        await double.stop()
    assert signs.doubts == doubts


class Closing:
    """Notes that it is closed."""

    closed = False

    async def send(self, call: Call) -> Answer:
        raise NotImplementedError

    async def close(self) -> None:
        self.closed = True


async def test_it_closes_what_it_was_given() -> None:
    inner = Closing()
    await SignedUpstream(inner, BearerSigner("k")).close()
    assert inner.closed
