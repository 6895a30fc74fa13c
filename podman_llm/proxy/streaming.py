"""Answers on their way to the client: passed on as they come, never ended falsely."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Container
from typing import Final

from aiohttp import web

from podman_llm.core.completion import Complete
from podman_llm.core.judge import StreamJudge
from podman_llm.core.sse import EventTooLarge, SseParser
from podman_llm.errors import UpstreamBroke
from podman_llm.upstreams.base import Answer, Headers

_MAX_EVENT_BYTES: Final = 16 * 1024 * 1024
_RESET: Final = struct.pack("ii", 1, 0)


def reset(transport: asyncio.BaseTransport | None) -> None:
    """Reset a client's connection.

    A clean end after half an answer is taken for a whole one by every client; a reset makes agents
    ask again. Without the linger option the kernel would end the connection politely.
    """
    if not isinstance(transport, asyncio.Transport):
        return
    sock = transport.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


class Cut(Exception):
    """The client's connection was reset because its answer cannot become whole.

    ``response`` is the one that was begun: it goes back to aiohttp, which finds nobody to send
    the rest to.
    """

    def __init__(self, why: str, response: web.StreamResponse) -> None:
        super().__init__(why)
        self.response = response


class Keeper:
    """Collects an answer for the cache while it passes, up to ``limit`` bytes.

    ``keep`` gets it once, when it is known to be whole; ``limit`` 0 keeps nothing.
    """

    def __init__(self, limit: int, keep: Callable[[bytes], None]) -> None:
        self._room = limit
        self._keep = keep
        self._pieces: list[bytes] = []

    def add(self, piece: bytes) -> None:
        """One more piece, or the one too many."""
        self._room -= len(piece)
        if self._room >= 0:
            self._pieces.append(piece)
        else:
            self._pieces.clear()

    def finish(self) -> None:
        """It was whole."""
        if self._pieces:
            self._keep(b"".join(self._pieces))
        self._pieces.clear()
        self._room = -1


class EventRelay:
    """An event stream of the upstream, in whole events that may be passed on.

    An event that says abort or error is never among them, nor is anything after it.
    """

    def __init__(self, answer: Answer, judge: StreamJudge, keeper: Keeper) -> None:
        self._answer = answer
        self._judge = judge
        self._keeper = keeper
        self._parser = SseParser(_MAX_EVENT_BYTES)
        self._has_ended = False

    async def next(self) -> bytes:
        """The events that came since, at least one; empty at a clean end. Raises UpstreamBroke."""
        while not self._has_ended:
            chunk = await self._read()
            if not chunk:
                self._has_ended = True
                return self._end()
            try:
                events = self._parser.feed(chunk)
            except EventTooLarge as err:
                raise UpstreamBroke(f"the upstream sent {err}") from err
            if events:
                return self._pass(events)
        return b""

    async def _read(self) -> bytes:
        try:
            return await self._answer.read()
        except UpstreamBroke:
            if self._judge.is_done:
                return b""  # all that makes an answer has come before the connection broke
            raise

    def _pass(self, events: list[bytes]) -> bytes:
        judge = self._judge
        for event in events:
            judge.feed(event)
        if judge.trouble:
            raise UpstreamBroke(judge.trouble.why)
        piece = events[0] if len(events) == 1 else b"".join(events)
        self._keeper.add(piece)
        # Kept before the client sees the end: clients hang up right after it, and ask again.
        if judge.is_done and judge.verdict() == Complete():
            self._keeper.finish()
        return piece

    def _end(self) -> bytes:
        """What is left when the upstream ended cleanly; raises if that was too early."""
        rest = self._parser.rest
        if rest:
            self._judge.feed(rest)
        verdict = self._judge.verdict()
        if not isinstance(verdict, Complete):
            raise UpstreamBroke(verdict.why)
        return rest


async def pass_on(
    request: web.Request,
    response: web.StreamResponse,
    read: Callable[[], Awaitable[bytes]],
    begun: bytes,
) -> web.StreamResponse:
    """Write ``begun`` and what ``read`` gives until it gives nothing; then end cleanly.

    Raises UpstreamBroke only while nothing has been sent, Cut after that. Whatever ends it early, a
    client that leaves or a worker that must stop among it, the client never sees a clean end.
    """
    try:
        piece = begun or await read()
        await response.prepare(request)
        while piece:
            await response.write(piece)
            piece = await read()
        await response.write_eof()
    except UpstreamBroke as err:
        if not response.prepared:
            raise
        reset(request.transport)
        raise Cut(str(err), response) from err
    except ConnectionError:
        pass  # the client left; aiohttp notices when it ends the response
    except BaseException:
        reset(request.transport)
        raise
    return response


async def read_up_to(answer: Answer, limit: int) -> tuple[bytes, bool]:
    """The answer's body, and whether that is all of it: it stops beyond ``limit`` bytes."""
    pieces: list[bytes] = []
    size = 0
    while piece := await answer.read():
        pieces.append(piece)
        size += len(piece)
        if size > limit:
            return b"".join(pieces), False
    return b"".join(pieces), True


def without(names: Container[str], headers: Headers) -> Headers:
    """The headers but those of ``names`` (lower-case)."""
    return tuple([pair for pair in headers if pair[0].lower() not in names])
