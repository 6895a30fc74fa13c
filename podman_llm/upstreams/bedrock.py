"""Bedrock, answering as an OpenAI-compatible server would: chats, text completions, embeddings.

For the models behind Bedrock that have no OpenAI surface there, Claude and Nova above all. What is
asked and answered is translated by ``core.bedrock_requests``; the bytes are moved by
``OpenAIUpstream``, so that pooling, limits of time and what counts as unreachable are the same for
all upstreams. Nothing is retried here but a pooled connection found dead: whoever asks decides who
is next.
"""

from __future__ import annotations

import asyncio
from typing import Final

from podman_llm.core.bedrock_requests import ENDPOINTS, Asked, Models, Writing, to_bedrock
from podman_llm.core.converse_errors import Problem
from podman_llm.core.converse_response import Head
from podman_llm.core.translation import Malformed
from podman_llm.errors import UpstreamBroke, UpstreamUnreachable
from podman_llm.host.clock import Clock
from podman_llm.upstreams.base import Answer, Call, Headers
from podman_llm.upstreams.bedrock_answers import EVENTS, JSON, StreamAnswer, WholeAnswer
from podman_llm.upstreams.bedrock_runtime import (
    BedrockRuntime,
    Refused,
    Whole,
    about,
    header,
    request_id,
    traced,
)

# From this size on a body is read, translated and written in a thread.
_LARGE_BYTES: Final = 256 * 1024
# Of one request's calls, so many are under way: a long list of texts must not use up the quota.
_AT_ONCE: Final = 8
_OK: Final = 200


class BedrockUpstream:
    """Models behind ``runtime``; one event loop only. ``models`` gives those that converse."""

    def __init__(self, models: Models, runtime: BedrockRuntime, clock: Clock) -> None:
        self._models = models
        self._runtime = runtime
        self._clock = clock

    async def send(self, call: Call) -> Answer:
        """Answer a call to one of ``ENDPOINTS``; raises UpstreamUnreachable.

        A stream is given back with its first event, and any other answer whole: until then a
        failure is an honest status, and another upstream may be asked unseen.
        """
        asked = await self._translate(call)
        if isinstance(asked, Problem):
            return _failure(asked)
        try:
            if asked.writer is not None:
                return await self._stream(call, asked, asked.writer)
            return await self._whole(call, asked)
        except Refused as err:
            return _failure(err.problem, err.traced)
        except UpstreamBroke as err:
            raise UpstreamUnreachable(err.message, status=err.status) from err

    async def close(self) -> None:
        """Let go of connections."""
        await self._runtime.close()

    async def _translate(self, call: Call) -> Asked | Problem:
        path = call.url.partition("?")[0]
        endpoint = next((one for one in ENDPOINTS if path.endswith(f"/v1/{one}")), None)
        if endpoint is None:
            told = f"Bedrock is asked for {', '.join(ENDPOINTS)} only"
            return Problem(404, "not_found_error", "unsupported_endpoint", told)
        if len(call.body) < _LARGE_BYTES:
            return to_bedrock(endpoint, call.body, self._models)
        return await asyncio.to_thread(to_bedrock, endpoint, call.body, self._models)

    async def _whole(self, call: Call, asked: Asked) -> Answer:
        wholes = await self._all(asked)
        replies = [whole.reply for whole in wholes]
        identity = wholes[0].request_id
        head = self._head(call, asked, identity)
        try:
            if sum(len(reply.body) for reply in replies) < _LARGE_BYTES:
                body = asked.answer(replies, head)
            else:
                body = await asyncio.to_thread(asked.answer, replies, head)
        except Malformed as err:
            raise UpstreamBroke(f"Bedrock: {err}") from err
        kind = EVENTS if asked.is_events else JSON
        return WholeAnswer(_OK, body, traced(identity), content_type=kind)

    async def _all(self, asked: Asked) -> list[Whole]:
        """Each call's answer; the first failure ends the others, as a part is no answer."""
        if len(asked.bodies) == 1:
            return [await self._runtime.whole(asked, asked.bodies[0])]
        wholes, left = dict[int, Whole](), iter(enumerate(asked.bodies))

        async def ask_on() -> None:
            for place, body in left:
                wholes[place] = await self._runtime.whole(asked, body)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(_AT_ONCE):
                    group.create_task(ask_on())
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None
        return [wholes[place] for place in range(len(asked.bodies))]

    async def _stream(self, call: Call, asked: Asked, writer: Writing) -> Answer:
        answer = await self._runtime.begin(asked, asked.bodies[0])
        try:
            identity = request_id(answer)
            chunks = writer(self._head(call, asked, identity))
            stream = StreamAnswer(answer, chunks, traced(identity))
            failed = await stream.begin()
        except BaseException:
            answer.close()
            raise
        if failed is None:
            return stream
        stream.close()
        raise Refused(about(failed, asked), traced(identity))

    def _head(self, call: Call, asked: Asked, identity: str) -> Head:
        told = identity or header(call.headers, "x-request-id")
        return Head(f"{asked.prefix}-{told}", int(self._clock.wall()), asked.model)


def _failure(failed: Problem, headers: Headers = ()) -> WholeAnswer:
    if failed.name:
        headers += (("X-Amzn-ErrorType", failed.name),)
    if failed.retry_after is not None:
        headers += (("Retry-After", str(failed.retry_after)),)
    return WholeAnswer(failed.status, failed.body(), headers)
