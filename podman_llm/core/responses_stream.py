"""Moves of a chat stream as the events of a Responses stream.

There is no ``response.failed`` among them. An answer that breaks has no end at all, so that the
client's connection is aborted, which every client takes for a reason to ask again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from podman_llm.core.chat_answer import Ending, Kind, Origin, Section
from podman_llm.core.chat_reader import Began, Ended, More, Move
from podman_llm.core.responses_answer import PARTS, item, part, response
from podman_llm.core.responses_tools import Name
from podman_llm.core.translation import Json


class ResponsesTeller:
    """Tells one answer to the request ``asked``, whose functions' names are ``names``."""

    def __init__(self, origin: Origin, asked: Mapping[str, Any], names: Mapping[str, Name]) -> None:
        self._origin = origin
        self._asked = asked
        self._names = names
        self._items: list[Json] = []
        self._number = 0

    def begin(self) -> bytes:
        """What comes before everything else."""
        begun = response(self._origin, self._asked, [], None)
        told = ("response.created", "response.in_progress")
        return b"".join(self._event(name, response=begun) for name in told)

    def tell(self, move: Move) -> bytes:
        """The events that a move makes."""
        section = move.section
        match move:
            case Began():
                return b"".join(self._began(section))
            case More(said=said):
                where = self._where(section) | _logprobs(section)
                return self._event(f"{_path(section)}.delta", **where, delta=said)
            case Ended():
                return b"".join(self._ended(section))

    def end(self, ending: Ending) -> bytes:
        """What comes after everything else."""
        whole = response(self._origin, self._asked, self._items, ending)
        return self._event(f"response.{whole['status']}", response=whole)

    def _began(self, section: Section) -> Iterator[bytes]:
        begun = item(section, self._origin, self._names, is_begun=True)
        place = {"output_index": section.number}
        yield self._event("response.output_item.added", **place, item=begun)
        if section.kind is not Kind.CALL:
            empty = part(section, is_begun=True)
            yield self._event("response.content_part.added", **self._where(section), part=empty)

    def _ended(self, section: Section) -> Iterator[bytes]:
        where, path = self._where(section), _path(section)
        whole = item(section, self._origin, self._names)
        self._items.append(whole)
        if section.kind is Kind.CALL:
            call = {"name": whole["name"], "arguments": section.said}
            yield self._event(f"{path}.done", **where, **call)
        else:
            _, field = PARTS[section.kind]
            said = {field: section.said} | _logprobs(section)
            yield self._event(f"{path}.done", **where, **said)
            yield self._event("response.content_part.done", **where, part=part(section))
        yield self._event("response.output_item.done", output_index=section.number, item=whole)

    def _where(self, section: Section) -> Json:
        identity = item(section, self._origin, self._names, is_begun=True)["id"]
        where: Json = {"item_id": identity, "output_index": section.number}
        return where if section.kind is Kind.CALL else where | {"content_index": 0}

    def _event(self, name: str, /, **fields: object) -> bytes:
        document = {"type": name, "sequence_number": self._number, **fields}
        self._number += 1
        said = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
        return f"event: {name}\ndata: {said}\n\n".encode("utf-8", "replace")


def _path(section: Section) -> str:
    if section.kind is Kind.CALL:
        return "response.function_call_arguments"
    return f"response.{PARTS[section.kind][0]}"


def _logprobs(section: Section) -> Json:
    """Nobody asked for any, and clients count on the field."""
    return {"logprobs": []} if section.kind is Kind.TEXT else {}
