"""Climbs the readiness ladder of a serving port over HTTP.

A running container is not a served model, an open port may be the provider's edge answering for a
pod that is not there, and ``/health`` stays 200 while the engine hangs. Only a token proves it.
"""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from typing import Final

from podman_llm.core.sight import Readiness, Rung
from podman_llm.host.clock import Clock
from podman_llm.providers.wire import Exchange, NoReply, Reply, Wire

_EDGE_WORDS: Final = {
    403: "the edge in front of the pod refuses us",
    404: "the edge in front of the pod does not know its port yet",
    502: "the container runs, its server does not listen yet",
    503: "the server is not available",
    524: "the server took longer than the edge in front of it waits",
}
_NAMES_SHOWN: Final = 5
_CONNECT: Final = 5.0
_READ: Final = 30.0
_QUESTIONS_MAX: Final = 6
"""Health, models, a token in two ways to see whether the name is taken, and again as the proof."""
LONGEST: Final = _QUESTIONS_MAX * (_CONNECT + _READ)
"""Seconds that one probe takes at most, unless answers trickle."""


class HttpProber:
    """Asks a server whether it serves; each rung takes at most the given seconds per phase."""

    def __init__(
        self, clock: Clock, *, connect_timeout: float = _CONNECT, read_timeout: float = _READ
    ) -> None:
        self._clock = clock
        self._connect = connect_timeout
        self._read = read_timeout

    def probe(
        self, endpoint: str, *, served_name: str, api_key: str | None, deep: bool = True
    ) -> Readiness:
        """Climb as far as it goes; ``deep`` false stops below the completion."""
        wire = Wire(
            endpoint,
            key=api_key,
            clock=self._clock,
            connect_timeout=self._connect,
            read_timeout=self._read,
        )
        try:
            listed = _listed(wire, served_name)
            if not deep or listed.rung is not Rung.LISTED:
                return listed
            return _answering(wire, served_name)
        finally:
            wire.close()


def _listed(wire: Wire, served_name: str) -> Readiness:
    health = wire.exchange("GET", "/health")
    if isinstance(health, NoReply) or health.status not in {HTTPStatus.OK, HTTPStatus.NOT_FOUND}:
        return _failed(health, Rung.UNREACHABLE)
    models = wire.exchange("GET", "/v1/models")
    if not _is_model_list(models):
        # Not every OpenAI server has /health; without it, the list of models must speak.
        is_healthy = health.status == HTTPStatus.OK
        return _failed(models, Rung.HEALTHY if is_healthy else Rung.UNREACHABLE)
    names = list(_names(models))
    if served_name in names:
        return Readiness(Rung.LISTED, f"/v1/models lists {served_name}")
    shown = ", ".join(names[:_NAMES_SHOWN]) or "nothing"
    # A server of one model may answer to any name (llama-server); vLLM refuses at no cost.
    if _answering(wire, served_name).rung is Rung.ANSWERING:
        return Readiness(Rung.LISTED, f"/v1/models lists {shown}; {served_name} is answered too")
    return Readiness(Rung.HEALTHY, f"/v1/models lists {shown}, not {served_name}")


def _answering(wire: Wire, served_name: str) -> Readiness:
    """One token of chat, or of plain completion for a model without a chat template."""
    one_token = {"model": served_name, "max_tokens": 1, "temperature": 0}
    chat = one_token | {"messages": [{"role": "user", "content": "Hi"}]}
    reply = wire.exchange("POST", "/v1/chat/completions", payload=chat)
    if isinstance(reply, Reply) and reply.status in {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND}:
        reply = wire.exchange("POST", "/v1/completions", payload=one_token | {"prompt": "Hi"})
    if isinstance(reply, Reply) and reply.status == HTTPStatus.OK and _member(reply, "choices"):
        return Readiness(Rung.ANSWERING, "one token came back")
    return _failed(reply, Rung.LISTED)


def _failed(exchange: Exchange, reached: Rung) -> Readiness:
    """Where the ladder ends: ``reached``, unless the answer says something else about the port."""
    if isinstance(exchange, NoReply):
        return Readiness(Rung.UNKNOWN if exchange.offline else reached, exchange.why)
    refused = exchange.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
    if refused and _is_json(exchange):
        return Readiness(Rung.KEY_REFUSED, f"the server refuses our key ({exchange.status})")
    if not _is_json(exchange) and exchange.status in _EDGE_WORDS:
        return Readiness(Rung.UNREACHABLE, f"{_EDGE_WORDS[exchange.status]} ({exchange.status})")
    if exchange.media_type == "text/html":
        return Readiness(Rung.UNREACHABLE, f"an HTML page answers for it ({exchange.status})")
    return Readiness(reached, f"the server answers {exchange.status}: {_error_text(exchange)}")


def _is_json(reply: Reply) -> bool:
    return isinstance(reply.json(), dict)


def _is_model_list(exchange: Exchange) -> bool:
    if not isinstance(exchange, Reply) or exchange.status != HTTPStatus.OK:
        return False
    return isinstance(_member(exchange, "data"), list)


def _names(exchange: Exchange) -> Iterator[str]:
    models = _member(exchange, "data") if isinstance(exchange, Reply) else None
    for model in models if isinstance(models, list) else ():
        if isinstance(model, dict) and isinstance(model.get("id"), str):
            yield model["id"]


def _member(reply: Reply, key: str) -> object:
    document = reply.json()
    return document.get(key) if isinstance(document, dict) else None


def _error_text(reply: Reply) -> str:
    error = _member(reply, "error")
    text = error.get("message") if isinstance(error, dict) else error
    return str(text or "no reason given")[:200]
