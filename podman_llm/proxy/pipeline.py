"""The way of one request: find in the cache, else win an answer of an upstream, and relay it."""

from __future__ import annotations

import logging

from aiohttp import web

from podman_llm.cache.base import Entry
from podman_llm.proxy.activity import Activity
from podman_llm.proxy.attempts import Inquiry, Won
from podman_llm.proxy.boarding import Boarding
from podman_llm.proxy.middleware import MARKS, Marks
from podman_llm.proxy.questions import Ask
from podman_llm.proxy.shelf import Shelf
from podman_llm.proxy.streaming import Cut, pass_on
from podman_llm.telemetry import names

_log = logging.getLogger(__name__)


class Pipeline:
    """Answers one request at a time; holds nothing of any."""

    def __init__(self, *, shelf: Shelf, boarding: Boarding, activity: Activity) -> None:
        self._shelf = shelf
        self._boarding = boarding
        self._activity = activity

    async def answer(self, request: web.Request, ask: Ask) -> web.StreamResponse:
        """The response; raises Refusal or UpstreamError while nothing was sent."""
        marks = request[MARKS]
        key = self._shelf.key(ask)
        if key is not None and not ask.directives.no_cache:
            marks.cache = "MISS"
            if found := await self._shelf.find(key, ask):
                return self._replay(marks, *found)
        inquiry = Inquiry(
            method=request.method,
            headers=request.headers,
            ask=ask,
            key=key,
            cache=marks.cache,
            request_id=marks.request_id,
            target=marks.target,
        )
        won = await self._boarding.open(inquiry)
        try:
            return await self._relay(request, won)
        finally:
            won.close()

    def _replay(self, marks: Marks, entry: Entry, age: int) -> web.Response:
        marks.cache, marks.age, marks.served_by = "HIT", age, entry.served_by
        self._activity.count("HIT")
        return web.Response(status=entry.status, body=entry.body, headers=entry.headers)

    async def _relay(self, request: web.Request, won: Won) -> web.StreamResponse:
        marks = request[MARKS]
        marks.served_by = won.served_by
        if won.is_coalesced:
            marks.cache = "COALESCED"
        opened = won.opened
        if opened.is_whole:
            return web.Response(status=opened.status, body=opened.begun, headers=opened.headers)
        response = web.StreamResponse(status=opened.status, headers=opened.headers)
        try:
            return await pass_on(request, response, opened.read, opened.begun)
        except Cut as cut:
            self._activity.errors += 1
            _log.warning(names.ANSWER_CUT, extra={"request_id": marks.request_id, "why": str(cut)})
            return cut.response
