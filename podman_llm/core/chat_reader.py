"""A chat stream as moves: a section begins, goes on, ends. There is one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from podman_llm.core.chat_answer import (
    LENGTH,
    TEXTS,
    Ending,
    Kind,
    Section,
    arguments_of,
    ending_of,
    usage_of,
)
from podman_llm.core.completion import choices_of
from podman_llm.core.translation import Malformed


@dataclass(frozen=True, slots=True)
class Began:
    """A section, of which nothing has been said."""

    section: Section


@dataclass(frozen=True, slots=True)
class More:
    """More of it, already among what it said."""

    section: Section
    said: str


@dataclass(frozen=True, slots=True)
class Ended:
    """All of it."""

    section: Section


Move = Began | More | Ended


class ChatReader:
    """Takes the chunks of one answer in their order, and ``end`` after the last of them.

    Whether the stream was whole is not looked at.
    """

    def __init__(self) -> None:
        self._count = 0
        self._open: Section | None = None
        self._place: object = None  # which of the calls is open
        self._has_calls = False
        self._reason: object = None
        self._usage = usage_of({})

    def feed(self, chunk: Mapping[str, Any]) -> Iterator[Move]:
        """The moves that a chunk makes; raises Malformed."""
        self._usage = usage_of(chunk) or self._usage
        for choice in choices_of(chunk)[:1]:
            self._reason = choice.get("finish_reason") or self._reason
            delta = choice.get("delta")
            if isinstance(delta, dict):
                yield from self._texts(delta)
                yield from self._calls(delta.get("tool_calls"))

    def end(self) -> Iterator[Move]:
        """The last section's end, should there be any."""
        if self._open is not None:
            self._open.is_cut = self.ending.reason == LENGTH
            yield from self._close()

    @property
    def ending(self) -> Ending:
        """How it ended, as far as it has been told."""
        return ending_of(self._reason, self._usage, has_calls=self._has_calls)

    def _texts(self, delta: Mapping[str, Any]) -> Iterator[Move]:
        told = set[Kind]()
        for name, kind in TEXTS.items():
            said = delta.get(name)
            if isinstance(said, str) and said and kind not in told:
                told.add(kind)
                section = self._open
                if section is None or section.kind is not kind:
                    section = Section(kind, self._count)
                    yield from self._begin(section)
                yield _more(section, said)

    def _calls(self, calls: object) -> Iterator[Move]:
        for call in calls if isinstance(calls, list) else ():
            if not isinstance(call, dict):
                raise Malformed("a call is not an object")
            function = call.get("function")
            function = function if isinstance(function, dict) else {}
            section = self._open
            if section is None or not self._goes_on(section, call, function):
                section = self._new_call(call.get("id"), function.get("name"))
                yield from self._begin(section)
                self._place = call.get("index")
            if said := arguments_of(function):
                yield _more(section, said)

    def _goes_on(
        self, section: Section, call: Mapping[str, Any], function: Mapping[str, Any]
    ) -> bool:
        """Whether this is more of the open call.

        Its number tells, where there is one; yet some servers number every call 0, and some give a
        piece an id of its own. So what comes with another id and a name is the next call.
        """
        place, identity = call.get("index"), call.get("id")
        if section.kind is not Kind.CALL or place != self._place:
            return False
        if place is None:
            return not identity
        return not (identity and function.get("name")) or identity == section.identity

    def _new_call(self, identity: object, name: object) -> Section:
        if not isinstance(identity, str) or not isinstance(name, str) or not (identity and name):
            raise Malformed("arguments came for a call that had not begun")
        self._has_calls = True
        return Section(Kind.CALL, self._count, identity, name)

    def _begin(self, section: Section) -> Iterator[Move]:
        yield from self._close()
        self._open = section
        self._count += 1
        yield Began(section)

    def _close(self) -> Iterator[Move]:
        ending, self._open = self._open, None
        if ending is None:
            return
        if ending.kind is Kind.CALL and not ending.pieces and not ending.is_cut:
            yield _more(ending, "{}")  # clients read the empty text as broken JSON
        yield Ended(ending)


def _more(section: Section, said: str) -> More:
    section.pieces.append(said)
    return More(section, said)
