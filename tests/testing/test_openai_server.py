"""How the double's life goes: loading, serving, queueing, freezing and the ways to end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from podman_llm.testing.openai_config import OpenAIDoubleConfig
from podman_llm.testing.openai_server import OpenAIDouble

_SLOW = OpenAIDoubleConfig(endless=True, tokens_per_second=5, max_model_len=2048)


@asynccontextmanager
async def _serving(config: OpenAIDoubleConfig) -> AsyncIterator[OpenAIDouble]:
    double = OpenAIDouble(config)
    await double.start()
    try:
        yield double
    finally:
        await double.stop()


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def _chat(*, stream: bool = False, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "Hi"}], "stream": stream, **fields}


def _is_open(double: OpenAIDouble) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", double.port)) == 0


async def test_the_port_refuses_connections_until_the_model_is_loaded() -> None:
    double = OpenAIDouble(OpenAIDoubleConfig(load_seconds=0.05))
    await double.start()
    assert not _is_open(double)
    await double.ready()
    assert _is_open(double)
    await double.stop()
    assert not _is_open(double)


async def test_a_double_stopped_while_loading_never_opens() -> None:
    double = OpenAIDouble(OpenAIDoubleConfig(load_seconds=60))
    await double.start()
    await double.stop()
    assert not _is_open(double)


async def test_only_loopback_is_listened_on() -> None:
    with pytest.raises(ValueError, match="loopback only"):
        await OpenAIDouble().start("0.0.0.0")


async def test_a_port_that_is_taken_is_an_error() -> None:
    async with _serving(OpenAIDoubleConfig()) as double:
        with pytest.raises(OSError, match="in use"):
            await OpenAIDouble().start(port=double.port)


async def test_requests_and_answers_are_counted(client: aiohttp.ClientSession) -> None:
    async with _serving(OpenAIDoubleConfig()) as double:
        headers = {"X-Session": "s1"}
        await client.post(f"{double.url}/v1/chat/completions", json=_chat(), headers=headers)
        await client.get(f"{double.url}/health")
        assert [request.path for request in double.requests] == ["/v1/chat/completions", "/health"]
        assert double.requests[0].header("x-session") == "s1"
        assert json.loads(double.requests[0].body) == _chat()
        assert double.completions == 1


@pytest.mark.parametrize("stream", [True, False])
async def test_a_client_that_leaves_frees_the_engine_at_once(
    client: aiohttp.ClientSession, *, stream: bool
) -> None:
    async with _serving(_SLOW) as double:
        body = _chat(stream=stream, max_tokens=1000)
        asking = asyncio.create_task(_ask(client, double, body))
        await double.wait_until(lambda: double.running == 1)
        left_at = time.monotonic()
        asking.cancel()
        await double.wait_until_idle()
        assert time.monotonic() - left_at < 2
        assert double.cancelled == 1


async def _ask(client: aiohttp.ClientSession, double: OpenAIDouble, body: dict[str, Any]) -> bytes:
    async with client.post(f"{double.url}/v1/chat/completions", json=body) as response:
        return await response.read()


async def test_streams_beyond_the_slots_get_their_headers_and_wait(
    client: aiohttp.ClientSession,
) -> None:
    async with _serving(replace(_SLOW, max_num_seqs=2)) as double:
        url = f"{double.url}/v1/chat/completions"
        responses = [await client.post(url, json=_chat(stream=True)) for _ in range(6)]
        await double.wait_until(lambda: double.waiting == 4)
        assert {response.status for response in responses} == {200}
        assert double.running == 2
        async with client.get(f"{double.url}/load") as load:
            assert await load.json() == {"server_load": 0}
        for response in responses:
            response.close()
        await double.wait_until_idle()


async def test_an_idle_connection_is_closed_after_the_keep_alive_time() -> None:
    async with _serving(OpenAIDoubleConfig(keepalive_seconds=0.2)) as double:
        reader, writer = await asyncio.open_connection("127.0.0.1", double.port)
        writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        idle_from = time.monotonic()
        assert await reader.read() == b""
        assert 0.15 < time.monotonic() - idle_from < 4
        writer.close()


async def test_the_default_keep_alive_time_is_the_recorded_one() -> None:
    assert OpenAIDoubleConfig().keepalive_seconds == 5.0


async def test_a_frozen_engine_is_healthy_and_says_nothing(client: aiohttp.ClientSession) -> None:
    async with _serving(OpenAIDoubleConfig()) as double:
        double.freeze()
        response = await client.post(f"{double.url}/v1/chat/completions", json=_chat(stream=True))
        assert response.status == 200
        reading = asyncio.create_task(response.read())
        await double.wait_until(lambda: double.running == 1)
        async with client.get(f"{double.url}/health") as health:
            assert health.status == 200
        assert not reading.done()
        double.thaw()
        assert (await reading).endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("ending", ["terminate", "kill_engine"])
async def test_health_is_503_until_an_ending_server_closes_its_port(
    client: aiohttp.ClientSession, ending: str
) -> None:
    double = OpenAIDouble()
    await double.start()
    end = double.terminate if ending == "terminate" else double.kill_engine
    task = asyncio.create_task(end(linger_seconds=0.2))
    await asyncio.sleep(0)
    async with client.get(f"{double.url}/health") as health:
        assert (health.status, await health.read()) == (503, b"")
    await task
    assert not _is_open(double)


async def test_a_plain_answer_in_flight_on_sigterm_is_aborted(
    client: aiohttp.ClientSession,
) -> None:
    double = OpenAIDouble(_SLOW)
    await double.start()
    asking = asyncio.create_task(_ask(client, double, _chat(max_tokens=1000)))
    await double.wait_until(lambda: double.running == 1)
    await double.terminate()
    assert json.loads(await asking)["choices"][0]["finish_reason"] == "abort"


async def test_kill_resets_streams_and_idle_connections() -> None:
    double = OpenAIDouble(_SLOW)
    await double.start()
    _, idle = await asyncio.open_connection("127.0.0.1", double.port)
    reader, writer = await asyncio.open_connection("127.0.0.1", double.port)
    body = json.dumps(_chat(stream=True)).encode()
    head = f"Host: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\n" + head.encode() + body)
    await reader.readuntil(b"\r\n\r\n")
    await double.kill()
    with pytest.raises(ConnectionResetError):
        await reader.read()
    assert not _is_open(double)
    for left in (idle, writer):
        left.transport.abort()


def test_the_runner_serves_until_sigterm(tmp_path: os.PathLike[str]) -> None:
    script = (
        "from podman_llm.testing.openai_config import OpenAIDoubleConfig\n"
        "from podman_llm.testing.openai_server import run\n"
        "run(OpenAIDoubleConfig(), lambda line: print(line, flush=True), port=0)\n"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("loading tiny/llama-random for 0 s at http://")
        assert process.stdout.readline().startswith("ready at http://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "ended\n"
    assert process.returncode == 0
