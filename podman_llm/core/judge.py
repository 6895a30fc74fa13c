"""Verdicts on running streams, event by event, cheap enough for every token.

``StreamJudge`` is fed the raw events of ``core.sse``. Nearly every event of a stream is a delta
that differs from the one before in a single text; those are recognised without reading them as
JSON (``_Template``), which costs a sixth of it and comes to the same verdict.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from podman_llm.core.completion import (
    Complete,
    Endpoint,
    Failed,
    Incomplete,
    Verdict,
    choices_of,
    error_text,
    has_content,
    judge_reasons,
    judge_response,
)
from podman_llm.core.sse import event_data, event_name

_decoder = json.JSONDecoder()
_DONE = b"[DONE]"
_BY_CHOICES = frozenset({Endpoint.CHAT, Endpoint.COMPLETIONS})
# Typed events of which, once content has come, the name alone says that they are more of it.
_DELTAS = frozenset(
    {
        b"content_block_delta",
        b"ping",
        b"response.function_call_arguments.delta",
        b"response.output_text.delta",
        b"response.reasoning_text.delta",
    }
)
_TEXT_FIELD = re.compile(r'"(?:content|text|reasoning|reasoning_content|arguments)":\s*(?=")')


class _Template:
    """An event of no consequence, and with it every event that differs only in one text.

    JSON is read from left to right: as long as the characters before a string value are the same,
    the value is one well-formed string, and the characters after it are the same, the event has
    the same structure and the same other values. So if the pattern event changes no verdict,
    neither do those.
    """

    __slots__ = ("_head", "_tail")

    def __init__(self, head: str, tail: str) -> None:
        self._head = head
        self._tail = tail

    @classmethod
    def of(cls, text: str) -> _Template | None:
        """The template around the first text field of ``text``, which must be JSON.

        Within a string of JSON no quote stands bare, so what looks like a field is one.
        """
        field = _TEXT_FIELD.search(text)
        if field is None:
            return None
        start = field.end()
        _, end = _decoder.raw_decode(text, start)
        return cls(text[:start], text[end:])

    def covers(self, text: str) -> bool:
        """Whether ``text`` is this event with another text in the one place."""
        start = len(self._head)
        if not text.startswith(self._head) or text[start : start + 1] != '"':
            return False
        try:
            _, end = _decoder.raw_decode(text, start)
        except ValueError:
            return False
        return text[end:] == self._tail


class StreamJudge:
    """What a running stream has shown so far, and the verdict at its end.

    - ``has_content``: something to read or call has come. Until then nobody has seen an answer,
      and another upstream may still give it.
    - ``is_done``: the marker that ends the answer has come. A client that leaves now has it all.
    - ``trouble``: the upstream failed or was aborted. The event that said so must not be passed
      on: clients take what follows it for the end of a whole answer.

    ``choices`` is how many were asked for at least (``completion.choices_asked``).
    """

    __slots__ = (
        "_choices",
        "_endpoint",
        "_final",
        "_finish",
        "_oddity",
        "_template",
        "has_content",
        "is_done",
        "trouble",
    )

    def __init__(self, endpoint: Endpoint, *, choices: int = 1) -> None:
        self.has_content = False
        self.is_done = False
        self.trouble: Failed | Incomplete | None = None
        self._endpoint = endpoint
        self._choices = choices
        self._finish: dict[int, object] = {}
        self._final: Verdict | None = None
        self._oddity = ""
        self._template: _Template | None = None

    def feed(self, event: bytes) -> None:
        """Take note of one event, given raw."""
        data = event_data(event)
        if data is None:
            return
        if self._endpoint in _BY_CHOICES:
            self._take_chunk(data)
        else:
            self._take_typed(event_name(event), data)

    def verdict(self) -> Verdict:
        """The verdict, given that the stream has ended here."""
        verdict = self.trouble or self._ending()
        if isinstance(verdict, Complete) and verdict.is_storable and self._oddity:
            return Complete(self._oddity)
        return verdict

    def _ending(self) -> Verdict:
        if self._endpoint not in _BY_CHOICES:
            return self._final if self.is_done and self._final else Incomplete("the stream was cut")
        if len(self._finish) < self._choices:
            return Incomplete(f"{len(self._finish)} of {self._choices} choices")
        verdict = judge_reasons(self._finish.values(), has_content=self.has_content)
        if not self.is_done and verdict == Complete():
            return Complete("ended without [DONE]")
        return verdict

    # chat/completions and completions ---------------------------------------------------------

    def _take_chunk(self, data: bytes) -> None:
        if data.strip() == _DONE:
            self.is_done = True
            return
        text = data.decode("utf-8", "replace")
        if self._template and self._template.covers(text):
            return
        chunk = self._parse(text)
        if chunk is None or self._saw_error(chunk):
            return
        if not self._saw_news(chunk) and self.has_content:
            self._template = _Template.of(text)

    def _saw_news(self, chunk: Mapping[str, Any]) -> bool:
        """Note each choice; whether that told anything but more content."""
        before = len(self._finish)
        is_news = False
        for choice in choices_of(chunk):
            index, reason = choice.get("index"), choice.get("finish_reason")
            index = index if type(index) is int else 0
            self._finish.setdefault(index, None)
            self.has_content = self.has_content or has_content(choice)
            if reason is not None:
                self._finish[index] = reason
                self._note(judge_reasons([reason], has_content=True))
                is_news = True
        return is_news or len(self._finish) > before

    # responses and messages -------------------------------------------------------------------

    def _take_typed(self, name: bytes, data: bytes) -> None:
        if data.strip() == _DONE or (self.has_content and name in _DELTAS):
            return
        said = self._parse(data.decode("utf-8", "replace"))
        if said is None or self._saw_error(said):
            return
        match name.decode("utf-8", "replace") or said.get("type"):
            case "error":
                self._note(Failed(error_text(said)))
            case "response.completed" | "response.incomplete" | "response.failed":
                self._end(judge_response(_mapping(said.get("response"))))
            case "message_delta":
                stop = _mapping(said.get("delta")).get("stop_reason")
                self._final = judge_reasons([stop], has_content=self.has_content)
            case "message_stop":
                self._end(self._final or Incomplete("ended without a stop_reason"))
            case "content_block_start":
                self.has_content |= _mapping(said.get("content_block")).get("type") == "tool_use"
            case str() as kind if kind.endswith("delta"):
                self.has_content |= _says_something(said.get("delta"))
            case _:
                pass

    def _end(self, final: Verdict) -> None:
        self.is_done = True
        self._final = final
        self._note(final)

    # all --------------------------------------------------------------------------------------

    def _parse(self, text: str) -> dict[str, Any] | None:
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            said = None
        if isinstance(said, dict):
            return said
        self._oddity = "an event is not a JSON object"
        return None

    def _saw_error(self, said: Mapping[str, Any]) -> bool:
        if error := said.get("error"):
            self._note(Failed(error_text(error)))
        return bool(error)

    def _note(self, verdict: Verdict) -> None:
        if not isinstance(verdict, Complete):
            self.trouble = self.trouble or verdict


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _says_something(delta: object) -> bool:
    if isinstance(delta, dict):
        return any(value for name, value in delta.items() if name != "type")
    return bool(delta)
