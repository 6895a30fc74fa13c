"""From a question that the cache did not answer to an answer that has begun."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from aiohttp import hdrs

from podman_llm.core.cachekey import CacheKey
from podman_llm.core.routing import NOT_CACHED, PodView, Policy, plan, refuse
from podman_llm.proxy.activity import Activity
from podman_llm.proxy.envelope import Refusal
from podman_llm.proxy.opening import Opened, open_answer
from podman_llm.proxy.questions import Ask
from podman_llm.proxy.shelf import Shelf
from podman_llm.proxy.streaming import Keeper
from podman_llm.proxy.targets import Target
from podman_llm.upstreams.base import Answer, Call, Headers, Upstream, end_to_end

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
_KEPT_HEADERS: Final = frozenset({"content-type"})
# Looking whether it is there is no use of the pod, and must not keep it from being idle.
_PROBING: Final = frozenset({hdrs.METH_GET, hdrs.METH_HEAD, hdrs.METH_OPTIONS})


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A request on its way to upstreams, free of the connection it came on.

    ``key`` is where its answer is kept, None for nowhere; ``cache`` is its ``X-Cache`` word.
    ``target`` is the pod at its arrival.
    """

    method: str
    headers: Mapping[str, str]
    ask: Ask
    key: CacheKey | None
    cache: str
    request_id: str
    target: Target


@dataclass(frozen=True, slots=True)
class Won:
    """The answer that the client gets, and who gives it. It must be closed.

    ``is_coalesced``: the call was made for another request, which shares it.
    """

    opened: Opened
    served_by: str
    resources: contextlib.ExitStack
    is_coalesced: bool = False

    def close(self) -> None:
        """Be done with it, at its end or before."""
        self.resources.close()


class Attempts:
    """Asks upstreams until one answers; holds nothing of any request."""

    def __init__(
        self, *, shelf: Shelf, upstream: Upstream, activity: Activity, client_keys_are_ours: bool
    ) -> None:
        self._shelf = shelf
        self._upstream = upstream
        self._activity = activity
        self._keeps_credentials = not client_keys_are_ours

    async def open(self, inquiry: Inquiry) -> Won:
        """The answer that has begun. Raises Refusal or UpstreamError."""
        url = _url_or_refusal(inquiry.target, inquiry.ask)
        self._activity.count(inquiry.cache)
        with contextlib.ExitStack() as resources:
            if inquiry.method not in _PROBING:
                resources.enter_context(self._activity.running())
            answer = await self._upstream.send(self._call(inquiry, url))
            resources.callback(answer.close)
            opened = await open_answer(answer, inquiry.ask, self._keeper(inquiry, answer))
            return Won(opened, inquiry.target.served_by, resources.pop_all())

    def _call(self, inquiry: Inquiry, url: str) -> Call:
        ask = inquiry.ask
        return Call(
            method=inquiry.method,
            url=f"{url}{ask.route.path}{'?' if ask.query else ''}{ask.query}",
            headers=self._headers(inquiry),
            body=ask.body,
        )

    def _headers(self, inquiry: Inquiry) -> Headers:
        """The client's headers for the upstream, with the key that the upstream wants."""
        key = inquiry.target.api_key
        dropped = _NOT_FORWARDED
        added: Headers = ((hdrs.USER_AGENT, "podman-llm"), ("X-Request-Id", inquiry.request_id))
        if key is not None or not self._keeps_credentials:
            dropped |= _CREDENTIALS
        if key is not None:
            added += ((hdrs.AUTHORIZATION, f"Bearer {key}"),)
        return end_to_end(inquiry.headers.items(), but=dropped) + added

    def _keeper(self, inquiry: Inquiry, answer: Answer) -> Keeper:
        key = inquiry.key
        if key is None:
            return Keeper(0, _forget)
        headers = tuple(pair for pair in answer.headers if pair[0].lower() in _KEPT_HEADERS)

        def keep(body: bytes) -> None:
            self._shelf.keep(
                key, inquiry.ask, body=body, headers=headers, served_by=inquiry.target.served_by
            )

        return Keeper(self._shelf.max_entry_bytes, keep)


def _url_or_refusal(target: Target, ask: Ask) -> str:
    pod = PodView(
        is_ready=target.url is not None, message=target.message, retry_after=target.retry_after
    )
    decided = plan(pod, (), policy=Policy.AUTO, is_stream=ask.question.wants_stream)
    refusal = NOT_CACHED if ask.directives.only_if_cached else None
    if refusal is None and not decided.attempts:
        refusal = refuse(pod, decided)
    if refusal is not None:
        raise Refusal(
            refusal.status, refusal.message, code=refusal.code, retry_after=refusal.retry_after
        )
    return target.url or ""


def _forget(_body: bytes) -> None:
    """The answer is not wanted."""
