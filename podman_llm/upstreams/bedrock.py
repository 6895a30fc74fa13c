"""Bedrock's Converse, answering as an OpenAI-compatible server would.

For the models behind Bedrock that have no OpenAI surface there, Claude and Nova above all. What is
asked and answered is translated by ``core.converse_*``; the bytes are moved by ``OpenAIUpstream``,
so that pooling, limits of time and what counts as unreachable are the same for all upstreams.
Nothing is retried here but a pooled connection found dead: whoever asks decides who is next.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from podman_llm.core.completion import asks_usage_chunk
from podman_llm.core.converse_errors import (
    CREDENTIAL_FAULTS,
    Problem,
    error_name,
    problem,
    refused,
)
from podman_llm.core.converse_models import ConverseModel
from podman_llm.core.converse_request import to_converse
from podman_llm.core.converse_response import Head, to_completion
from podman_llm.core.converse_stream import ChunkWriter
from podman_llm.core.translation import Malformed, Untranslatable
from podman_llm.errors import UpstreamBroke, UpstreamUnreachable
from podman_llm.host.clock import Clock
from podman_llm.upstreams.base import Answer, Call, Headers
from podman_llm.upstreams.bedrock_answers import StreamAnswer, WholeAnswer
from podman_llm.upstreams.openai import OpenAIUpstream
from podman_llm.upstreams.sigv4 import Signer

_CHAT: Final = "/chat/completions"
# From this size on a body is read, translated and written in a thread.
_LARGE_BYTES: Final = 256 * 1024
_OK: Final = 200
_REQUEST_ID: Final = "x-amzn-requestid"


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request for Converse, and what is needed to understand its answer."""

    model: ConverseModel
    body: bytes
    names: Mapping[str, str]
    is_stream: bool
    has_usage: bool


class BedrockUpstream:
    """Converse in one region; one event loop only.

    ``models`` gives the model for a request's ``model``, None for a name that is not known.
    ``endpoint_url`` replaces Amazon's own, for a VPC endpoint. The timeouts are seconds, as those
    of ``OpenAIUpstream``.
    """

    def __init__(
        self,
        models: Callable[[str], ConverseModel | None],
        signer: Signer,
        clock: Clock,
        *,
        region: str,
        connect_timeout: float,
        idle_timeout: float,
        endpoint_url: str = "",
    ) -> None:
        self._models = models
        self._signer = signer
        self._clock = clock
        self._base = (endpoint_url or f"https://bedrock-runtime.{region}.amazonaws.com").rstrip("/")
        self._transport = OpenAIUpstream(connect_timeout=connect_timeout, idle_timeout=idle_timeout)

    async def send(self, call: Call) -> Answer:
        """Answer a call to ``…/chat/completions``; raises UpstreamUnreachable.

        A stream is given back with its first event, and any other answer whole: until then a
        failure is an honest status, and another upstream may be asked unseen.
        """
        asked = await self._translate(call)
        if isinstance(asked, Problem):
            return _failure(asked)
        answer = await self._transport.send(await self._signer.sign(self._call(asked)))
        try:
            return await self._answer(call, asked, answer)
        except UpstreamBroke as err:
            answer.close()
            raise UpstreamUnreachable(err.message, status=err.status) from err
        except BaseException:
            answer.close()
            raise

    async def close(self) -> None:
        """Let go of connections."""
        await self._transport.close()

    async def _translate(self, call: Call) -> _Asked | Problem:
        if not call.url.partition("?")[0].endswith(_CHAT):
            told = "Bedrock's Converse answers chat completions only"
            return Problem(404, "not_found_error", "unsupported_endpoint", told)
        if len(call.body) < _LARGE_BYTES:
            return _asked(call.body, self._models)
        return await asyncio.to_thread(_asked, call.body, self._models)

    def _call(self, asked: _Asked) -> Call:
        # The id's colons and slashes are data within one segment of the path.
        model = quote(asked.model.id, safe="")
        action = "converse-stream" if asked.is_stream else "converse"
        accepted = "application/vnd.amazon.eventstream" if asked.is_stream else "application/json"
        headers = (("Content-Type", "application/json"), ("Accept", accepted))
        return Call("POST", f"{self._base}/model/{model}/{action}", headers, asked.body)

    async def _answer(self, call: Call, asked: _Asked, answer: Answer) -> Answer:
        if answer.status != _OK:
            return self._refusal(answer, await _body(answer))
        head = self._head(call, asked, answer)
        if not asked.is_stream:
            return _whole(await _body(answer), head, asked.names, _traced(answer))
        writer = ChunkWriter(head, asked.names, has_usage=asked.has_usage)
        stream = StreamAnswer(answer, writer, _traced(answer))
        failed = await stream.begin()
        if failed is None:
            return stream
        stream.close()
        return _failure(failed, _traced(answer))

    def _head(self, call: Call, asked: _Asked, answer: Answer) -> Head:
        identity = _header(answer.headers, _REQUEST_ID) or _header(call.headers, "x-request-id")
        return Head(f"chatcmpl-{identity}", int(self._clock.wall()), asked.model.id)

    def _refusal(self, answer: Answer, body: bytes) -> WholeAnswer:
        try:
            said = json.loads(body)
        except (ValueError, RecursionError):
            said = None
        document = said if isinstance(said, dict) else {}
        name = error_name(_header(answer.headers, "x-amzn-errortype"), document)
        if name in CREDENTIAL_FAULTS:
            self._signer.doubt()
        wait = _header(answer.headers, "retry-after")
        seconds = int(wait) if wait.isascii() and wait.isdigit() else None
        failed = problem(name, status=answer.status, document=document, retry_after=seconds)
        return _failure(failed, _traced(answer))


def _asked(body: bytes, models: Callable[[str], ConverseModel | None]) -> _Asked | Problem:
    """The request for Converse, or why there is none."""
    try:
        asked: Any = json.loads(body)
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict):
        return refused("the body is not a JSON object", None)
    name = asked.get("model")
    model = models(name) if isinstance(name, str) else None
    if model is None:
        told = f"no model of Bedrock is set up for the name {name!r}"
        return Problem(404, "not_found_error", "model_not_found", told, "model")
    try:
        translated = to_converse(asked, model)
    except Untranslatable as err:
        return refused(err.message, err.param)
    return _Asked(
        model=model,
        body=json.dumps(translated.document, separators=(",", ":")).encode(),
        names=translated.names,
        is_stream=asked.get("stream") is True,
        has_usage=asks_usage_chunk(asked),
    )


def _whole(body: bytes, head: Head, names: Mapping[str, str], traced: Headers) -> WholeAnswer:
    try:
        document = to_completion(json.loads(body), head, names)
    except (ValueError, RecursionError) as err:
        told = str(err) if isinstance(err, Malformed) else "the answer is not JSON"
        raise UpstreamBroke(f"Bedrock: {told}") from err
    return WholeAnswer(_OK, json.dumps(document, ensure_ascii=False).encode(), traced)


def _failure(failed: Problem, traced: Headers = ()) -> WholeAnswer:
    headers = traced
    if failed.name:
        headers += (("X-Amzn-ErrorType", failed.name),)
    if failed.retry_after is not None:
        headers += (("Retry-After", str(failed.retry_after)),)
    return WholeAnswer(failed.status, failed.body(), headers)


def _traced(answer: Answer) -> Headers:
    """The one header that AWS's support asks for."""
    identity = _header(answer.headers, _REQUEST_ID)
    return (("X-Amzn-RequestId", identity),) if identity else ()


def _header(headers: Headers, name: str) -> str:
    return next((value for given, value in headers if given.lower() == name), "")


async def _body(answer: Answer) -> bytes:
    pieces = []
    while piece := await answer.read():
        pieces.append(piece)
    return b"".join(pieces)
