"""An OpenAI-compatible server reached over HTTP: vLLM in a pod, or anything that speaks alike."""

from __future__ import annotations

import errno
import io
import os
import socket
from contextvars import ContextVar
from typing import Final

import aiohttp
from yarl import URL

from podman_llm.config.outbound import DIRECT, Outbound
from podman_llm.errors import UpstreamBroke, UpstreamUnreachable
from podman_llm.upstreams.base import Answer, Call, Headers, end_to_end

# uvicorn, which serves vLLM, closes an idle connection after 5 s; ours must be gone before that.
_IDLE_SECONDS: Final = 3.0
# A header of an upstream may be as long as uvicorn's own default bound for a whole head.
_MAX_HEADER_BYTES: Final = 64 * 1024
# aiohttp writes bytes up to this size in one go; larger bodies go in pieces, the loop in between.
_WHOLE_BYTES: Final = 1024 * 1024
_UNASKED: Final = (
    aiohttp.ClientConnectorError,
    aiohttp.ClientHttpProxyError,
    aiohttp.ConnectionTimeoutError,
    aiohttp.InvalidURL,
)
_CONTENT_LENGTH: Final = frozenset({"content-length"})
_DECODED: Final = frozenset({"content-encoding", "content-length"})


class _Trip:
    """One call on its way: whether a connection has been made for it, or one of the pool serves."""

    is_first = False


# aiohttp tells by traces too, which cost every call as much as a tenth of all that is done for it.
_TRIP: Final[ContextVar[_Trip]] = ContextVar("trip")


class OpenAIAnswer:
    """An answer on an aiohttp connection."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        declared = response.headers.get("Content-Type", "")
        self.content_type = declared.partition(";")[0].strip().lower()
        # aiohttp has decoded what a server compressed although it was asked not to.
        gone = _DECODED if "Content-Encoding" in response.headers else frozenset[str]()
        self.headers: Headers = end_to_end(response.headers.items(), but=gone)

    async def read(self) -> bytes:
        """The next bytes; ``b""`` at the end. Raises UpstreamBroke."""
        try:
            return await self._response.content.readany()
        except TimeoutError as err:
            raise UpstreamBroke("the upstream fell silent within its answer", status=504) from err
        except (aiohttp.ClientError, OSError) as err:
            raise UpstreamBroke("the upstream's connection broke within its answer") from err

    def close(self) -> None:
        """Close the connection unless the answer was read to its end."""
        self._response.close()


class OpenAIUpstream:
    """Keeps a pool of connections; one event loop only.

    ``connect_timeout`` bounds the making of a connection, ``idle_timeout`` any silence after it, in
    seconds. There is no bound on a whole answer: a long one is not a stuck one. ``outbound`` knows
    the proxy on the way.
    """

    def __init__(
        self, *, connect_timeout: float, idle_timeout: float, outbound: Outbound = DIRECT
    ) -> None:
        self._outbound = outbound
        self._timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=connect_timeout, sock_read=idle_timeout
        )
        self._pooled: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None

    async def send(self, call: Call) -> Answer:
        """Ask; raises UpstreamUnreachable.

        A pooled connection may have been closed by the other side while the request was on its
        way. Nothing was read then, so one more try on a connection of its own is safe; on a new
        connection the same failure is the server's, and is told.
        """
        self._pooled = self._pooled or self._session(pool=True)
        trip = _Trip()
        _TRIP.set(trip)
        try:
            try:
                return await self._ask(self._pooled, call)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as err:
                if trip.is_first or isinstance(err, _UNASKED):
                    raise
            self._fresh = self._fresh or self._session(pool=False)
            return await self._ask(self._fresh, call)
        except (aiohttp.ClientError, OSError) as err:
            raise _unreachable(call, err) from err

    async def _ask(self, session: aiohttp.ClientSession, call: Call) -> OpenAIAnswer:
        response = await session.request(
            call.method,
            URL(call.url, encoded=True),
            data=io.BytesIO(call.body) if len(call.body) > _WHOLE_BYTES else call.body or None,
            headers=call.headers,
            allow_redirects=False,
            proxy=self._outbound.to(call.url),
        )
        return OpenAIAnswer(response)

    def _session(self, *, pool: bool) -> aiohttp.ClientSession:
        connector = (
            aiohttp.TCPConnector(
                limit=0, keepalive_timeout=_IDLE_SECONDS, socket_factory=_first_socket
            )
            if pool
            else aiohttp.TCPConnector(limit=0, force_close=True)
        )
        return aiohttp.ClientSession(
            connector=connector,
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept", "Content-Type"),
            headers={"Accept-Encoding": "identity"},
            max_line_size=_MAX_HEADER_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
        )

    async def close(self) -> None:
        """Close every connection."""
        for session in (self._pooled, self._fresh):
            if session is not None:
                await session.close()
        self._pooled = self._fresh = None


def _first_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """A socket as aiohttp makes them, for the trip that needs it."""
    _TRIP.get().is_first = True
    family, kind, protocol, _, _ = address
    return socket.socket(family, kind, protocol)


def _unreachable(call: Call, err: Exception) -> UpstreamUnreachable:
    """What aiohttp says in our words, without any of key or body."""
    was_asked = not isinstance(err, _UNASKED)  # there was a connection on which it went out
    if isinstance(err, TimeoutError):
        told = f"{_origin(call)} did not answer in time"
        return UpstreamUnreachable(told, status=504, was_asked=was_asked)
    told = f"{_origin(call)} cannot be reached: {_why(err)}"
    return UpstreamUnreachable(told, was_asked=was_asked)


def _origin(call: Call) -> str:
    return str(URL(call.url, encoded=True).origin())


def _why(err: Exception) -> str:
    if isinstance(err, aiohttp.ClientHttpProxyError):
        return f"the environment's proxy says {err.status}"  # its own words may show its password
    if isinstance(err, aiohttp.InvalidURL):  # its words are the URL, password and all
        return "the environment's proxy has no URL that can be read"
    if isinstance(err, aiohttp.ClientProxyConnectionError):
        return f"the environment's proxy: {_reason(err)}"
    return _reason(err)


def _reason(err: Exception) -> str:
    cause = getattr(err, "os_error", None) or err
    number: int = getattr(cause, "errno", None) or 0
    if number in errno.errorcode:
        return os.strerror(number)  # asyncio's own words repeat the address
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
