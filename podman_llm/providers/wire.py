"""One HTTP exchange as a value: what came back, or why nothing did.

``requests`` raises a dozen kinds of exception, and each carries the request and with it the key.
None of them leaves this module: a caller decides on ``Reply`` and ``NoReply``, whose words are
ours. Nothing is ever repeated or redirected here; who may repeat what is decided further up.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3 import exceptions as low

from podman_llm.host.clock import Clock

MAX_BODY: Final = 32 * 1024 * 1024
"""Bytes of an answer that are read; the longest list of pods is far below."""

_CHUNK: Final = 64 * 1024


_FAULTS: Final = (requests.RequestException, low.HTTPError, OSError, ValueError)
"""All that the libraries raise; ValueError is how they refuse a request before it is sent."""


class _TooLong(low.HTTPError):
    """The answer exceeds ``MAX_BODY``."""


@dataclass(frozen=True)
class Reply:
    """An HTTP answer, read to its end. ``headers`` ignore case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """The content type without parameters, in lower case."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    def json(self) -> object:
        """The body as JSON; None when it is none, an edge's HTML page for example."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


@dataclass(frozen=True)
class NoReply:
    """No complete answer.

    ``never_sent`` only when the connection was not made, so that the far side cannot have acted.
    ``offline`` when the fault is this host's: a name that does not resolve, no route.
    """

    why: str
    never_sent: bool = False
    offline: bool = False


Exchange = Reply | NoReply


class _Key(AuthBase):
    """The bearer key.

    As an ``auth`` object it wins over a ``~/.netrc`` entry, which would replace a plain header.
    """

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request


class Wire:
    """A connection to one origin.

    ``connect_timeout`` and ``read_timeout`` are seconds for each phase; an answer that trickles is
    given up after ``connect_timeout + 3 * read_timeout`` at the latest.
    """

    def __init__(
        self,
        base_url: str,
        *,
        key: str | None,
        clock: Clock,
        connect_timeout: float,
        read_timeout: float,
    ) -> None:
        self._base = base_url.rstrip("/")
        self._key = key
        self._clock = clock
        self._connect = connect_timeout
        self._read = read_timeout
        self._session = _session(self._base, key)

    def exchange(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        payload: object = None,
        fresh: bool = False,
    ) -> Exchange:
        """Send one request, once.

        ``fresh`` makes a new connection: a pooled one that the far side drops at that moment would
        look like a lost answer, which is dear where the request creates something.
        """
        if fresh:
            self._session.close()
        try:
            with self._open(method, path, query=query, payload=payload) as response:
                return Reply(response.status_code, response.headers, self._body(response))
        except _FAULTS as err:
            return _explain(err)

    @contextmanager
    def stream(
        self, path: str, *, query: Mapping[str, str], headers: Mapping[str, str], quiet: float
    ) -> Iterator[tuple[Exchange, Iterator[bytes]]]:
        """GET an answer that goes on: its head, and its bytes as they come.

        The bytes end when the far side ends, breaks off, or is silent for ``quiet`` seconds. An
        answer other than 200 is read whole and has no bytes.
        """
        with ExitStack() as stack:
            # Nothing is yielded inside an `except`: what the caller raises would be chained to the
            # library's exception, and through it to the request and its key.
            yield self._head(stack, path, query, headers, quiet)

    def _head(
        self,
        stack: ExitStack,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        quiet: float,
    ) -> tuple[Exchange, Iterator[bytes]]:
        try:
            response = self._open("GET", path, query=query, headers=headers, read_timeout=quiet)
            stack.enter_context(response)
            if response.status_code == requests.codes.ok:
                return Reply(response.status_code, response.headers, b""), _until_silent(response)
            return Reply(response.status_code, response.headers, self._body(response)), iter(())
        except _FAULTS as err:
            return _explain(err), iter(())

    def close(self) -> None:
        """Drop pooled connections; the wire can be used again."""
        self._session.close()

    def _open(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        payload: object = None,
        headers: Mapping[str, str] | None = None,
        read_timeout: float | None = None,
    ) -> requests.Response:
        return self._session.request(
            method,
            self._base + path,
            params=dict(query or {}),
            json=payload,
            headers=dict(headers or {}),
            timeout=(self._connect, read_timeout or self._read),
            allow_redirects=False,
            stream=True,
        )

    def _body(self, response: requests.Response) -> bytes:
        until = self._clock.monotonic() + self._read
        body = bytearray()
        for chunk in _chunks(response):
            body += chunk
            if len(body) > MAX_BODY:
                raise _TooLong
            if self._clock.monotonic() > until:
                raise requests.ReadTimeout
        if response.ok or self._key is None:
            return bytes(body)
        # An error page may echo what was sent to it, and error pages end up in messages.
        return bytes(body).replace(self._key.encode(), b"***")


def is_loopback(url: str) -> bool:
    """Whether ``url`` names this host by a loopback address or as localhost."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _session(base: str, key: str | None) -> requests.Session:
    session = requests.Session()
    session.headers["User-Agent"] = f"podman-llm/{version('podman-llm')}"
    session.headers["Accept"] = "application/json, application/problem+json"
    session.auth = _Key(key) if key else None
    # A proxy of the environment is for the world outside; it cannot reach our loopback.
    session.trust_env = not is_loopback(base)
    for scheme in ("https://", "http://"):
        session.mount(scheme, HTTPAdapter(max_retries=0))
    return session


def _chunks(response: requests.Response) -> Iterator[bytes]:
    """The decoded body piece by piece as it arrives, never waiting for a piece to fill up."""
    raw: Any = response.raw
    while chunk := raw.read1(_CHUNK, decode_content=True):
        yield chunk


def _until_silent(response: requests.Response) -> Iterator[bytes]:
    try:
        yield from _chunks(response)
    except _FAULTS:
        return


# The first that fits is taken; urllib3 derives NewConnectionError from ConnectTimeoutError.
_SILENCES: Final[tuple[tuple[type[BaseException], NoReply], ...]] = (
    (low.NameResolutionError, NoReply("its name does not resolve", never_sent=True, offline=True)),
    (ConnectionRefusedError, NoReply("connection refused", never_sent=True)),
    (low.NewConnectionError, NoReply("no route to it", never_sent=True, offline=True)),
    (low.ConnectTimeoutError, NoReply("no connection in time", never_sent=True)),
    (requests.exceptions.InvalidURL, NoReply("not a valid URL", never_sent=True, offline=True)),
    (requests.exceptions.InvalidSchema, NoReply("not an HTTP URL", never_sent=True, offline=True)),
    (low.ProxyError, NoReply("the HTTP proxy on the way did not connect")),
    (requests.exceptions.SSLError, NoReply("the TLS connection failed")),
    (requests.Timeout, NoReply("no answer in time")),
    (low.ReadTimeoutError, NoReply("no answer in time")),
    (TimeoutError, NoReply("no answer in time")),
    (_TooLong, NoReply(f"an answer of more than {MAX_BODY >> 20} MiB")),
    (ValueError, NoReply("the request or its answer is no valid HTTP")),
)


def _explain(err: Exception) -> NoReply:
    """Our own words for why there is no answer; nothing of the request is in them.

    Only what the libraries say on purpose is looked at: the reason inside ``requests``' exception
    and what that was raised from. The implicit context could belong to somebody else's exception.
    """
    inner = err.args[0] if err.args else None
    reason = inner.reason if isinstance(inner, low.MaxRetryError) else inner
    cause = reason.__cause__ if isinstance(reason, low.NewConnectionError) else None
    for kind, silence in _SILENCES:
        if any(isinstance(thing, kind) for thing in (cause, reason, err)):
            return silence
    return NoReply("the connection broke before the answer was complete")
