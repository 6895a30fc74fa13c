"""Events of ConverseStream as the chunks of an OpenAI stream, of a chat or of plain text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar, Final

from podman_llm.core.converse_response import Head, finish_reason, usage_of
from podman_llm.core.translation import Json, Malformed

DONE: Final = b"data: [DONE]\n\n"
"""What ends a whole stream."""


class ChunkWriter:
    """Takes the events of one answer in their order and gives back server-sent events, as bytes.

    ``is_complete`` says that the model's own end has come (``messageStop``): an answer without it
    was cut, however politely the connection ended. ``finish`` is called at the connection's end.
    """

    __slots__ = (
        "_bare",
        "_calls",
        "_has_usage",
        "_head",
        "_is_done",
        "_names",
        "_usage",
        "is_complete",
    )
    _kind: ClassVar[str] = "chat.completion.chunk"

    def __init__(self, head: Head, names: Mapping[str, str], *, has_usage: bool) -> None:
        self.is_complete = False
        self._head = head
        self._names = names
        self._has_usage = has_usage
        self._usage: Json | None = None
        # Calls are counted among themselves: blocks of text and of thoughts have numbers too.
        self._calls: dict[object, int] = {}
        self._bare: dict[object, int] = {}  # those of which no argument has come
        self._is_done = False

    def feed(self, event: str, payload: Mapping[str, Any]) -> bytes:
        """The chunks that an event makes, mostly one; raises Malformed."""
        made = b""
        match event:
            case "messageStart":
                made = self._delta({"role": "assistant", "content": ""})
            case "contentBlockStart":
                made = self._start(payload)
            case "contentBlockDelta":
                made = self._more(payload)
            case "contentBlockStop":
                made = self._close(self._bare.pop(payload.get("contentBlockIndex"), None))
            case "messageStop":
                made = self._stop(payload)
            case "metadata":
                self._usage = usage_of(payload.get("usage"))
                made = self.finish() if self.is_complete else b""
            case _:
                pass  # what Converse may learn to say
        return made

    def finish(self) -> bytes:
        """What ends a complete answer, once: usage for who asked, if it was told, and the mark."""
        if self._is_done:
            return b""
        self._is_done = True
        if not (self._has_usage and self._usage):
            return DONE
        chunk = {**self._head.document(self._kind), "choices": [], "usage": self._usage}
        return as_event(chunk) + DONE

    def _start(self, payload: Mapping[str, Any]) -> bytes:
        match payload:
            case {"start": {"toolUse": {"toolUseId": str() as identity, "name": str() as name}}}:
                index, block = len(self._calls), payload.get("contentBlockIndex")
                self._calls[block] = self._bare[block] = index
                function = {"name": self._names.get(name, name), "arguments": ""}
                call = {"index": index, "id": identity, "type": "function", "function": function}
                return self._delta({"tool_calls": [call]})
            case _:
                return b""

    def _more(self, payload: Mapping[str, Any]) -> bytes:
        match payload.get("delta"):
            case {"text": str() as text} if text:
                return self._delta({"content": text})
            case {"reasoningContent": {"text": str() as text}} if text:
                return self._delta({"reasoning_content": text})
            case {"toolUse": {"input": str() as part}} if part:
                block = payload.get("contentBlockIndex")
                if block not in self._calls:
                    raise Malformed("arguments came for a call that had not begun")
                self._bare.pop(block, None)
                return self._arguments(self._calls[block], part)
            case _:
                return b""

    def _close(self, index: int | None) -> bytes:
        """A call without arguments sends none; clients read the empty text as broken JSON."""
        return b"" if index is None else self._arguments(index, "{}")

    def _arguments(self, index: int, part: str) -> bytes:
        return self._delta({"tool_calls": [{"index": index, "function": {"arguments": part}}]})

    def _stop(self, payload: Mapping[str, Any]) -> bytes:
        reason = finish_reason(str(payload.get("stopReason")), has_calls=bool(self._calls))
        self.is_complete = True
        closing = b"".join(map(self._close, self._bare.values()))
        return closing + self._delta({}, finish=reason) + (self.finish() if self._usage else b"")

    def _delta(self, delta: Json, *, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return as_event({**self._head.document(self._kind), "choices": [choice]})


class TextWriter(ChunkWriter):
    """The same for a text completion, which has a place for text and for nothing else."""

    __slots__ = ()
    _kind = "text_completion"

    def _delta(self, delta: Json, *, finish: str | None = None) -> bytes:
        text = delta.get("content") or ""
        if not text and finish is None:
            return b""
        choice = {"index": 0, "text": text, "logprobs": None, "finish_reason": finish}
        return as_event({**self._head.document(self._kind), "choices": [choice]})


def as_event(chunk: Json) -> bytes:
    """A chunk as it goes over the wire."""
    text = json.dumps(chunk, ensure_ascii=False, separators=(",", ":"))
    return f"data: {text}\n\n".encode("utf-8", "replace")
