"""The dialects beside chat: who answers chat answers them as well, by translation.

``translate`` gives the chat request and the way back. What comes back is told only as far as the
chat answer has come: its end is told when the chat's own end has come, and never otherwise.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from podman_llm.core import messages_request, responses_request
from podman_llm.core.chat_answer import ChatAnswer, Ending, Origin, origin_of, read_completion
from podman_llm.core.chat_reader import ChatReader, Move
from podman_llm.core.completion import Complete, Endpoint, judge_body
from podman_llm.core.judge import StreamJudge
from podman_llm.core.messages_answer import to_message
from podman_llm.core.messages_errors import reword_error
from podman_llm.core.messages_stream import MessagesTeller
from podman_llm.core.responses_answer import to_response
from podman_llm.core.responses_stream import ResponsesTeller
from podman_llm.core.sse import event_data
from podman_llm.core.translation import Json, Malformed, Untranslatable

DIALECTS: Final = frozenset({Endpoint.RESPONSES, Endpoint.MESSAGES})
"""The endpoints that can be asked in chat's words."""
_DONE: Final = b"[DONE]"
_OK: Final = 200


class Teller(Protocol):
    """Tells one streamed answer, in bytes."""

    def begin(self) -> bytes:
        """What comes before everything else."""

    def tell(self, move: Move) -> bytes:
        """What a move makes."""

    def end(self, ending: Ending) -> bytes:
        """What comes after everything else."""


@dataclass(frozen=True, slots=True)
class Translation:
    """A request in chat's words, and its answer in the words it was asked in.

    ``chat`` is the body to send. ``teller`` tells a stream, ``reword_error`` a refusal.
    """

    chat: Json
    write: Callable[[ChatAnswer], Json]
    teller: Callable[[Origin], Teller]
    reword_error: Callable[[int, bytes], bytes]

    @property
    def is_stream(self) -> bool:
        """Whether a stream is asked for."""
        return self.chat.get("stream") is True

    def whole(self, body: bytes) -> bytes:
        """The answer for a ``chat.completion``; raises Malformed."""
        verdict = judge_body(Endpoint.CHAT, _OK, body)
        if not isinstance(verdict, Complete):
            raise Malformed(verdict.why)
        document = self.write(read_completion(json.loads(body)))
        return json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")

    def stream(self) -> StreamTranslation:
        """One streamed answer."""
        return StreamTranslation(self.teller)


class StreamTranslation:
    """Takes the raw events of a chat stream, and ``finish`` at its clean end.

    Both raise Malformed for an answer that failed, was aborted or cut: then nothing that was told
    has an end, and must not be given one.
    """

    def __init__(self, teller: Callable[[Origin], Teller]) -> None:
        self._make = teller
        self._teller: Teller | None = None
        self._reader = ChatReader()
        self._judge = StreamJudge(Endpoint.CHAT)
        self._is_done = False

    def feed(self, event: bytes) -> bytes:
        """What an event makes; a comment is passed on, as a sign of life."""
        data = event_data(event)
        if data is None:
            return event
        if self._is_done:
            return b""
        self._judge.feed(event)
        if self._judge.trouble:
            raise Malformed(self._judge.trouble.why)
        if data.strip() == _DONE:
            return self.finish()
        chunk = _parse(data)
        told = b""
        if self._teller is None:
            self._teller = self._make(origin_of(chunk))
            told = self._teller.begin()
        return told + b"".join(map(self._teller.tell, self._reader.feed(chunk)))

    def finish(self) -> bytes:
        """What ends a whole answer, once."""
        if self._is_done:
            return b""
        verdict = self._judge.verdict()
        if not isinstance(verdict, Complete) or self._teller is None:
            raise Malformed("no answer" if isinstance(verdict, Complete) else verdict.why)
        self._is_done = True
        last = b"".join(map(self._teller.tell, self._reader.end()))
        return last + self._teller.end(self._reader.ending)


def translate(endpoint: Endpoint, body: Mapping[str, Any]) -> Translation:
    """The translation of a request in one of ``DIALECTS``; raises Untranslatable."""
    if endpoint is Endpoint.MESSAGES:
        chat = messages_request.to_chat(body)
        return Translation(chat, to_message, MessagesTeller, reword_error)
    asked = responses_request.to_chat(body)
    return Translation(
        asked.body,
        write=lambda answer: to_response(answer, body, asked.names),
        teller=lambda origin: ResponsesTeller(origin, body, asked.names),
        reword_error=lambda _status, said: said,  # it is the same dialect's
    )


def in_chat(endpoint: Endpoint, body: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """A request of any endpoint as a chat, or as it is; and why chat has no words for it."""
    if endpoint not in DIALECTS:
        return body, ""
    try:
        return translate(endpoint, body).chat, ""
    except Untranslatable as err:
        return body, err.message


def _parse(data: bytes) -> Mapping[str, Any]:
    try:
        chunk = json.loads(data)
    except (ValueError, RecursionError):
        chunk = None
    if not isinstance(chunk, dict):
        raise Malformed("an event is not a JSON object")
    return chunk
