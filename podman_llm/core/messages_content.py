"""The conversation of a Messages request as the messages of a chat."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from podman_llm.core.chat_turns import Turns, picture, text
from podman_llm.core.translation import Json, Untranslatable, type_of

# Given back signed or not at all, and only to the model that had them.
_THOUGHTS: Final = frozenset({"redacted_thinking", "thinking"})
_ROLES: Final = frozenset({"assistant", "system", "user"})


def chat_messages(body: Mapping[str, Any]) -> list[Json]:
    """The conversation; raises Untranslatable. Thoughts are left out, as chat has no place."""
    turns = Turns("messages")
    if system := body.get("system"):
        turns.say(
            "system", [part for block in _blocks(system, "system") for part in _parts(*block)]
        )
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Untranslatable("messages is not a list of messages", param="messages")
    for index, message in enumerate(messages):
        _add(turns, message, f"messages.{index}")
    if messages[-1]["role"] == "assistant":
        # Chat begins a new answer where this dialect goes on with the one that is there.
        raise Untranslatable("messages ends with the assistant's own words", param="messages")
    return turns.finish()


def _add(turns: Turns, message: object, where: str) -> None:
    match message:
        case {"role": str() as role, "content": content} if role in _ROLES:
            blocks = list(_blocks(content, f"{where}.content"))
        case _:
            told = f"{where} is not a message of user, assistant or system"
            raise Untranslatable(told, param=where)
    said: list[Json] = []
    calls = []
    for block, at in blocks:
        match block:
            case {"type": "tool_result", "tool_use_id": str() as identity, **rest}:
                turns.result(identity, list(_result(rest.get("content"), f"{at}.content")))
            case {"type": "tool_use", "id": str() as identity, "name": str() as name, **rest}:
                given = json.dumps(rest.get("input") or {}, ensure_ascii=False)
                calls.append((identity, name, given))
            case _:
                said += _parts(block, at)
    turns.say(role, said)
    for call in calls:
        turns.call(*call)


def _result(content: object, where: str) -> Iterator[Json]:
    for block in _blocks(content or "", where):
        yield from _parts(*block)


def _blocks(content: object, where: str) -> Iterator[tuple[object, str]]:
    """The blocks of a content, each with its place; plain text is one."""
    if isinstance(content, str):
        yield text(content), where
    elif isinstance(content, list):
        for index, block in enumerate(content):
            yield block, f"{where}.{index}"
    else:
        raise Untranslatable(f"{where} is neither text nor a list of blocks", param=where)


def _parts(block: object, where: str) -> Iterator[Json]:
    match block:
        case {"type": "text", "text": str() as said}:
            yield text(said)
        case {"type": "image", "source": {"type": "url", "url": str() as url}}:
            yield picture(url)
        case {
            "type": "image",
            "source": {"type": "base64", "media_type": str() as kind, "data": str() as data},
        }:
            yield picture(f"data:{kind};base64,{data}")
        case {"type": "tool_reference", "tool_name": str() as name}:
            # What a search of Claude Code's found; chat is told of all tools from the beginning.
            yield text(f"The tool {name} is there to be called.")
        case {"type": str() as kind} if kind in _THOUGHTS:
            return
        case _:
            raise Untranslatable(f"{where} is a block of type {type_of(block)!r}", param=where)
