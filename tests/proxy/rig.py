"""A proxy on a real socket in front of an upstream whose every byte is the test's own."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp

from podman_llm.cache.base import Cache
from podman_llm.cache.memory import MemoryCache
from podman_llm.config.models import Settings
from podman_llm.proxy.activity import Activity
from podman_llm.proxy.app import build_app
from podman_llm.proxy.backends import Backend
from podman_llm.proxy.demands import Demands
from podman_llm.proxy.server import serve
from podman_llm.proxy.targets import FixedTarget, Target
from podman_llm.state.activity import summarise
from podman_llm.testing.clock import FakeClock
from podman_llm.testing.transcripts import (
    RecordedRequest,
    RecordedResponse,
    exchange,
    parse_request,
)
from podman_llm.upstreams.openai import OpenAIUpstream

CHAT = "/v1/chat/completions"


def http(body: bytes, *, status: str = "200 OK", kind: str = "application/json") -> bytes:
    """A whole response."""
    head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nserver: uvicorn\r\ncontent-type: text/event-stream; charset=utf-8\r\n"
    b"transfer-encoding: chunked\r\n\r\n"
)
STREAM_END = b"0\r\n\r\n"
DONE = b"data: [DONE]\n\n"


def chunk(event: bytes) -> bytes:
    """One HTTP chunk."""
    return b"%x\r\n%s\r\n" % (len(event), event)


def delta(text: str, *, finish: str = "null") -> bytes:
    """One event of a chat stream."""
    return (
        b'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{"index":0,'
        b'"delta":{"content":"%s"},"finish_reason":%s}]}\n\n' % (text.encode(), finish.encode())
    )


USAGE = b'data: {"id":"chatcmpl-1","choices":[],"usage":{"total_tokens":3}}\n\n'
EVENTS = [delta(""), delta("Hel"), delta("lo"), delta("", finish='"stop"'), DONE]
STREAM = STREAM_HEAD + b"".join(map(chunk, EVENTS)) + STREAM_END
ANSWER = (
    b'{"id":"chatcmpl-2","choices":[{"index":0,"message":{"role":"assistant","content":"Hello"},'
    b'"finish_reason":"stop"}]}'
)


class Turn:
    """One request that the upstream got, and the connection to answer it on."""

    def __init__(self, request: RecordedRequest, writer: asyncio.StreamWriter) -> None:
        self.request = request
        self.connection = id(writer)
        self._writer = writer
        self.gone = asyncio.Event()

    async def send(self, *pieces: bytes) -> None:
        """Send, each piece in a segment of its own."""
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()

    def close(self) -> None:
        """End the connection politely."""
        self._writer.close()

    def reset(self) -> None:
        """End it rudely."""
        self._writer.transport.abort()


Script = Callable[[Turn], Awaitable[object]]


def says(*pieces: bytes) -> Script:
    """A script that answers every request with these bytes."""

    async def script(turn: Turn) -> None:
        await turn.send(*pieces)

    return script


@dataclass
class ScriptedUpstream:
    """Reads requests, answers each by the script, notices who leaves."""

    script: Script
    turns: list[Turn] = field(default_factory=list)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)

    @property
    def url(self) -> str:
        assert self._server
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def stop(self) -> None:
        assert self._server
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._tasks)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        self._writers.add(writer)
        begun = b""
        try:
            while not writer.is_closing():
                begun = await self._turn(begun, reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.transport.abort()

    async def _turn(
        self, begun: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bytes:
        """Answer one request; the first byte of the next one, should it be here already."""
        head = begun + await reader.readuntil(b"\r\n\r\n")
        request = parse_request(head)
        body = await reader.readexactly(int(request.header("content-length") or 0))
        turn = Turn(replace(request, body=body), writer)
        self.turns.append(turn)
        script = asyncio.create_task(_run(self.script, turn))
        following = asyncio.create_task(reader.read(1))
        await asyncio.wait({script, following}, return_when=asyncio.FIRST_COMPLETED)
        if following.done() and not following.result():
            turn.gone.set()
            script.cancel()
            raise ConnectionResetError
        await script
        return await following


async def _run(script: Script, turn: Turn) -> None:
    await script(turn)


@dataclass
class Rig:
    """The proxy under test and what is around it."""

    url: str
    port: int
    upstream: ScriptedUpstream
    cache: Cache | None
    activity: Activity
    clock: FakeClock
    session: aiohttp.ClientSession
    targets: StaticTargets
    demands: Demands

    def set_target(self, **changes: Any) -> None:
        """Let the pod be in another state."""
        self.targets.target = replace(self.targets.target, **changes)

    async def ask(
        self, body: Any = None, path: str = CHAT, method: str = "POST", **options: Any
    ) -> Answered:
        """One request through aiohttp, read to its end."""
        if body is not None:
            options["json"] = body
        async with self.session.request(method, self.url + path, **options) as response:
            return Answered(response.status, response.headers, await response.read())

    async def raw(self, request: RecordedRequest) -> RecordedResponse:
        """One request byte for byte."""
        return await exchange("127.0.0.1", self.port, request)

    @asynccontextmanager
    async def connection(
        self, request: bytes
    ) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """A connection on which ``request`` was sent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(request)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


@dataclass(frozen=True)
class Answered:
    """A response, read."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def cache(self) -> str:
        return self.headers["X-Cache"]


def request_bytes(body: bytes, *, path: str = CHAT, extra: str = "") -> bytes:
    """A POST of ``body``."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{extra}"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class StaticTargets:
    """Whatever the test says."""

    def __init__(self, target: Target) -> None:
        self.target = target

    def snapshot(self) -> Target:
        return self.target


@asynccontextmanager
async def proxy(
    script: Script,
    *,
    settings: dict[str, Any] | None = None,
    target: dict[str, Any] | None = None,
    cached: bool = True,
    idle_timeout: float = 30,
    stop: asyncio.Event | None = None,
    drain_seconds: float = 0.1,
    backends: Sequence[Backend] = (),
) -> AsyncIterator[Rig]:
    """A running proxy; ``target`` changes fields of the fixed target."""
    upstream = ScriptedUpstream(script)
    await upstream.start()
    clock = FakeClock()
    activity = Activity(slot=0, pid=1, clock=clock)
    demands = Demands(slot=0, clock=clock)
    fixed = FixedTarget(upstream.url).snapshot()
    targets = StaticTargets(replace(fixed, **(target or {})))
    cache = MemoryCache(max_entries=100, max_bytes=100_000_000) if cached else None
    ids = itertools.count(1)
    app = build_app(
        settings=Settings.model_validate(settings or {}),
        targets=targets,
        cache=cache,
        cache_problem="",
        upstream=OpenAIUpstream(connect_timeout=5, idle_timeout=idle_timeout),
        backends=backends,
        clock=clock,
        request_ids=lambda: f"req-{next(ids)}",
        activity=activity,
        demands=demands,
        chance=lambda: 0.5,
        state_view=lambda: summarise([activity.snapshot()], is_alive=lambda _pid: True),
    )
    sock = socket.create_server(("127.0.0.1", 0))
    port = sock.getsockname()[1]
    stop = stop or asyncio.Event()
    serving = asyncio.create_task(serve(app, sock, drain_seconds=drain_seconds, stop=stop))
    async with aiohttp.ClientSession() as session:
        url = f"http://127.0.0.1:{port}"
        try:
            yield Rig(url, port, upstream, cache, activity, clock, session, targets, demands)
        finally:
            stop.set()
            await serving
            await upstream.stop()
