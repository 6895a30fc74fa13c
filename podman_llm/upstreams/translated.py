"""An upstream that answers chat, answering one request of another dialect."""

from __future__ import annotations

from typing import Final

from podman_llm.core.dialects import Translation
from podman_llm.core.sse import EventTooLarge, SseParser
from podman_llm.core.translation import Malformed
from podman_llm.errors import UpstreamBroke
from podman_llm.upstreams.base import Answer, Call, Headers, Upstream, end_to_end

_MAX_EVENT_BYTES: Final = 16 * 1024 * 1024
# Only a whole answer can be translated; a larger one is none.
_MAX_BYTES: Final = 32 * 1024 * 1024
_LENGTH: Final = frozenset({"content-length"})
_EVENTS: Final = "text/event-stream"
_OK: Final = 200


class TranslatedUpstream:
    """``upstream`` as seen by the request of ``translation``, for which alone it is made."""

    def __init__(self, upstream: Upstream, translation: Translation) -> None:
        self._upstream = upstream
        self._translation = translation

    async def send(self, call: Call) -> Answer:
        """Ask; ``call`` is in chat's words already. Raises as the upstream does."""
        answer = await self._upstream.send(call)
        if answer.status == _OK and answer.content_type == _EVENTS:
            return TranslatedStream(answer, self._translation)
        return TranslatedBody(answer, self._translation)

    async def close(self) -> None:
        """The connections are the upstream's own to let go of."""


class _Translated:
    """What both kinds of answers keep of the one that is translated."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.status = answer.status
        self.content_type = answer.content_type
        self.headers: Headers = end_to_end(answer.headers, but=_LENGTH)

    def close(self) -> None:
        """Be done with it, at its end or before."""
        self._answer.close()


class TranslatedBody(_Translated):
    """A document, an error's among them: it comes whole."""

    def __init__(self, answer: Answer, translation: Translation) -> None:
        super().__init__(answer)
        self._translation = translation
        self._is_read = False

    async def read(self) -> bytes:
        """All of it, then nothing. Raises UpstreamBroke."""
        if self._is_read:
            return b""
        self._is_read = True
        body = await self._body()
        if self.status != _OK:
            return self._translation.reword_error(self.status, body)
        if self._translation.is_stream:
            return body  # no answer to the request, as whoever reads it will see
        try:
            return self._translation.whole(body)
        except Malformed as err:
            raise UpstreamBroke(str(err)) from err

    async def _body(self) -> bytes:
        pieces, size = [], 0
        while piece := await self._answer.read():
            pieces.append(piece)
            size += len(piece)
            if size > _MAX_BYTES:
                raise UpstreamBroke(f"the upstream's answer is larger than {_MAX_BYTES} bytes")
        return b"".join(pieces)


class TranslatedStream(_Translated):
    """A stream, told as it comes."""

    def __init__(self, answer: Answer, translation: Translation) -> None:
        super().__init__(answer)
        self._stream = translation.stream()
        self._parser = SseParser(_MAX_EVENT_BYTES)

    async def read(self) -> bytes:
        """The next events, ``b""`` at the end of a whole answer. Raises UpstreamBroke."""
        try:
            while chunk := await self._answer.read():
                # A failure among the events makes all that came with it void.
                if told := b"".join(map(self._stream.feed, self._parser.feed(chunk))):
                    return told
            return self._finish()
        except EventTooLarge as err:
            raise UpstreamBroke(f"the upstream sent {err}") from err
        except Malformed as err:
            raise UpstreamBroke(str(err)) from err

    def _finish(self) -> bytes:
        rest = self._stream.feed(self._parser.rest) if self._parser.rest else b""
        return rest + self._stream.finish()
