"""The way of one request: find in the cache, wait where that is wanted, win an answer, relay it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from aiohttp import hdrs, web

from podman_llm.config.models import RoutingSettings
from podman_llm.core.charges import micros
from podman_llm.core.completion import Endpoint
from podman_llm.core.failover import header_text
from podman_llm.core.routing import POD
from podman_llm.errors import UpstreamError
from podman_llm.host.clock import Clock
from podman_llm.proxy.activity import Activity
from podman_llm.proxy.asking import Asking
from podman_llm.proxy.attempts import Won, won_before
from podman_llm.proxy.boarding import Boarding
from podman_llm.proxy.demands import Demands
from podman_llm.proxy.envelope import Refusal
from podman_llm.proxy.inquiry import Inquiry, asked_ceiling, asked_policy
from podman_llm.proxy.middleware import MARKS, Marks
from podman_llm.proxy.patience import KEEPALIVE, Patience, loading
from podman_llm.proxy.questions import Ask
from podman_llm.proxy.roster import Roster
from podman_llm.proxy.shelf import EVENT_STREAM, Found, Shelf
from podman_llm.proxy.streaming import Cut, pass_on, reset
from podman_llm.telemetry import names

_log = logging.getLogger(__name__)
_OK: Final = 200
_OVERLOAD: Final = 429
_SERVER_ERROR: Final = 500


class Pipeline:
    """Answers one request at a time; holds nothing of any."""

    def __init__(
        self,
        *,
        shelf: Shelf,
        asking: Asking,
        roster: Roster,
        boarding: Boarding,
        activity: Activity,
        demands: Demands,
        routing: RoutingSettings,
        clock: Clock,
    ) -> None:
        self._shelf = shelf
        self._asking = asking
        self._roster = roster
        self._boarding = boarding
        self._activity = activity
        self._demands = demands
        self._routing = routing
        most = routing.max_usd_per_request
        self._ceiling = None if most is None else micros(most)
        self._clock = clock

    async def answer(self, request: web.Request, ask: Ask) -> web.StreamResponse:
        """The response; raises Refusal or UpstreamError while nothing was sent."""
        marks = request[MARKS]
        key = self._shelf.key(ask, marks.target.model_tag)
        found = await self._shelf.find(key, ask) if key is not None else None
        if found is not None and found.answers:
            return self._replay(marks, found)
        if key is not None and not ask.directives.no_cache:
            marks.cache = "MISS"
        inquiry = Inquiry(
            method=request.method,
            headers=request.headers,
            ask=ask,
            key=key,
            cache=marks.cache,
            request_id=marks.request_id,
            target=marks.target,
            policy=asked_policy(request.headers, self._routing.policy),
            ceiling=asked_ceiling(request.headers, self._ceiling),
            ends=asyncio.get_running_loop().time() + self._routing.deadline_seconds,
        )
        if seconds := self._roster.hold_seconds(inquiry):
            return await self._answer_late(request, inquiry, seconds)
        if inquiry.wakes:
            self._demands.ask()
        with contextlib.closing(await self._open(inquiry)) as won:
            return await self._relay(request, won)

    def _replay(self, marks: Marks, found: Found) -> web.Response:
        entry = found.entry
        marks.cache, marks.age, marks.served_by = found.word, found.age, entry.served_by
        self._activity.count("HIT")
        self._activity.stale += found.word == "STALE"
        return web.Response(status=entry.status, body=entry.body, headers=entry.headers)

    async def _open(self, inquiry: Inquiry) -> Won:
        """A new answer; should nobody have one, an old one that may stand in for it."""
        try:
            won = await self._boarding.open(inquiry)
        except (Refusal, UpstreamError) as err:
            attempts = err.attempts if isinstance(err, Refusal) else ""
            old = await self._stand_in(inquiry, err.status, attempts, why=str(err))
            if old is None:
                raise
            return old
        status = won.opened.status
        if not _is_failure(status):
            return won
        with contextlib.ExitStack() as resources:
            resources.callback(won.close)
            why = f"{won.served_by}: status {status}"
            old = await self._stand_in(inquiry, status, won.attempts, why=why)
            if old is None:
                resources.pop_all()
            return old or won

    async def _stand_in(
        self, inquiry: Inquiry, status: int, attempts: str, *, why: str
    ) -> Won | None:
        """An old answer in the place of a failure of this status, if there may be one."""
        if not _is_failure(status):
            return None
        old = await self._asking.stand_in(inquiry)
        if old is None:
            return None
        name, found = old
        if not attempts:
            self._activity.count("HIT")  # nobody was asked, and so nobody has counted it
        self._activity.stale += found.word == "STALE"
        reason = "" if name == POD else header_text(why)
        return replace(won_before(found), attempts=attempts, reason=reason)

    async def _answer_late(
        self, request: web.Request, inquiry: Inquiry, seconds: float
    ) -> web.StreamResponse:
        """Wait for the pod first, at most ``seconds``, a stream with signs of life.

        What it waits is taken from its time: there is one deadline for all that is done for it.
        """
        with contextlib.ExitStack() as resources:
            if not inquiry.ask.question.wants_stream:
                won = resources.enter_context(
                    contextlib.closing(await self._open_late(request, inquiry, seconds))
                )
                return await self._relay(request, won)
            async with self._patience(request, inquiry) as patience:
                try:
                    won = resources.enter_context(
                        contextlib.closing(await self._open_late(request, inquiry, seconds))
                    )
                except (Refusal, UpstreamError) as err:
                    if patience.response is None:
                        raise
                    return self._cut(request, str(err), patience.response)
            return await self._relay(request, won, patience.response)

    async def _open_late(self, request: web.Request, inquiry: Inquiry, seconds: float) -> Won:
        with self._demands.hold() if inquiry.wakes else contextlib.nullcontext():
            target = request[MARKS].target = await self._roster.wait_for_pod(seconds)
        if inquiry.wakes and target.url is None:
            self._demands.ask()
        key = self._shelf.key(inquiry.ask, target.model_tag)  # it may have other weights now
        return await self._open(replace(inquiry, target=target, key=key))

    def _patience(self, request: web.Request, inquiry: Inquiry) -> Patience:
        routing = self._routing
        is_shown = routing.show_loading and inquiry.ask.route.endpoint is Endpoint.CHAT
        model = next(iter(inquiry.target.served_names), "podman-llm")

        def show() -> bytes:
            return loading(self._roster.seen().message, model=model, now=self._clock.wall())

        say: Callable[[], bytes] = show if is_shown else lambda: KEEPALIVE
        return Patience(
            request, quiet=routing.quiet_seconds, every=routing.keepalive_seconds, say=say
        )

    async def _relay(
        self, request: web.Request, won: Won, begun: web.StreamResponse | None = None
    ) -> web.StreamResponse:
        """Send the answer; ``begun`` is the stream that has been kept alive for it."""
        _mark(request[MARKS], won)
        opened = won.opened
        if begun is not None:
            kind = dict(opened.headers).get(hdrs.CONTENT_TYPE, "")
            if opened.status != _OK or not kind.startswith(EVENT_STREAM):
                return self._cut(request, f"status {opened.status} came too late", begun)
        elif opened.is_whole:
            return web.Response(status=opened.status, body=opened.begun, headers=opened.headers)
        response = begun or web.StreamResponse(status=opened.status, headers=opened.headers)
        try:
            return await pass_on(request, response, opened.read, opened.begun)
        except Cut as cut:
            return self._cut(request, str(cut), cut.response)

    def _cut(
        self, request: web.Request, why: str, response: web.StreamResponse
    ) -> web.StreamResponse:
        """End the client's connection rudely, so that no half answer poses as a whole one."""
        reset(request.transport)
        self._activity.errors += 1
        facts = {"request_id": request[MARKS].request_id, "why": why}
        _log.warning(names.ANSWER_CUT, extra=facts)
        return response


def _is_failure(status: int) -> bool:
    """Whether an old answer is better than what comes with this status."""
    return status == _OVERLOAD or status >= _SERVER_ERROR


def _mark(marks: Marks, won: Won) -> None:
    marks.served_by, marks.attempts, marks.fallback_reason = won.served_by, won.attempts, won.reason
    marks.cache, marks.age = won.cache or marks.cache, won.age
