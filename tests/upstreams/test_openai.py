from __future__ import annotations

import asyncio
import errno
import gzip
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from podman_llm.config.outbound import Outbound
from podman_llm.errors import UpstreamBroke, UpstreamUnreachable
from podman_llm.upstreams.base import Answer, Call
from podman_llm.upstreams.openai import OpenAIUpstream
from tests.proxy.rig import Script, ScriptedUpstream, Turn, http, says


@asynccontextmanager
async def upstream(
    script: Script, *, idle: float = 30
) -> AsyncIterator[tuple[OpenAIUpstream, ScriptedUpstream]]:
    server = ScriptedUpstream(script)
    await server.start()
    client = OpenAIUpstream(connect_timeout=5, idle_timeout=idle)
    try:
        yield client, server
    finally:
        await client.close()
        await server.stop()


def call_to(server: ScriptedUpstream, body: bytes = b"{}", path: str = "/v1/x") -> Call:
    return Call("POST", server.url + path, (("X-A", "b"),), body)


async def body_of(answer: Answer) -> bytes:
    pieces = []
    try:
        while piece := await answer.read():
            pieces.append(piece)
    finally:
        answer.close()
    return b"".join(pieces)


async def test_bytes_and_headers_go_and_come_untouched() -> None:
    async with upstream(says(http(b"answer", status="418 Teapot"))) as (client, server):
        answer = await client.send(call_to(server, b" {} ", "/v1/a%2Fb?c=%20&d"))
        assert (answer.status, answer.content_type) == (418, "application/json")
        assert await body_of(answer) == b"answer"
        request = server.turns[0].request
        assert (request.body, request.path) == (b" {} ", "/v1/a%2Fb?c=%20&d")
        assert request.header("x-a") == "b"
        assert request.header("accept-encoding") == "identity"
        assert request.header("user-agent") is None
        assert request.header("content-type") is None


async def test_a_large_body_arrives_whole() -> None:
    body = b"x" * 3_000_000
    async with upstream(says(http(b"{}"))) as (client, server):
        assert await body_of(await client.send(call_to(server, body))) == b"{}"
        assert server.turns[0].request.body == body
        assert server.turns[0].request.header("content-length") == str(len(body))


async def test_connections_are_used_again() -> None:
    async with upstream(says(http(b"{}"))) as (client, server):
        for _ in range(3):
            await body_of(await client.send(call_to(server)))
        assert len({turn.connection for turn in server.turns}) == 1


@pytest.mark.parametrize("body", [b"{}", b"x" * 3_000_000])
async def test_a_pooled_connection_that_was_just_closed_fails_no_request(body: bytes) -> None:
    async def closes_on_the_second(turn: Turn) -> None:
        if len(server.turns) == 2:
            turn.close()
        else:
            await turn.send(http(b"{}"))

    async with upstream(closes_on_the_second) as (client, server):
        await body_of(await client.send(call_to(server)))
        assert await body_of(await client.send(call_to(server, body))) == b"{}"
        assert [turn.request.body for turn in server.turns] == [b"{}", body, body]


async def test_a_server_that_closes_a_new_connection_is_not_asked_twice() -> None:
    async def closes(turn: Turn) -> None:
        turn.close()

    async with upstream(closes) as (client, server):
        with pytest.raises(UpstreamUnreachable):
            await client.send(call_to(server))
        assert len(server.turns) == 1


async def test_a_second_loss_is_told() -> None:
    async def answers_once(turn: Turn) -> None:
        if len(server.turns) == 1:
            await turn.send(http(b"{}"))
        else:
            turn.reset()

    async with upstream(answers_once) as (client, server):
        await body_of(await client.send(call_to(server)))
        with pytest.raises(UpstreamUnreachable):
            await client.send(call_to(server))
        assert len(server.turns) == 3


async def test_an_answer_that_has_begun_is_never_asked_for_again() -> None:
    async def cuts_the_second(turn: Turn) -> None:
        if len(server.turns) == 1:
            await turn.send(http(b"{}"))
        else:
            await turn.send(http(b"half of it")[:-4])
            turn.close()

    async with upstream(cuts_the_second) as (client, server):
        await body_of(await client.send(call_to(server)))
        answer = await client.send(call_to(server))
        with pytest.raises(UpstreamBroke, match="broke within"):
            await body_of(answer)
        assert len(server.turns) == 2


async def test_nobody_there_names_the_address_and_no_path() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    client = OpenAIUpstream(connect_timeout=5, idle_timeout=5)
    with pytest.raises(UpstreamUnreachable) as caught:
        await client.send(Call("POST", f"http://127.0.0.1:{port}/secret", (), b""))
    told = f"http://127.0.0.1:{port} cannot be reached: {os.strerror(errno.ECONNREFUSED)}"
    assert str(caught.value) == told
    assert "secret" not in str(caught.value)
    assert caught.value.status == 502
    assert not caught.value.was_asked
    await client.close()


async def test_silence_before_the_answer_is_a_504() -> None:
    async def silent(_turn: Turn) -> None:
        await asyncio.Event().wait()

    async with upstream(silent, idle=0.05) as (client, server):
        with pytest.raises(UpstreamUnreachable) as caught:
            await client.send(call_to(server))
        assert (caught.value.status, caught.value.was_asked) == (504, True)


async def test_silence_within_the_answer_is_a_504() -> None:
    async def stops(turn: Turn) -> None:
        await turn.send(http(b"half of it")[:-4])
        await asyncio.Event().wait()

    async with upstream(stops, idle=0.05) as (client, server):
        answer = await client.send(call_to(server))
        with pytest.raises(UpstreamBroke) as caught:
            await body_of(answer)
        assert caught.value.status == 504
        answer.close()


async def test_what_was_compressed_all_the_same_is_decoded() -> None:
    packed = gzip.compress(b"plain")
    head = f"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {len(packed)}\r\n\r\n"
    async with upstream(says(head.encode() + packed)) as (client, server):
        answer = await client.send(call_to(server))
        assert await body_of(answer) == b"plain"
        assert answer.headers == ()


async def test_redirects_are_answers() -> None:
    moved = b"HTTP/1.1 307 Moved\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n"
    async with upstream(says(moved)) as (client, server):
        answer = await client.send(call_to(server))
        assert answer.status == 307
        answer.close()


async def test_closing_early_closes_the_connection() -> None:
    async def endless(turn: Turn) -> None:
        await turn.send(http(b"half of it")[:-4])
        await asyncio.Event().wait()

    async with upstream(endless) as (client, server):
        answer = await client.send(call_to(server))
        await answer.read()
        answer.close()
        await asyncio.wait_for(server.turns[0].gone.wait(), 1)


async def test_the_world_outside_is_reached_by_the_proxy_of_the_environment() -> None:
    async with upstream(says(http(b"{}"))) as (_, server):
        client = OpenAIUpstream(
            connect_timeout=5, idle_timeout=5, outbound=Outbound({"http": server.url})
        )
        call = Call("POST", "http://service.example/v1/chat/completions", (), b"{}")
        assert await body_of(await client.send(call)) == b"{}"
        assert server.turns[0].request.path == call.url
        assert await body_of(await client.send(call_to(server))) == b"{}"
        assert server.turns[1].request.path == "/v1/x"
        await client.close()


async def test_a_proxy_that_refuses_is_told_apart_and_without_its_password() -> None:
    refusal = http(b"", status="407 Proxy Authentication Required")
    async with upstream(says(refusal)) as (_, server):
        proxy = server.url.replace("http://", "http://me:hunter2@")
        for named, why in (
            (proxy, "says 407"),
            ("http://me:hunter2@127.0.0.1:1", "refused"),
            ("http://me:hunter2@proxy:port", "has no URL"),
            ("http://me:hunter2@[::1", "has no URL"),
        ):
            client = OpenAIUpstream(
                connect_timeout=5, idle_timeout=5, outbound=Outbound({"https": named})
            )
            with pytest.raises(UpstreamUnreachable, match=f"the environment's proxy.*{why}") as it:
                await client.send(Call("POST", "https://service.example/v1", (), b""))
            assert "hunter2" not in str(it.value)
            assert not it.value.was_asked
            await client.close()
