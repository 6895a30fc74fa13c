"""A request of OpenAI's as calls of Bedrock's runtime, and their answers as the one asked for.

Chats go by Converse, whole or as a stream. So do text completions, one call for each prompt.
Embeddings go by InvokeModel, one call for as many texts as the model takes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from podman_llm.core.completion import Endpoint, asks_usage_chunk
from podman_llm.core.converse_errors import Problem, refused
from podman_llm.core.converse_models import ConverseModel
from podman_llm.core.converse_request import to_converse
from podman_llm.core.converse_response import Head, to_completion
from podman_llm.core.converse_stream import ChunkWriter, TextWriter
from podman_llm.core.converse_text import chats_of, to_text, told_as_stream
from podman_llm.core.embedding_models import EmbeddingModel, embedding_model
from podman_llm.core.invoke_embeddings import Invoked, to_embeddings, to_invocations
from podman_llm.core.translation import Json, Malformed, Untranslatable

ENDPOINTS: Final = (Endpoint.CHAT, Endpoint.COMPLETIONS, Endpoint.EMBEDDINGS)
"""What is translated."""

Models = Callable[[str], ConverseModel | None]
"""The model that converses under a name; None for a name that is not known."""
Writing = Callable[[Head], ChunkWriter]
"""What writes a stream under its head."""


class Action(StrEnum):
    """What is asked of a model: the last word of the URL."""

    CONVERSE = "converse"
    STREAM = "converse-stream"
    INVOKE = "invoke"


@dataclass(frozen=True, slots=True)
class Reply:
    """The body of one answer. ``tokens`` is what its header counts as read, None if it does not."""

    body: bytes
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """What to send for one request: ``action`` of ``model`` with each of ``bodies``.

    ``answer`` makes the answer of all replies, in their order, and raises Malformed; ``is_events``
    says that it is a stream. A stream that is told as it comes has a ``writer`` instead.
    ``subject`` is the field at fault when a request is too long, ``prefix`` that of answers' ids.
    """

    model: str
    action: Action
    bodies: tuple[bytes, ...]
    subject: str
    prefix: str
    answer: Callable[[Sequence[Reply], Head], bytes]
    is_events: bool = False
    writer: Writing | None = None


def to_bedrock(endpoint: Endpoint, body: bytes, models: Models) -> Asked | Problem:
    """The calls for a request to one of ``ENDPOINTS``, or why there are none."""
    try:
        asked: Any = json.loads(body)
    except (ValueError, RecursionError):
        asked = None
    if not isinstance(asked, dict):
        return refused("the body is not a JSON object", None)
    name = asked.get("model")
    name = name if isinstance(name, str) else ""
    vectors = embedding_model(name) if endpoint is Endpoint.EMBEDDINGS else None
    model = models(name) if endpoint is not Endpoint.EMBEDDINGS else None
    try:
        if vectors is not None:
            return _embeddings(asked, vectors)
        if model is not None:
            return (_chat if endpoint is Endpoint.CHAT else _completion)(asked, model)
    except Untranslatable as err:
        return refused(err.message, err.param)
    told = f"no model of Bedrock is set up for {endpoint} under the name {name!r}"
    return Problem(404, "not_found_error", "model_not_found", told, "model")


def _chat(asked: Json, model: ConverseModel) -> Asked:
    translated = to_converse(asked, model)
    names, has_usage = translated.names, asks_usage_chunk(asked)
    is_stream = asked.get("stream") is True

    def answer(replies: Sequence[Reply], head: Head) -> bytes:
        return _written(to_completion(_read(replies[0]), head, names))

    def writer(head: Head) -> ChunkWriter:
        return ChunkWriter(head, names, has_usage=has_usage)

    return Asked(
        model=model.id,
        action=Action.STREAM if is_stream else Action.CONVERSE,
        bodies=(_sent(translated.document),),
        subject="messages",
        prefix="chatcmpl",
        answer=answer,
        writer=writer if is_stream else None,
    )


def _completion(asked: Json, model: ConverseModel) -> Asked:
    bodies = tuple(_sent(to_converse(chat, model).document) for chat in chats_of(asked))
    is_stream, has_usage = asked.get("stream") is True, asks_usage_chunk(asked)
    is_told_as_it_comes = is_stream and len(bodies) == 1

    def answer(replies: Sequence[Reply], head: Head) -> bytes:
        document = to_text([_read(reply) for reply in replies], head)
        return told_as_stream(document, has_usage=has_usage) if is_stream else _written(document)

    def writer(head: Head) -> ChunkWriter:
        return TextWriter(head, {}, has_usage=has_usage)

    return Asked(
        model=model.id,
        action=Action.STREAM if is_told_as_it_comes else Action.CONVERSE,
        bodies=bodies,
        subject="prompt",
        prefix="cmpl",
        answer=answer,
        is_events=is_stream,
        writer=writer if is_told_as_it_comes else None,
    )


def _embeddings(asked: Json, model: EmbeddingModel) -> Asked:
    invocations = to_invocations(asked, model)
    as_base64 = asked.get("encoding_format") == "base64"

    def answer(replies: Sequence[Reply], _head: Head) -> bytes:
        invoked = [
            Invoked(one, _read(reply), reply.tokens)
            for one, reply in zip(invocations, replies, strict=True)
        ]
        return _written(to_embeddings(invoked, model.id, as_base64=as_base64))

    return Asked(
        model=model.id,
        action=Action.INVOKE,
        bodies=tuple(_sent(one.document) for one in invocations),
        subject="input",
        prefix="embd",
        answer=answer,
    )


def _sent(document: Json) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _written(document: Json) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "replace")


def _read(reply: Reply) -> Any:  # noqa: ANN401 - any JSON
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError) as err:
        raise Malformed("the answer is not JSON") from err
