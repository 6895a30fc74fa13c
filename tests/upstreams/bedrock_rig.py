"""BedrockUpstream before its double, over real sockets, signing with real keys."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from botocore.credentials import Credentials

from podman_llm.core.converse_models import ConverseModel, known_model
from podman_llm.core.sse import split_events
from podman_llm.host.clock import SystemClock
from podman_llm.testing.bedrock_server import BedrockDouble, BedrockDoubleConfig
from podman_llm.upstreams.base import Answer, Call, Headers
from podman_llm.upstreams.bedrock import BedrockUpstream
from podman_llm.upstreams.bedrock_runtime import BedrockRuntime
from podman_llm.upstreams.sigv4 import Signer, SigV4Signer, Vault

HAIKU = "global.anthropic.claude-haiku-4-5-20251001-v1:0"
MODELS = {
    "haiku": known_model(HAIKU),
    "plain": ConverseModel("acme.plain"),
}
TITAN = "amazon.titan-embed-text-v2:0"
CHAT = "http://pod.example/v1/chat/completions"
COMPLETIONS = "http://pod.example/v1/completions"
EMBEDDINGS = "http://pod.example/v1/embeddings"


def signer(config: BedrockDoubleConfig, secret: str = "") -> SigV4Signer:
    keys = Credentials(config.access_key, secret or config.secret_key, config.session_token or None)
    return SigV4Signer(Vault(lambda: keys), region=config.region)


def runtime(
    double: BedrockDouble, *, idle: float = 30, signs: Signer | None = None, url: str = ""
) -> BedrockRuntime:
    return BedrockRuntime(
        signs or signer(double.config),
        region=double.config.region,
        connect_timeout=5,
        idle_timeout=idle,
        endpoint_url=url or double.url,
    )


@asynccontextmanager
async def rig(
    config: BedrockDoubleConfig | None = None, *, idle: float = 30, signs: Signer | None = None
) -> AsyncIterator[tuple[BedrockUpstream, BedrockDouble]]:
    double = BedrockDouble(config)
    await double.start()
    upstream = BedrockUpstream(MODELS.get, runtime(double, idle=idle, signs=signs), SystemClock())
    try:
        yield upstream, double
    finally:
        await upstream.close()
        await double.stop()


def call(body: Any, *, url: str = CHAT, headers: Headers = ()) -> Call:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Call("POST", url, headers, raw)


def chat(text: str = "hello", **fields: Any) -> Call:
    """A chat request of one message."""
    return call({"model": "haiku", "messages": [{"role": "user", "content": text}], **fields})


def text(prompt: Any = "once", **fields: Any) -> Call:
    """A request for the completion of a text."""
    return call({"model": "haiku", "prompt": prompt, **fields}, url=COMPLETIONS)


def vectors(given: Any, **fields: Any) -> Call:
    """A request for embeddings."""
    return call({"model": TITAN, "input": given, **fields}, url=EMBEDDINGS)


@dataclass
class Read:
    """An answer, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        found: dict[str, Any] = self.document["error"]
        return found

    @property
    def chunks(self) -> list[Any]:
        """The chunks of a stream, which must have ended as it should."""
        *events, done = split_events(self.body)
        assert done == b"data: [DONE]\n\n"
        return [json.loads(event.removeprefix(b"data: ")) for event in events]

    @property
    def text(self) -> str:
        """What a stream says."""
        choices = [choice for chunk in self.chunks for choice in chunk["choices"]]
        return "".join(choice["delta"].get("content") or "" for choice in choices)


async def read(answer: Answer) -> Read:
    pieces = []
    try:
        while piece := await answer.read():
            pieces.append(piece)
    finally:
        answer.close()
    headers = {name.lower(): value for name, value in answer.headers}
    assert headers["content-type"].startswith(answer.content_type)
    return Read(answer.status, headers, b"".join(pieces))


async def ask(upstream: BedrockUpstream, asked: Call) -> Read:
    return await read(await upstream.send(asked))


@asynccontextmanager
async def fronted(upstream: BedrockUpstream) -> AsyncIterator[str]:
    """The upstream as an HTTP server, by the shortest way; its base URL with ``/v1``."""

    async def handle(request: web.Request) -> web.StreamResponse:
        answer = await upstream.send(Call("POST", str(request.url), (), await request.read()))
        response = web.StreamResponse(status=answer.status, headers=answer.headers)
        await response.prepare(request)
        while piece := await answer.read():
            await response.write(piece)
        answer.close()
        return response

    app = web.Application()
    app.router.add_post("/v1/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    try:
        yield f"http://{host}:{port}/v1"
    finally:
        await runner.cleanup()
