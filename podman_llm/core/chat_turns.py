"""Messages of a chat request, put together from what other dialects tell item by item.

Chat demands that the results of calls follow the message that made them, and that they are text.
So what an assistant says and calls in a row becomes one message, and pictures that a tool shows
come after its results, as the user's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from podman_llm.core.translation import Json, Untranslatable

_SHOWN: Final = "What the tools showed:"


def text(said: str) -> Json:
    """A part of text."""
    return {"type": "text", "text": said}


def picture(url: str, detail: object = None) -> Json:
    """A part that shows the picture at ``url``, which may hold it."""
    shown = {"url": url}
    return {"type": "image_url", "image_url": shown | ({"detail": detail} if detail else {})}


class Turns:
    """A conversation as it is put together, in its order; ``parts`` are those of chat.

    ``field`` is where the request has it.
    """

    def __init__(self, field: str) -> None:
        self._field = field
        self._messages: list[Json] = []
        self._shown: list[Json] = []

    def say(self, role: str, parts: Sequence[Json]) -> None:
        """What somebody says, be it nothing; raises Untranslatable."""
        self._show()
        if role == "user" and parts:
            self._messages.append({"role": role, "content": _content(parts)})
            return
        if any(part["type"] != "text" for part in parts):
            raise Untranslatable(f"{self._field}: the {role} shows a picture", param=self._field)
        if role == "assistant" and parts:
            answer = self._answer()
            before = [text(answer["content"])] if answer["content"] else []
            answer["content"] = _joined([*before, *parts])
        elif parts:
            self._messages.append({"role": role, "content": _joined(parts)})

    def call(self, identity: str, name: str, arguments: str) -> None:
        """A call that the assistant makes."""
        function = {"name": name, "arguments": arguments}
        made = {"id": identity, "type": "function", "function": function}
        self._answer().setdefault("tool_calls", []).append(made)

    def result(self, identity: str, parts: Sequence[Json]) -> None:
        """What came of a call."""
        content = _joined(part for part in parts if part["type"] == "text")
        self._messages.append({"role": "tool", "tool_call_id": identity, "content": content})
        self._shown += [part for part in parts if part["type"] != "text"]

    def finish(self) -> list[Json]:
        """The messages."""
        self._show()
        return self._messages

    def _answer(self) -> Json:
        """The assistant's message that is being told."""
        self._show()
        if not self._messages or self._messages[-1]["role"] != "assistant":
            self._messages.append({"role": "assistant", "content": None})
        return self._messages[-1]

    def _show(self) -> None:
        shown, self._shown = self._shown, []
        if shown:
            self._messages.append({"role": "user", "content": [text(_SHOWN), *shown]})


def _content(parts: Sequence[Json]) -> str | list[Json]:
    is_plain = len(parts) == 1 and parts[0]["type"] == "text"
    return parts[0]["text"] if is_plain else list(parts)


def _joined(parts: Iterable[Json]) -> str:
    return "\n".join(part["text"] for part in parts)
