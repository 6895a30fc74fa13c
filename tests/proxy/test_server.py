from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl

import aiohttp
import pytest
import trustme
from aiohttp import web

from podman_llm.proxy.server import serve
from tests.proxy.rig import (
    ANSWER,
    DONE,
    EVENTS,
    STREAM_END,
    STREAM_HEAD,
    Turn,
    chunk,
    http,
    proxy,
    request_bytes,
    says,
)

STREAMED = request_bytes(b'{"messages":[],"stream":true}')


async def test_an_answer_in_flight_ends_well_and_the_listener_is_gone_at_once() -> None:
    stop, go_on = asyncio.Event(), asyncio.Event()

    async def slow(turn: Turn) -> None:
        await turn.send(STREAM_HEAD, *map(chunk, EVENTS[:-1]))
        await go_on.wait()
        await turn.send(chunk(DONE), STREAM_END)

    async with (
        proxy(slow, stop=stop, drain_seconds=10) as rig,
        rig.connection(STREAMED) as (reader, _),
    ):
        await reader.readuntil(EVENTS[3])
        stop.set()
        while await listens(rig.port):  # noqa: ASYNC110 - a listener tells nobody that it is gone
            await asyncio.sleep(0)
        go_on.set()
        assert (await reader.read()).endswith(chunk(DONE) + STREAM_END)


async def test_an_answer_that_outlasts_the_drain_is_reset_and_never_ended() -> None:
    stop = asyncio.Event()

    async def endless(turn: Turn) -> None:
        await turn.send(STREAM_HEAD, *map(chunk, EVENTS[:-1]))
        await asyncio.Event().wait()

    async with (
        proxy(endless, stop=stop, drain_seconds=0.05) as rig,
        rig.connection(STREAMED) as (reader, _),
    ):
        await reader.readuntil(EVENTS[3])
        stop.set()
        with pytest.raises(ConnectionResetError):
            await reader.read()


async def test_an_idle_connection_does_not_hold_up_the_end() -> None:
    stop = asyncio.Event()
    health = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with (
        proxy(endless_silence, stop=stop, drain_seconds=30) as rig,
        rig.connection(health) as (reader, _),
    ):
        await reader.readuntil(b"}")
        stop.set()
        assert await asyncio.wait_for(reader.read(), 1) == b""


async def endless_silence(_turn: Turn) -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    "sent",
    [
        b"POST / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nAuthorization: Bearer my-secret" + b"x" * 70_000 + b"\r\n\r\n",
        b"POST /health HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n",
        STREAMED.partition(b"Content-Length")[0]
        + b"Transfer-Encoding: chunked\r\n\r\nmy-secret\r\n",
    ],
)
async def test_what_is_no_http_is_told_in_a_line_that_does_not_quote_it(
    sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with proxy(says(http(ANSWER))) as rig, rig.connection(sent) as (reader, _):
        assert (await reader.readline()).split()[1] == b"400"
    said = [record for record in caplog.records if record.name == "aiohttp.server"]
    assert [record.getMessage() for record in said] == ["request.malformed"]
    assert said[0].exc_info is None
    assert "secret" not in str(vars(said[0]))


async def listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:
        return False
    writer.transport.abort()
    return True


async def hello(_request: web.Request) -> web.Response:
    return web.Response(text="hello")


def hello_app() -> web.Application:
    app = web.Application()
    app.router.add_get("/", hello)
    return app


async def test_sigterm_ends_it() -> None:
    sock = socket.create_server(("127.0.0.1", 0))
    serving = asyncio.create_task(serve(hello_app(), sock, drain_seconds=1))
    url = f"http://127.0.0.1:{sock.getsockname()[1]}/"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert await response.text() == "hello"
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(serving, 5)


async def test_the_daemon_hears_that_it_serves_and_its_end_is_survived(
    caplog: pytest.LogCaptureFixture,
) -> None:
    daemons, ours = socket.socketpair()
    daemons.setblocking(False)
    sock = socket.create_server(("127.0.0.1", 0))
    stop = asyncio.Event()
    serving = asyncio.create_task(
        serve(hello_app(), sock, drain_seconds=1, lifeline_fd=ours.fileno(), stop=stop)
    )
    assert await asyncio.get_running_loop().sock_recv(daemons, 1)
    url = f"http://127.0.0.1:{sock.getsockname()[1]}/"
    async with aiohttp.ClientSession() as session:
        daemons.close()
        while "proxy.daemon_gone" not in caplog.text:  # noqa: ASYNC110 - a log line is no event
            await asyncio.sleep(0)
        async with session.get(url) as response:
            assert response.status == 200
    stop.set()
    await serving
    ours.close()


async def test_who_is_accepted_last_is_let_go_like_all_the_others() -> None:
    sock = socket.create_server(("127.0.0.1", 0))
    stop = asyncio.Event()
    serving = asyncio.create_task(serve(hello_app(), sock, drain_seconds=0.1, stop=stop))
    url = f"http://127.0.0.1:{sock.getsockname()[1]}/"
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 200
    with socket.create_connection(sock.getsockname()) as last:
        await asyncio.sleep(0)  # it is accepted, and no more than that
        stop.set()
        await serving
        last.setblocking(False)
        async with asyncio.timeout(5):
            assert await asyncio.get_running_loop().sock_recv(last, 1) == b""


async def test_another_holder_of_the_socket_goes_on_accepting() -> None:
    sock = socket.create_server(("127.0.0.1", 0))
    shared = sock.dup()
    stops = asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(serve(hello_app(), sock, drain_seconds=1, stop=stops[0]))
    second = asyncio.create_task(serve(hello_app(), shared, drain_seconds=1, stop=stops[1]))
    url = f"http://127.0.0.1:{sock.getsockname()[1]}/"
    stops[0].set()
    await first
    async with aiohttp.ClientSession() as session, session.get(url) as response:
        assert response.status == 200
    stops[1].set()
    await second


async def test_it_speaks_tls_when_told_to() -> None:
    authority = trustme.CA()
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server_side)
    client_side = ssl.create_default_context()
    authority.configure_trust(client_side)
    sock = socket.create_server(("127.0.0.1", 0))
    stop = asyncio.Event()
    serving = asyncio.create_task(
        serve(hello_app(), sock, ssl_context=server_side, drain_seconds=1, stop=stop)
    )
    url = f"https://localhost:{sock.getsockname()[1]}/"
    async with aiohttp.ClientSession() as session, session.get(url, ssl=client_side) as response:
        assert await response.text() == "hello"
    stop.set()
    await serving
