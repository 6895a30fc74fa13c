"""What holds for every request: who may ask, what every answer carries, where errors end."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from aiohttp import hdrs, web
from aiohttp.http import SERVER_SOFTWARE
from aiohttp.typedefs import Middleware

from podman_llm.core.routing import locate
from podman_llm.errors import UpstreamError
from podman_llm.proxy import envelope
from podman_llm.proxy.activity import Activity
from podman_llm.proxy.envelope import Refusal
from podman_llm.proxy.targets import Target, Targets
from podman_llm.telemetry import names

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = logging.getLogger(__name__)
_SANE_ID: Final = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})
_OPEN_PATHS: Final = frozenset({"/health"})
_TRY_AGAIN: Final = frozenset({429, 502, 503, 504})
# What a web page may send to a foreign origin without asking first.
_FORM_TYPES: Final = frozenset({"", "application/x-www-form-urlencoded", "text/plain"})
_SERVER_ERROR: Final = 500
_LEFT: Final = 499
"""In the log: the client left before its answer began or ended."""


@dataclass(slots=True)
class Marks:
    """What the headers of an answer will say about it. ``age`` is in seconds, None but on hits.

    ``refused`` is why nobody gave one.
    """

    request_id: str
    target: Target
    cache: str = "BYPASS"
    served_by: str = "podman-llm"
    age: int | None = None
    origin: str = ""
    attempts: str = ""
    fallback_reason: str = ""
    refused: str = ""

    @property
    def why(self) -> str:
        """Why it was not simply the pod, or an answer that was kept."""
        return self.fallback_reason or self.refused


MARKS: Final = web.RequestKey("marks", Marks)


class Gate:
    """Who may ask. A web page must neither spend GPU money nor read answers.

    ``hosts`` are names accepted in ``Host`` besides those of the loopback interface, which defeats
    DNS rebinding. ``keys`` are the accepted client keys; without any, everybody who reaches the
    socket may ask. ``origins`` may call from a page.
    """

    def __init__(
        self, *, hosts: Iterable[str], origins: Iterable[str], keys: Iterable[str]
    ) -> None:
        self._hosts = _LOOPBACK | {host.lower() for host in hosts}
        self._origins = frozenset(origin.rstrip("/").lower() for origin in origins)
        self._digests = tuple(_digest(key) for key in keys)

    @property
    def has_keys(self) -> bool:
        """Whether a key is demanded, so that ``Authorization`` is ours and not the upstream's."""
        return bool(self._digests)

    def admit(self, request: web.Request) -> str:
        """The allowed web origin that asks, empty when it is no page; raises Refusal."""
        headers = request.headers
        self._check_host(headers.get(hdrs.HOST, ""))
        origin = self._check_origin(headers)
        if request.method == hdrs.METH_OPTIONS and origin:
            return origin  # a preflight carries no key
        if self._digests and request.path not in _OPEN_PATHS and not self.has_key(request):
            raise Refusal(401, "a client key is needed: see `api_keys_file`.", code="bad_api_key")
        if request.method in _WITH_BODY and request.can_read_body:
            _check_content_type(request)
        return origin

    def has_key(self, request: web.Request) -> bool:
        """Whether the request shows an accepted key, or none is needed."""
        scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
        given = token.strip() if scheme.lower() == "bearer" else ""
        shown = _digest(given or request.headers.get("x-api-key", ""))
        # No early way out: the time taken tells nothing about which key came close.
        found = [hmac.compare_digest(shown, digest) for digest in self._digests]
        return any(found) or not self._digests

    def _check_host(self, host: str) -> None:
        # HTTP/1.0 has no Host; no browser speaks it.
        if host and _host_name(host) not in self._hosts:
            raise Refusal(
                403,
                f"host {host!r} is not served; add it to `proxy.allowed_hosts` if it is yours.",
                code="host_not_allowed",
            )

    def _check_origin(self, headers: Mapping[str, str]) -> str:
        origin = headers.get(hdrs.ORIGIN, "")
        if origin:
            if origin.rstrip("/").lower() in self._origins:
                return origin
        elif headers.get("Sec-Fetch-Site") != "cross-site":
            return ""
        raise Refusal(
            403,
            f"web origin {origin or 'unknown'!r} may not call; see `proxy.allowed_origins`.",
            code="origin_not_allowed",
        )


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()


@lru_cache(maxsize=64)  # a client sends the same one each time
def _host_name(host: str) -> str:
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _check_content_type(request: web.Request) -> None:
    """Demand JSON where JSON is understood; elsewhere refuse only what any page may send."""
    declared = request.headers.get(hdrs.CONTENT_TYPE, "").partition(";")[0].strip().lower()
    if declared == "application/json" or declared.endswith("+json"):
        return
    if declared in _FORM_TYPES or locate(request.path).endpoint:
        raise Refusal(
            400,
            f"content type {declared or 'missing'!r}: send `Content-Type: application/json`.",
            code="unsupported_media_type",
        )


@lru_cache(maxsize=8)  # one pod has one deadline; every answer carries it
def _expires(deadline: float) -> str:
    return datetime.fromtimestamp(deadline, UTC).isoformat(timespec="seconds")


class Boundary:
    """The one middleware, and the signal that stamps headers on whatever leaves."""

    def __init__(
        self,
        *,
        gate: Gate,
        targets: Targets,
        activity: Activity,
        request_ids: Callable[[], str],
        logs_all: bool,
    ) -> None:
        self._gate = gate
        self._targets = targets
        self._activity = activity
        self._request_ids = request_ids
        self._logs_all = logs_all

    def middleware(self) -> Middleware:
        """This boundary in the form that aiohttp wants."""

        @web.middleware
        async def enter(request: web.Request, handler: Handler) -> web.StreamResponse:
            return await self._answer(request, handler)

        return enter

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("X-Request-Id", "")
        request_id = given if _SANE_ID.fullmatch(given) else self._request_ids()
        marks = request[MARKS] = Marks(request_id, self._targets.snapshot())
        began, status = asyncio.get_running_loop().time(), _LEFT
        try:
            response = await self._respond(request, handler, marks)
            status = response.status
            return response
        finally:
            if marks.why or self._logs_all:
                self._tell(request, marks, status, asyncio.get_running_loop().time() - began)

    def _tell(self, request: web.Request, marks: Marks, status: int, seconds: float) -> None:
        """One line for the request; what was not as always is shown by ``status`` too."""
        if marks.why:
            self._activity.note_detour(
                status=status, served_by=marks.served_by, attempts=marks.attempts, why=marks.why
            )
        facts = {
            "request_id": marks.request_id,
            "method": request.method,
            "path": request.path,
            "status": status,
            "seconds": round(seconds, 3),
            "cache": marks.cache,
            "served_by": marks.served_by,
            "attempts": marks.attempts,
            "why": marks.why,
        }
        _log.info(
            names.REQUEST_ANSWERED, extra={name: fact for name, fact in facts.items() if fact != ""}
        )

    async def _respond(
        self, request: web.Request, handler: Handler, marks: Marks
    ) -> web.StreamResponse:
        try:
            marks.origin = self._gate.admit(request)
            if marks.origin and request.method == hdrs.METH_OPTIONS:
                return _preflight(request)
            return await handler(request)
        except Refusal as refusal:
            return self._refuse(request, refusal)
        except UpstreamError as err:
            facts = {"request_id": marks.request_id, "why": str(err)}
            _log.warning(names.UPSTREAM_FAILED, extra=facts)
            return self._refuse(request, envelope.from_upstream_error(err, marks.target.served_by))
        except web.HTTPException as err:
            return self._refuse(request, _in_our_words(err))
        except Exception:  # noqa: BLE001 - the request boundary: a defect costs one request only
            _log.exception(names.REQUEST_FAILED, extra={"request_id": marks.request_id})
            return self._refuse(request, Refusal(500, "a defect; see the log.", code="internal"))

    def _refuse(self, request: web.Request, refusal: Refusal) -> web.Response:
        if refusal.status >= _SERVER_ERROR:
            self._activity.errors += 1
        marks = request[MARKS]
        marks.served_by, marks.attempts = "podman-llm", refusal.attempts
        if refusal.status in _TRY_AGAIN:
            marks.refused = refusal.message
        return envelope.render(refusal, locate(request.rel_url.raw_path))

    async def stamp(self, request: web.Request, response: web.StreamResponse) -> None:
        """Put on what every answer carries."""
        marks = request.get(MARKS)
        if marks is None:
            return  # not even HTTP; aiohttp refuses it before any of ours is asked
        headers = response.headers
        headers["X-Request-Id"] = marks.request_id
        headers["X-Cache"] = marks.cache
        headers["X-Served-By"] = marks.served_by
        headers["X-Pod-State"] = marks.target.pod_state
        if headers.get(hdrs.SERVER) == SERVER_SOFTWARE:
            headers[hdrs.SERVER] = "podman-llm"
        if marks.target.deadline is not None:
            headers["X-Podman-LLM-Expires"] = _expires(marks.target.deadline)
        if marks.attempts:
            headers["X-Attempts"] = marks.attempts
        if marks.fallback_reason:
            headers["X-Fallback-Reason"] = marks.fallback_reason
        if marks.age is not None:
            headers[hdrs.AGE] = str(marks.age)
        if response.status in _TRY_AGAIN:
            # Codex gives up on a 429 without it.
            headers.setdefault(hdrs.RETRY_AFTER, str(envelope.RETRY_SECONDS))
        if marks.origin:
            headers[hdrs.ACCESS_CONTROL_ALLOW_ORIGIN] = marks.origin
            headers[hdrs.ACCESS_CONTROL_EXPOSE_HEADERS] = "*"
            headers[hdrs.VARY] = "Origin"


def _preflight(request: web.Request) -> web.Response:
    asked = request.headers.get(hdrs.ACCESS_CONTROL_REQUEST_HEADERS, "*")
    return web.Response(
        status=204,
        headers={
            hdrs.ACCESS_CONTROL_ALLOW_METHODS: "GET, POST, PUT, PATCH, DELETE",
            hdrs.ACCESS_CONTROL_ALLOW_HEADERS: asked,
            hdrs.ACCESS_CONTROL_MAX_AGE: "600",
        },
    )


def _in_our_words(err: web.HTTPException) -> Refusal:
    if isinstance(err, web.HTTPRequestEntityTooLarge):
        message = f"{err.text} Raise `proxy.max_body_bytes` if this is meant."
        return Refusal(err.status, message, code="request_too_large")
    return Refusal(err.status, f"{err.reason}.", code="not_served")
