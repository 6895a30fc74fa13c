"""The contract of an upstream: one call, one answer, in bytes.

- ``send`` returns once status and headers are there, or raises UpstreamUnreachable: then not one
  byte of an answer came, and another upstream may be asked unseen.
- ``Answer.read`` gives bytes as they arrive, decoded from any content encoding, ``b""`` at the end.
  It raises UpstreamBroke when the transport says that the end is missing.
- ``Answer.close`` before the end closes the connection, which is how a model server learns that
  nobody listens; after the end it does nothing. Cancelling ``send`` or ``read`` closes likewise.
- A status of 400 and above is an answer like any other, never an exception.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Protocol

Headers = tuple[tuple[str, str], ...]

HTML: Final = "text/html"
"""No model server's own words: what an edge or a gateway before it says."""

HOP_BY_HOP: Final = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Headers that speak of one connection and are never passed on (RFC 9110 §7.6.1)."""
_ORDINARY: Final = frozenset({"keep-alive", "close"})


def end_to_end(headers: Iterable[tuple[str, str]], *, but: frozenset[str]) -> Headers:
    """The headers to pass on: none of one connection, none of ``but`` (lower-case names).

    Nor any that is not UTF-8: it was read into lone surrogates, which cannot be written again.
    """
    passed = []
    named = frozenset[str]()
    for name, value in headers:
        lower = name.lower()
        if lower == "connection":
            named = frozenset(token.strip().lower() for token in value.split(","))
        elif lower in HOP_BY_HOP or lower in but:
            continue
        elif value.isascii() or _is_writable(value):
            passed.append((name, value))
    if named <= _ORDINARY:
        return tuple(passed)
    return tuple(pair for pair in passed if pair[0].lower() not in named)


def _is_writable(value: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in value)


@dataclass(frozen=True, slots=True)
class Call:
    """What to ask: an absolute, encoded ``url``, end-to-end ``headers``, the ``body`` untouched."""

    method: str
    url: str
    headers: Headers
    body: bytes


class Answer(Protocol):
    """An answer that has begun."""

    @property
    def status(self) -> int:
        """The HTTP status."""

    @property
    def headers(self) -> Headers:
        """End-to-end headers; those of a length or encoding that no longer hold are left out."""

    @property
    def content_type(self) -> str:
        """The media type, lower-case, without parameters; empty if none was given."""

    async def read(self) -> bytes:
        """The next bytes, as soon as there are any; ``b""`` at the end."""

    def close(self) -> None:
        """Be done with it, at its end or before."""


class Upstream(Protocol):
    """Whoever answers."""

    async def send(self, call: Call) -> Answer:
        """Ask, and wait for status and headers."""

    async def close(self) -> None:
        """Let go of connections."""
