"""How uvicorn and vLLM put answers into bytes: key order, events, header names and their order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from aiohttp import HttpVersion11, web

from podman_llm.testing.openai_errors import Json

_HEADER_ORDER = (
    *("date", "server", "allow", "content-length", "content-type", "retry-after", "vary"),
    *("x-request-id", "connection", "transfer-encoding"),
)  # fmt: skip
_PREFLIGHT_ORDER = (
    *("date", "server", "vary", "access-control-allow-methods", "access-control-max-age"),
    *("access-control-allow-headers", "content-length", "content-type"),
)  # fmt: skip


def compact(document: Json) -> str:
    """JSON as pydantic writes it: no spaces, keys as they were set, text unescaped."""
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True)
class Event:
    """One server-sent event.

    ``costs`` is how many tokens' time pass before it; ``closing`` marks the event that finishes
    the answer, and those after it.
    """

    data: bytes
    costs: int = 0
    closing: bool = False


def event(document: Json | str, name: str = "", *, costs: int = 0, closing: bool = False) -> Event:
    """An event from a JSON document or ready text."""
    data = document if isinstance(document, str) else compact(document)
    head = f"event: {name}\n" if name else ""
    return Event(f"{head}data: {data}\n\n".encode(), costs, closing)


DONE = event("[DONE]", closing=True)


class Job(Protocol):
    """An admitted request whose answer is known and only has to be told, at the engine's pace."""

    @property
    def is_stream(self) -> bool:
        """Whether the client asked for events."""

    @property
    def costs(self) -> int:
        """How many tokens' time the whole answer takes."""

    @property
    def prompt_tokens(self) -> int:
        """Tokens read."""

    @property
    def completion_tokens(self) -> int:
        """Tokens written."""

    def whole(self, *, is_aborted: bool = False) -> Json:
        """The answer as one document; an aborted one has finish reason ``abort``."""

    def events(self) -> Iterator[Event]:
        """The answer as events."""

    def abort_events(self) -> Iterator[Event]:
        """What ends a stream whose answer was aborted by the server."""


class EventStream(web.StreamResponse):
    """A 200 whose headers go out at once and whose every event is one HTTP chunk."""

    def __init__(self) -> None:
        super().__init__(headers={"content-type": "text/event-stream; charset=utf-8"})
        self._frames_itself = False

    async def open(self, request: web.Request) -> None:
        """Send the headers."""
        # uvicorn sends chunks even to HTTP/1.0; aiohttp would not, so they are framed here.
        self._frames_itself = request.version < HttpVersion11
        if self._frames_itself:
            self.headers["connection"] = "close"
            self.headers["transfer-encoding"] = "chunked"
        await self.prepare(request)

    async def send(self, sent: Event) -> None:
        """Send one event."""
        await self._frame(sent.data)

    async def finish(self) -> None:
        """Send the last chunk."""
        if self._frames_itself:
            await self._frame(b"")
        await self.write_eof()

    async def _frame(self, data: bytes) -> None:
        if self._frames_itself:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        await self.write(data)


def answer(status: int, document: Json) -> web.Response:
    """A JSON answer."""
    body = compact(document).encode()
    return web.Response(status=status, body=body, content_type="application/json")


def dress(response: web.StreamResponse, *, request_id: str | None) -> None:
    """Give a response that is about to be sent the header names, order and case of uvicorn."""
    given = {name.lower(): value for name, value in response.headers.items()}
    given.setdefault("vary", "Origin")
    if response.status == web.HTTPUnauthorized.status_code:
        del given["vary"]  # the key is asked for outside of the CORS layer
    if given.get("content-length") == "0":
        given.pop("content-type", None)
    if request_id is not None:
        given["x-request-id"] = request_id
    given["server"] = "uvicorn"
    response.headers.clear()
    order = _PREFLIGHT_ORDER if "access-control-max-age" in given else _HEADER_ORDER
    rest = [name for name in given if name not in order]
    for name in (*order, *rest):
        if name in given:
            response.headers[name] = given[name]
