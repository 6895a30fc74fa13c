"""Is this answer whole? Verdicts on bodies, in the words of each endpoint.

A cut answer looks like a short one to every client, so "whole" is claimed only on evidence: the
marker that ends the answer, and a reason to have finished for each choice. An answer of which this
is not certain is neither ended cleanly nor kept. ``core.judge`` says the same of running streams.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from podman_llm.core.sse import event_data, split_events


class Endpoint(StrEnum):
    """The paths under ``/v1`` whose answers are understood; others are passed on, never kept."""

    CHAT = "chat/completions"
    COMPLETIONS = "completions"
    RESPONSES = "responses"
    MESSAGES = "messages"
    EMBEDDINGS = "embeddings"


@dataclass(frozen=True)
class Complete:
    """The answer is all there, and may be ended cleanly.

    ``unstorable`` says why it is not kept all the same; empty when it may be.
    """

    unstorable: str = ""

    @property
    def is_storable(self) -> bool:
        """Whether the same question may get this answer again."""
        return not self.unstorable


@dataclass(frozen=True)
class Incomplete:
    """The answer stopped before its end: cut, aborted, or without a reason to have finished."""

    why: str


@dataclass(frozen=True)
class Failed:
    """The upstream says that it failed, by status, or by an error inside a 200."""

    why: str


Verdict = Complete | Incomplete | Failed

# A filter's verdict may be another one tomorrow, and must not be frozen for a week.
_FILTERED = frozenset({"content_filter", "refusal"})


def judge_body(endpoint: Endpoint, status: int, body: bytes, *, choices: int = 1) -> Verdict:
    """The verdict on a whole JSON answer; ``choices`` is how many were asked for at least."""
    if status != 200:  # noqa: PLR2004 - the only status that carries an answer
        return Failed(f"status {status}")
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        return Failed("the answer is not a JSON object")
    if answer.get("error"):
        return Failed(error_text(answer["error"]))
    return _judge_answer(endpoint, answer, choices)


def _judge_answer(endpoint: Endpoint, answer: Mapping[str, Any], choices: int) -> Verdict:
    match endpoint:
        case Endpoint.CHAT | Endpoint.COMPLETIONS:
            return _judge_choices(answer, choices)
        case Endpoint.RESPONSES:
            return judge_response(answer)
        case Endpoint.MESSAGES:
            stop = answer.get("stop_reason")
            return judge_reasons([stop], has_content=bool(answer.get("content")))
        case Endpoint.EMBEDDINGS:
            return Complete() if answer.get("data") else Incomplete("no embeddings")


def judge_reasons(reasons: Iterable[object], *, has_content: bool) -> Verdict:
    """The verdict that the reasons for finishing give, one per choice.

    ``abort`` is what vLLM says when it is stopped in the middle of a sentence. An answer without
    any content is whole, but not kept: agents ask again, and must not get nothing for ever.
    """
    filtered = ""
    for reason in reasons:
        if not isinstance(reason, str):
            return Incomplete("ended without a finish_reason")
        if reason == "abort":
            return Incomplete("the upstream aborted (finish_reason abort)")
        if reason == "error":
            return Failed("finish_reason error")
        if reason in _FILTERED:
            filtered = f"finish_reason {reason}"
    return Complete(filtered or ("" if has_content else "no content"))


def _judge_choices(answer: Mapping[str, Any], asked: int) -> Verdict:
    choices = choices_of(answer)
    if len(choices) < asked:
        return Incomplete(f"{len(choices)} of {asked} choices")
    reasons = [choice.get("finish_reason") for choice in choices]
    return judge_reasons(reasons, has_content=any(map(has_content, choices)))


def choices_of(answer: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The choices of an answer or of a chunk, whatever else an upstream may put in their place."""
    choices = answer.get("choices")
    if not isinstance(choices, list):
        return []
    return [choice for choice in choices if isinstance(choice, dict)]


def has_content(choice: Mapping[str, Any]) -> bool:
    """Whether a choice, whole or a delta, carries something to read, call or hear."""
    said = choice.get("message") or choice.get("delta")
    if not isinstance(said, dict):
        return bool(choice.get("text"))
    return any(value for name, value in said.items() if name != "role")


def judge_response(response: Mapping[str, Any]) -> Verdict:
    """The verdict on a Responses object.

    One that ran out of tokens is ended cleanly, but it says of itself that it is incomplete, and is
    not kept. A failed one is no answer. Before any content somebody else is asked; after it the
    connection is aborted rather than the failure told: Codex asks again after either, Kilo Code
    only after an abort.
    """
    status = response.get("status")
    if status == "completed":
        return Complete("" if response.get("output") else "no content")
    if status == "failed":
        return Failed(error_text(response.get("error")))
    details = response.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, dict) else None
    if status == "incomplete" and (reason == "max_output_tokens" or reason in _FILTERED):
        return Complete(f"incomplete: {reason}")
    return Incomplete(f"status {status}" + (f": {reason}" if reason else ""))


def error_text(error: object) -> str:
    """What an error object says, for people."""
    message = error.get("message") if isinstance(error, dict) else error
    return f"the upstream reports: {message}"


def choices_asked(endpoint: Endpoint, body: Mapping[str, Any]) -> int:
    """How many choices the answer must have: ``n`` for each prompt; 1 where that says nothing."""
    if endpoint not in {Endpoint.CHAT, Endpoint.COMPLETIONS}:
        return 1
    n = body.get("n")
    n = n if type(n) is int and n > 0 else 1
    prompt = body.get("prompt") if endpoint is Endpoint.COMPLETIONS else None
    # A list of integers is one prompt, already in tokens.
    prompts = len(prompt) if isinstance(prompt, list) and not _is_tokens(prompt) else 1
    return n * max(prompts, 1)


def _is_tokens(prompt: list[Any]) -> bool:
    return all(type(item) is int for item in prompt)


# The usage chunk of a stream: last before [DONE], without choices, only for who asked -----------

_MAY_BE_USAGE = re.compile(rb'"choices"\s*:\s*\[\s*\]')


def asks_usage_chunk(body: Mapping[str, Any]) -> bool:
    """Whether the request wants the usage chunk at the end of its stream."""
    options = body.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def is_usage_chunk(event: bytes) -> bool:
    """Whether the event carries the usage and no choices; naive clients break on such a one."""
    if not _MAY_BE_USAGE.search(event):
        return False
    try:
        chunk = json.loads(event_data(event) or b"")
    except (ValueError, RecursionError):
        return False
    return isinstance(chunk, dict) and chunk.get("choices") == [] and bool(chunk.get("usage"))


def has_usage_chunk(stream: bytes) -> bool:
    """Whether a stored stream can serve those who asked for the usage chunk."""
    return bool(_MAY_BE_USAGE.search(stream)) and any(map(is_usage_chunk, split_events(stream)))


def without_usage_chunk(stream: bytes) -> bytes:
    """The stored stream as it is given to who did not ask for the usage chunk."""
    if not _MAY_BE_USAGE.search(stream):
        return stream
    return b"".join(event for event in split_events(stream) if not is_usage_chunk(event))
