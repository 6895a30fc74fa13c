"""Answers of Bedrock in OpenAI's dialect: those that are known whole, and those that are told."""

from __future__ import annotations

from typing import Final

from podman_llm.core.converse_errors import Problem, problem
from podman_llm.core.converse_stream import ChunkWriter
from podman_llm.core.translation import Malformed
from podman_llm.errors import UpstreamBroke
from podman_llm.upstreams.base import Answer, Headers
from podman_llm.upstreams.eventstream import FrameDecoder, StreamEvent

JSON: Final = "application/json"
EVENTS: Final = "text/event-stream"


class WholeAnswer:
    """A document that is all there, or a stream that is."""

    def __init__(
        self, status: int, body: bytes, headers: Headers = (), *, content_type: str = JSON
    ) -> None:
        self.status = status
        self.content_type = content_type
        self.headers: Headers = (("Content-Type", content_type), *headers)
        self._body = body

    async def read(self) -> bytes:
        """The document, then nothing."""
        body, self._body = self._body, b""
        return body

    def close(self) -> None:
        """There is nothing to let go of."""


class StreamAnswer:
    """A stream of chunks, made from Bedrock's events as they arrive."""

    status = 200
    content_type = EVENTS

    def __init__(self, answer: Answer, writer: ChunkWriter, headers: Headers) -> None:
        self.headers: Headers = (("Content-Type", f"{EVENTS}; charset=utf-8"), *headers)
        self._answer = answer
        self._writer = writer
        self._frames = FrameDecoder()
        self._ready = b""
        self._has_ended = False

    async def begin(self) -> Problem | None:
        """Wait for the first event; the problem, if it is one. Raises UpstreamBroke.

        Bedrock says 200 before the model has begun, and throttles in the first event.
        """
        while not self._ready and not self._has_ended:
            if failed := self._take(await self._arriving()):
                return failed
        return None

    async def read(self) -> bytes:
        """The next chunks; ``b""`` at the end. Raises UpstreamBroke."""
        while not self._ready and not self._has_ended:
            if failed := self._take(await self._arriving()):
                raise UpstreamBroke(failed.message, status=failed.status)
        ready, self._ready = self._ready, b""
        return ready

    def close(self) -> None:
        """Close the connection unless the answer was read to its end."""
        self._answer.close()

    async def _arriving(self) -> list[StreamEvent]:
        """The events that have come since; none at the end of a stream that was whole."""
        while chunk := await self._answer.read():
            if events := self._frames.feed(chunk):
                return events
        # A cut stream ends as politely as a whole one: only the model's own end is an end.
        if not self._writer.is_complete or not self._frames.is_between_events:
            raise UpstreamBroke("Bedrock's stream ended before the answer did")
        self._has_ended = True
        self._ready += self._writer.finish()
        return []

    def _take(self, events: list[StreamEvent]) -> Problem | None:
        """Write the events; the failure among them makes all that came with it void."""
        for event in events:
            if event.is_failure:
                return problem(event.name, status=0, document=event.payload)
            try:
                self._ready += self._writer.feed(event.name, event.payload)
            except Malformed as err:
                raise UpstreamBroke(f"Bedrock: {err}") from err
        return None
