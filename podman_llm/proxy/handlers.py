"""Requests as they come in: read, understood as far as needed, handed to the pipeline."""

from __future__ import annotations

from typing import Final

from aiohttp import hdrs, web

from podman_llm.core.routing import MODELS, Route, locate, parse_cache_control
from podman_llm.errors import UpstreamError
from podman_llm.proxy.envelope import Refusal, json_response
from podman_llm.proxy.middleware import MARKS
from podman_llm.proxy.pipeline import Pipeline
from podman_llm.proxy.questions import BLIND, Ask, Question, Questions

# An id of a conversation is short; anything longer is not worth keeping with an answer.
_LONGEST_SESSION: Final = 256
_SERVER_ERROR: Final = 500


class Handlers:
    """Everything that is meant for the upstream.

    ``pods_names`` are the models of the pod as far as they are known before there is one,
    ``other_names`` those that fallbacks answer for.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        questions: Questions,
        *,
        max_body_bytes: int,
        pods_names: tuple[str, ...],
        other_names: tuple[str, ...],
    ) -> None:
        self._pipeline = pipeline
        self._questions = questions
        self._max_body_bytes = max_body_bytes
        self._pods_names = pods_names
        self._other_names = other_names

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer from the cache or the upstream; raises Refusal."""
        route = locate(request.rel_url.raw_path)
        if route.path == MODELS and request.method == hdrs.METH_GET:
            return await self._list_models(request, route)
        return await self._pass_on(request, route)

    async def _pass_on(self, request: web.Request, route: Route) -> web.StreamResponse:
        body = await self._read(request)
        query = request.rel_url.raw_query_string
        question = BLIND
        if route.endpoint and request.method == hdrs.METH_POST:
            question = await self._questions.read(body, route.endpoint, query)
        return await self._pipeline.answer(request, _ask(request, route, query, body, question))

    async def _list_models(self, request: web.Request, route: Route) -> web.StreamResponse:
        """The pod's own list; the names that are known while it cannot tell."""
        target = request[MARKS].target
        if target.url is None:
            return _model_list((*(target.served_names or self._pods_names), *self._other_names))
        try:
            return await self._pass_on(request, route)
        except (Refusal, UpstreamError) as err:
            if err.status < _SERVER_ERROR or not target.served_names:
                raise
            return _model_list((*target.served_names, *self._other_names))

    async def _read(self, request: web.Request) -> bytes:
        if (request.content_length or 0) > self._max_body_bytes:
            # Told before the body is sent, not after 64 MB of it.
            raise web.HTTPRequestEntityTooLarge(
                max_size=self._max_body_bytes, actual_size=request.content_length or 0
            )
        try:
            return await request.read()
        except web.RequestPayloadError as err:
            message = "the body is not what its headers say: it cannot be decoded."
            raise Refusal(400, message, code="bad_body") from err


def _ask(request: web.Request, route: Route, query: str, body: bytes, question: Question) -> Ask:
    headers = request.headers
    session = headers.get("x-session-id", "")
    return Ask(
        route=route,
        query=query,
        body=body,
        question=question,
        directives=parse_cache_control(headers.get(hdrs.CACHE_CONTROL, "")),
        session=session if session.isascii() and len(session) <= _LONGEST_SESSION else "",
    )


def _model_list(names: tuple[str, ...]) -> web.Response:
    """The list that the pod will give, and whom others answer for, for "fetch models" meanwhile."""
    models = [
        {"id": name, "object": "model", "created": 0, "owned_by": "podman-llm"}
        for name in dict.fromkeys(names)
    ]
    return json_response({"object": "list", "data": models})
