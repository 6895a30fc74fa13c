from __future__ import annotations

import asyncio
import json

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer

from podman_llm.proxy.patience import KEEPALIVE, Patience, loading


async def answered(quiet: float, *, signs: int) -> tuple[int, bytes]:
    """What a client gets that is kept waiting for some signs, or as long as no sign may come."""
    said = asyncio.Semaphore(0)

    def say() -> bytes:
        said.release()
        return KEEPALIVE

    async def handler(request: web.Request) -> web.StreamResponse:
        async with Patience(request, quiet=quiet, every=0.01, say=say) as patience:
            for _ in range(signs):
                await said.acquire()
        if patience.response is None:
            return web.Response(status=503)
        await patience.response.write(b"data: [DONE]\n\n")
        return patience.response

    app = web.Application()
    app.router.add_get("/", handler)
    async with (
        TestServer(app) as server,
        ClientSession() as session,
        session.get(server.make_url("/")) as got,
    ):
        return got.status, await got.read()


async def test_who_waits_long_gets_a_stream_with_signs_of_life() -> None:
    status, body = await answered(0.0, signs=3)
    assert status == 200
    assert body.startswith(KEEPALIVE * 3)
    assert body.endswith(b"data: [DONE]\n\n")


async def test_who_waits_briefly_can_still_get_an_error() -> None:
    assert await answered(60.0, signs=0) == (503, b"")


def test_a_sign_of_life_is_no_ping() -> None:
    # Continue's parser takes ": ping" for the end of the stream.
    assert KEEPALIVE == b": keepalive\n\n"


@pytest.mark.parametrize(
    "message", ["The pod is BOOTING, 41 s so far.", 'With "quotes"\nand lines.']
)
def test_what_is_waited_for_can_be_shown_as_reasoning(message: str) -> None:
    event = loading(message, model="podman-llm", now=1.5)
    assert event.startswith(b"data: {")
    assert event.endswith(b"}\n\n")
    chunk = json.loads(event[6:])
    [choice] = chunk["choices"]
    assert choice["delta"]["reasoning_content"] == f"{message}\n"
    assert choice["finish_reason"] is None
    assert chunk["model"] == "podman-llm"
