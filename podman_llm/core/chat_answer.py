"""A chat answer as other dialects tell it: one section after the other, and then how it ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from podman_llm.core.completion import choices_of
from podman_llm.core.translation import Malformed

CALLS: Final = "tool_calls"
"""The reason of an answer that ends because the client must act."""
LENGTH: Final = "length"
FILTERED: Final = "content_filter"


class Kind(StrEnum):
    """What a section is made of."""

    THOUGHT = "thought"
    TEXT = "text"
    REFUSAL = "refusal"
    CALL = "call"


TEXTS: Final = {
    "reasoning_content": Kind.THOUGHT,
    "reasoning": Kind.THOUGHT,
    "content": Kind.TEXT,
    "refusal": Kind.REFUSAL,
}
"""The fields of a message, or of a delta, that hold text. Servers name the first one either way."""


@dataclass(slots=True)
class Section:
    """One piece of an answer; ``number`` counts from 0. A call has an id and a name.

    ``is_cut``: there was no room for all of it.
    """

    kind: Kind
    number: int
    identity: str = ""
    name: str = ""
    is_cut: bool = False
    pieces: list[str] = field(default_factory=list)

    @property
    def said(self) -> str:
        """Its text so far; the arguments of a call."""
        return "".join(self.pieces)


@dataclass(frozen=True, slots=True)
class Origin:
    """Who answers. ``stem`` names the answer among all others; ``created`` is in UTC seconds."""

    stem: str
    created: int
    model: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens; the prompt's include those that a cache held or was given to hold."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    written: int = 0
    thought: int = 0


@dataclass(frozen=True, slots=True)
class Ending:
    """How it ended: chat's ``finish_reason``, and the usage if it was told."""

    reason: str
    usage: Usage | None


def origin_of(document: Mapping[str, Any]) -> Origin:
    """The origin that a completion tells, or any chunk of a stream."""
    identity, created = document.get("id"), document.get("created")
    return Origin(
        stem=identity.removeprefix("chatcmpl-") if isinstance(identity, str) else "",
        created=created if type(created) is int else 0,
        model=str(document.get("model") or ""),
    )


def ending_of(reason: object, usage: Usage | None, *, has_calls: bool) -> Ending:
    """The ending; some servers end an answer with calls in it as any other."""
    said = reason if isinstance(reason, str) else ""
    return Ending(CALLS if has_calls and said == "stop" else said, usage)


def usage_of(document: Mapping[str, Any]) -> Usage | None:
    """The usage that a completion tells, or the last chunk of a stream."""
    usage = document.get("usage")
    if not isinstance(usage, dict):
        return None
    read, told = usage.get("prompt_tokens_details"), usage.get("completion_tokens_details")
    return Usage(
        prompt=_count(usage, "prompt_tokens"),
        completion=_count(usage, "completion_tokens"),
        cached=_count(read, "cached_tokens"),
        written=_count(read, "cache_write_tokens"),
        thought=_count(told, "reasoning_tokens"),
    )


def arguments_of(function: Mapping[Any, Any]) -> str:
    """What a function is called with, as text and as far as it is told; raises Malformed."""
    said = function.get("arguments")
    if said is None or isinstance(said, str):
        return said or ""
    raise Malformed("the arguments of a call are not text")


def _count(holder: object, name: str) -> int:
    value = holder.get(name) if isinstance(holder, dict) else None
    return value if type(value) is int else 0


@dataclass(frozen=True, slots=True)
class ChatAnswer:
    """A whole answer."""

    origin: Origin
    sections: tuple[Section, ...]
    ending: Ending


def read_completion(document: Mapping[str, Any]) -> ChatAnswer:
    """The answer in a ``chat.completion``; raises Malformed."""
    choices = choices_of(document)
    message = choices[0].get("message") if choices else None
    if not isinstance(message, dict):
        raise Malformed("the answer has no message")
    sections = tuple(_sections(message))
    has_calls = any(section.kind is Kind.CALL for section in sections)
    reason = choices[0].get("finish_reason")
    ending = ending_of(reason, usage_of(document), has_calls=has_calls)
    if sections:
        sections[-1].is_cut = ending.reason == LENGTH
    return ChatAnswer(origin_of(document), sections, ending)


def _sections(message: Mapping[str, Any]) -> Iterator[Section]:
    number = 0
    told = set[Kind]()
    for name, kind in TEXTS.items():
        said = message.get(name)
        if isinstance(said, str) and said and kind not in told:
            told.add(kind)
            yield Section(kind, number, pieces=[said])
            number += 1
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        match call:
            case {"id": str() as identity, "function": {"name": str() as name, **rest}}:
                said = arguments_of(rest) or "{}"
                yield Section(Kind.CALL, number, identity, name, pieces=[said])
                number += 1
            case _:
                raise Malformed("a call has no id or no name")
