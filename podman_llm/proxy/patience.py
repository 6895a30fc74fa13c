"""Signs of life for a client that waits."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

from aiohttp import hdrs, web

# Clients give up on silence. ``: ping`` would do for all but Continue, whose parser ends there.
KEEPALIVE: Final = b": keepalive\n\n"


def loading(message: str, *, model: str, now: float) -> bytes:
    """A sign of life that shows: a piece of reasoning that says what is waited for."""
    delta = {"role": "assistant", "reasoning_content": f"{message}\n"}
    chunk = {
        "id": "chatcmpl-waiting",
        "object": "chat.completion.chunk",
        "created": int(now),
        "model": model,
        "choices": [{"index": 0, "delta": delta, "finish_reason": None}],
    }
    return b"data: %s\n\n" % json.dumps(chunk).encode()


class Patience:
    """Begins a stream after ``quiet`` seconds and puts a sign of life into it every ``every``.

    Until then an error can still be an error. ``say`` gives each sign. As a context manager it does
    so in the background until the block ends.
    """

    def __init__(
        self, request: web.Request, *, quiet: float, every: float, say: Callable[[], bytes]
    ) -> None:
        self._request = request
        self._quiet = quiet
        self._every = every
        self._say = say
        self._response = web.StreamResponse(
            headers={hdrs.CONTENT_TYPE: "text/event-stream", hdrs.CACHE_CONTROL: "no-cache"}
        )

    @property
    def response(self) -> web.StreamResponse | None:
        """The stream, once it has begun."""
        return self._response if self._response.prepared else None

    async def __aenter__(self) -> Self:
        """Begin to wait."""
        self._task = asyncio.create_task(self._keep_alive())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Be done with waiting."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _keep_alive(self) -> None:
        await asyncio.sleep(self._quiet)
        with contextlib.suppress(ConnectionError):  # the client left; its handler hears of it too
            await self._response.prepare(self._request)
            while True:
                await self._response.write(self._say())
                await asyncio.sleep(self._every)
