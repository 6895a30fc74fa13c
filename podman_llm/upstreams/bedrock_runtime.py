"""Bedrock's runtime in one region: calls signed, sent, and their refusals understood."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote

from podman_llm.config.outbound import DIRECT, Outbound
from podman_llm.core.bedrock_requests import Action, Asked, Reply
from podman_llm.core.converse_errors import CREDENTIAL_FAULTS, Problem, error_name, problem
from podman_llm.upstreams.base import Answer, Call, Headers
from podman_llm.upstreams.openai import OpenAIUpstream
from podman_llm.upstreams.sigv4 import Signer

_OK: Final = 200
_JSON: Final = "application/json"
_EVENT_STREAM: Final = "application/vnd.amazon.eventstream"
_REQUEST_ID: Final = "x-amzn-requestid"
_TOKENS: Final = "x-amzn-bedrock-input-token-count"


class Refused(Exception):
    """Bedrock says no; ``traced`` are the headers by which AWS's support finds the call."""

    def __init__(self, problem: Problem, traced: Headers = ()) -> None:
        super().__init__(problem.message)
        self.problem = problem
        self.traced = traced


@dataclass(frozen=True, slots=True)
class Whole:
    """A document that was read to its end, and the id of the call that gave it."""

    reply: Reply
    request_id: str


class BedrockRuntime:
    """Makes calls; one event loop only. Timeouts and ``outbound`` are as ``OpenAIUpstream``'s.

    ``endpoint_url`` replaces Amazon's own, for a VPC endpoint.
    """

    def __init__(
        self,
        signer: Signer,
        *,
        region: str,
        connect_timeout: float,
        idle_timeout: float,
        endpoint_url: str = "",
        outbound: Outbound = DIRECT,
    ) -> None:
        self._signer = signer
        self._base = (endpoint_url or f"https://bedrock-runtime.{region}.amazonaws.com").rstrip("/")
        self._transport = OpenAIUpstream(
            connect_timeout=connect_timeout, idle_timeout=idle_timeout, outbound=outbound
        )

    async def begin(self, asked: Asked, body: bytes) -> Answer:
        """A 200 that has begun; it must be closed.

        Raises Refused, and UpstreamUnreachable or UpstreamBroke as an upstream does.
        """
        answer = await self._transport.send(await self._signer.sign(self._call(asked, body)))
        if answer.status == _OK:
            return answer
        try:
            raise self._refusal(asked, answer, await _body(answer))
        finally:
            answer.close()

    async def whole(self, asked: Asked, body: bytes) -> Whole:
        """The same, read to its end."""
        answer = await self.begin(asked, body)
        try:
            read = await _body(answer)
        finally:
            answer.close()
        tokens = header(answer.headers, _TOKENS)
        counted = int(tokens) if tokens.isascii() and tokens.isdigit() else None
        return Whole(Reply(read, counted), request_id(answer))

    async def close(self) -> None:
        """Let go of connections."""
        await self._transport.close()

    def _call(self, asked: Asked, body: bytes) -> Call:
        # The id's colons and slashes are data within one segment of the path.
        url = f"{self._base}/model/{quote(asked.model, safe='')}/{asked.action}"
        accepted = _EVENT_STREAM if asked.action is Action.STREAM else _JSON
        return Call("POST", url, (("Content-Type", _JSON), ("Accept", accepted)), body)

    def _refusal(self, asked: Asked, answer: Answer, body: bytes) -> Refused:
        try:
            said = json.loads(body)
        except (ValueError, RecursionError):
            said = None
        document = said if isinstance(said, dict) else {}
        name = error_name(header(answer.headers, "x-amzn-errortype"), document)
        if name in CREDENTIAL_FAULTS:
            self._signer.doubt()
        wait = header(answer.headers, "retry-after")
        seconds = int(wait) if wait.isascii() and wait.isdigit() else None
        failed = problem(name, status=answer.status, document=document, retry_after=seconds)
        return Refused(about(failed, asked), traced(request_id(answer)))


def about(failed: Problem, asked: Asked) -> Problem:
    """The problem, told of the field in which the request has what is too long."""
    return replace(failed, param=asked.subject) if failed.param else failed


def request_id(answer: Answer) -> str:
    """The id that AWS gave the call, or empty."""
    return header(answer.headers, _REQUEST_ID)


def traced(identity: str) -> Headers:
    """The one header that AWS's support asks for."""
    return (("X-Amzn-RequestId", identity),) if identity else ()


def header(headers: Headers, name: str) -> str:
    """The value of a header, its name in lower case; empty if there is none."""
    return next((value for given, value in headers if given.lower() == name), "")


async def _body(answer: Answer) -> bytes:
    pieces = []
    while piece := await answer.read():
        pieces.append(piece)
    return b"".join(pieces)
