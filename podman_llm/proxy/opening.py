"""An upstream's answer, followed until it is clear that it is one.

A model server sends its headers, and an event or two, before its engine has shown that it works. As
long as no content has come nobody has seen an answer, and another upstream may still give it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from podman_llm.core.completion import Complete, Endpoint, judge_body
from podman_llm.core.judge import StreamJudge
from podman_llm.errors import UpstreamBroke
from podman_llm.proxy.questions import Ask
from podman_llm.proxy.shelf import EVENT_STREAM
from podman_llm.proxy.streaming import EventRelay, Keeper, read_up_to, without
from podman_llm.upstreams.base import Answer, Headers

# About the upstream's own origin, or set anew by us.
_NOT_RETURNED: Final = frozenset(
    {
        "access-control-allow-credentials",
        "access-control-allow-origin",
        "alt-svc",
        "set-cookie",
        "strict-transport-security",
    }
)
# Of a body that is framed anew.
_NOT_RETURNED_ANEW: Final = _NOT_RETURNED | {"content-length"}
# Endpoints that answer a stream with a stream, or an error.
_STREAMING: Final = frozenset(Endpoint) - {Endpoint.EMBEDDINGS}
# Endpoints of whose JSON a 200 without an end is a failure; a Responses object may be unfinished
# by intention (``background``), and embeddings have no end to tell.
_ENDING: Final = frozenset({Endpoint.CHAT, Endpoint.COMPLETIONS, Endpoint.MESSAGES})
# An answer that is no stream is held until it is judged; of a larger one only the rest is cut.
_HELD_BYTES: Final = 32 * 1024 * 1024
_JSON: Final = "application/json"
_OK: Final = 200


@dataclass(frozen=True, slots=True)
class Opened:
    """An answer that has begun, and of which nothing has gone to the client.

    ``begun`` is what has been read of it, all of it if ``is_whole``. ``read`` gives the rest as it
    comes, ``b""`` at its clean end, and raises UpstreamBroke when there will be none. ``headers``
    fit the answer as it is sent on.
    """

    status: int
    headers: Headers
    begun: bytes
    is_whole: bool
    read: Callable[[], Awaitable[bytes]]


async def open_answer(answer: Answer, ask: Ask, keeper: Keeper) -> Opened:
    """Read as far as the first content, or to the end of what is no stream.

    ``keeper`` gets the answer as it passes. Raises UpstreamBroke for what is none; ``answer`` is
    then the caller's to close.
    """
    endpoint = ask.route.endpoint
    if endpoint is None:
        return _opened(answer, without(_NOT_RETURNED, answer.headers))
    headers = without(_NOT_RETURNED_ANEW, answer.headers)
    if answer.content_type == EVENT_STREAM and answer.status == _OK:
        judge = StreamJudge(endpoint, choices=ask.question.choices)
        relay = EventRelay(answer, judge, keeper)
        begun = await _up_to_content(relay, judge)
        return _opened(answer, headers, begun, read=relay.next)
    body, is_whole = await read_up_to(answer, _HELD_BYTES)
    if not is_whole:
        return _opened(answer, without(_NOT_RETURNED, answer.headers), body)
    if answer.status == _OK and _may_be_kept(ask, endpoint, answer, body):
        keeper.add(body)
        keeper.finish()
    return _opened(answer, headers, body, is_whole=True)


def _opened(
    answer: Answer,
    headers: Headers,
    begun: bytes = b"",
    *,
    is_whole: bool = False,
    read: Callable[[], Awaitable[bytes]] | None = None,
) -> Opened:
    return Opened(answer.status, headers, begun, is_whole, read or answer.read)


async def _up_to_content(relay: EventRelay, judge: StreamJudge) -> bytes:
    pieces = []
    while not (judge.has_content or judge.is_done):
        piece = await relay.next()
        if not piece:
            break
        pieces.append(piece)
    return b"".join(pieces)


def _may_be_kept(ask: Ask, endpoint: Endpoint, answer: Answer, body: bytes) -> bool:
    """Whether a 200 of this body may be kept; raises UpstreamBroke if it must not be passed on."""
    if ask.question.wants_stream and endpoint in _STREAMING:
        raise UpstreamBroke("the upstream answered a stream request with no stream")
    verdict = judge_body(endpoint, _OK, body, choices=ask.question.choices)
    if isinstance(verdict, Complete):
        return verdict.is_storable
    if endpoint in _ENDING and answer.content_type == _JSON:
        raise UpstreamBroke(verdict.why)
    return False
