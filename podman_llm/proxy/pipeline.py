"""The way of one request: the shelf, else the plan, else the upstream, and back."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Final

from aiohttp import hdrs, web

from podman_llm.cache.base import Entry
from podman_llm.core.cachekey import CacheKey
from podman_llm.core.completion import Complete, Endpoint, judge_body
from podman_llm.core.judge import StreamJudge
from podman_llm.core.routing import Refuse, plan
from podman_llm.errors import UpstreamBroke
from podman_llm.proxy.activity import Activity
from podman_llm.proxy.envelope import Refusal
from podman_llm.proxy.middleware import MARKS, Marks
from podman_llm.proxy.questions import Ask
from podman_llm.proxy.shelf import EVENT_STREAM, Shelf
from podman_llm.proxy.streaming import (
    Cut,
    EventRelay,
    Keeper,
    read_up_to,
    relay_bytes,
    relay_events,
    without_length,
)
from podman_llm.proxy.targets import Target
from podman_llm.telemetry import names
from podman_llm.upstreams.base import Answer, Call, Headers, Upstream, end_to_end

_log = logging.getLogger(__name__)

# Ours to set, of this connection, or of the browser: never for the upstream.
_NOT_FORWARDED: Final = frozenset(
    {
        "accept-encoding",
        "content-length",
        "cookie",
        "expect",
        "host",
        "origin",
        "referer",
        # The edge before RunPod's pods turns away some programs by their name (urllib's, for one).
        "user-agent",
        "x-request-id",
    }
)
_CREDENTIALS: Final = frozenset({"authorization", "x-api-key"})
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
# Endpoints that answer a stream with a stream, or an error.
_STREAMING: Final = frozenset(Endpoint) - {Endpoint.EMBEDDINGS}
# Endpoints of whose JSON a 200 without an end is a failure; a Responses object may be unfinished
# by intention (``background``), and embeddings have no end to tell.
_ENDING: Final = frozenset({Endpoint.CHAT, Endpoint.COMPLETIONS, Endpoint.MESSAGES})

# An answer that is no stream is held until it is judged; of a larger one only the rest is cut.
_HELD_BYTES: Final = 32 * 1024 * 1024
_KEPT_HEADERS: Final = frozenset({"content-type"})
# Looking whether it is there is no use of the pod, and must not keep it from being idle.
_PROBING: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})
_JSON: Final = "application/json"
_OK: Final = 200


class Pipeline:
    """Answers one request at a time; holds nothing of any."""

    def __init__(
        self, *, shelf: Shelf, upstream: Upstream, activity: Activity, client_keys_are_ours: bool
    ) -> None:
        self._shelf = shelf
        self._upstream = upstream
        self._activity = activity
        self._keeps_credentials = not client_keys_are_ours

    async def answer(self, request: web.Request, ask: Ask) -> web.StreamResponse:
        """The response; raises Refusal or UpstreamError while nothing was sent."""
        marks = request[MARKS]
        key = self._shelf.key(ask)
        if key is not None and not ask.directives.no_cache:
            marks.cache = "MISS"
            if found := await self._shelf.find(key, ask):
                return self._replay(marks, *found)
        url = _url_or_refusal(marks.target, ask)
        self._activity.count(marks.cache)
        if request.method in _PROBING:
            return await self._forward(request, ask, url, key)
        with self._activity.running():
            return await self._forward(request, ask, url, key)

    def _replay(self, marks: Marks, entry: Entry, age: int) -> web.Response:
        marks.cache, marks.age, marks.served_by = "HIT", age, entry.served_by
        self._activity.count("HIT")
        return web.Response(status=entry.status, body=entry.body, headers=entry.headers)

    async def _forward(
        self, request: web.Request, ask: Ask, url: str, key: CacheKey | None
    ) -> web.StreamResponse:
        marks = request[MARKS]
        answer = await self._upstream.send(
            Call(
                method=request.method,
                url=f"{url}{ask.route.path}{'?' if ask.query else ''}{ask.query}",
                headers=self._headers(request.headers, marks),
                body=ask.body,
            )
        )
        try:
            marks.served_by = marks.target.served_by
            return await self._relay(request, ask, answer, key)
        except Cut as cut:
            self._activity.errors += 1
            _log.warning(names.ANSWER_CUT, extra={"request_id": marks.request_id, "why": str(cut)})
            return cut.response
        finally:
            answer.close()

    def _headers(self, given: Mapping[str, str], marks: Marks) -> Headers:
        """The client's headers for the upstream, with the key that the upstream wants."""
        key = marks.target.api_key
        dropped = _NOT_FORWARDED
        added: Headers = ((hdrs.USER_AGENT, "podman-llm"), ("X-Request-Id", marks.request_id))
        if key is not None or not self._keeps_credentials:
            dropped |= _CREDENTIALS
        if key is not None:
            added += ((hdrs.AUTHORIZATION, f"Bearer {key}"),)
        return end_to_end(given.items(), but=dropped) + added

    async def _relay(
        self, request: web.Request, ask: Ask, answer: Answer, key: CacheKey | None
    ) -> web.StreamResponse:
        headers = end_to_end(answer.headers, but=_NOT_RETURNED)
        endpoint = ask.route.endpoint
        if endpoint is None:
            return await relay_bytes(request, answer, headers)
        keeper = self._keeper(request[MARKS], ask, answer, key)
        if answer.content_type == EVENT_STREAM and answer.status == _OK:
            judge = StreamJudge(endpoint, choices=ask.question.choices)
            return await relay_events(request, EventRelay(answer, judge, keeper), headers)
        body, is_whole = await read_up_to(answer, _HELD_BYTES)
        if not is_whole:
            return await relay_bytes(request, answer, headers, begun=body)
        if answer.status == _OK and _may_be_kept(ask, endpoint, answer, body):
            keeper.add(body)
            keeper.finish()
        return web.Response(status=answer.status, body=body, headers=without_length(headers))

    def _keeper(self, marks: Marks, ask: Ask, answer: Answer, key: CacheKey | None) -> Keeper:
        if key is None:
            return Keeper(0, _forget)
        kept_headers = tuple(pair for pair in answer.headers if pair[0].lower() in _KEPT_HEADERS)

        def keep(body: bytes) -> None:
            self._shelf.keep(
                key, ask, body=body, headers=kept_headers, served_by=marks.target.served_by
            )

        return Keeper(self._shelf.max_entry_bytes, keep)


def _url_or_refusal(target: Target, ask: Ask) -> str:
    decided = plan(
        url=target.url,
        message=target.message,
        retry_after=target.retry_after,
        directives=ask.directives,
    )
    if isinstance(decided, Refuse):
        raise Refusal(
            decided.status, decided.message, code=decided.code, retry_after=decided.retry_after
        )
    return decided.url


def _forget(_body: bytes) -> None:
    """The answer is not wanted."""


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
