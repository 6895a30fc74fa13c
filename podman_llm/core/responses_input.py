"""The input of a Responses request as the messages of a chat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from podman_llm.core.chat_turns import Turns, picture, text
from podman_llm.core.responses_tools import Name
from podman_llm.core.translation import Json, Untranslatable, type_of

_ROLES: Final = {"user": "user", "assistant": "assistant", "system": "system"}
_ROLES["developer"] = "system"  # few servers know the newer name, all know the older


def chat_messages(body: Mapping[str, Any]) -> list[Json]:
    """The conversation; raises Untranslatable. Thoughts are left out, as chat has no place."""
    turns = Turns("input")
    if instructions := body.get("instructions"):
        turns.say("system", list(_parts(instructions, "instructions")))
    given = body.get("input")
    if isinstance(given, str):
        turns.say("user", [text(given)])
    elif isinstance(given, list):
        for index, item in enumerate(given):
            _add(turns, item, f"input.{index}")
    else:
        raise Untranslatable("input is neither text nor a list of items", param="input")
    return turns.finish()


def _add(turns: Turns, item: object, where: str) -> None:
    match item:
        case {
            "type": "function_call",
            "call_id": str() as identity,
            "name": str() as name,
            **rest,
        } if isinstance(arguments := rest.get("arguments") or "{}", str):
            flat = Name(name, str(rest.get("namespace") or "")).flat
            turns.call(identity, flat, arguments)
        case {"type": "function_call_output", "call_id": str() as identity, "output": output}:
            turns.result(identity, list(_parts(output, f"{where}.output")))
        case {"type": "reasoning"}:
            return
        case {"role": str() as role, "content": content, **rest} if (
            role in _ROLES and rest.get("type", "message") == "message"
        ):
            turns.say(_ROLES[role], list(_parts(content, f"{where}.content")))
        case _:
            raise Untranslatable(f"{where} is of type {type_of(item)!r}", param=where)


def _parts(content: object, where: str) -> Iterator[Json]:
    if isinstance(content, str):
        yield text(content)
        return
    if not isinstance(content, list):
        raise Untranslatable(f"{where} is neither text nor a list of parts", param=where)
    for index, part in enumerate(content):
        match part:
            case {"type": "input_text" | "output_text" | "text", "text": str() as said}:
                yield text(said)
            case {"type": "refusal", "refusal": str() as said}:
                yield text(said)
            case {"type": "input_image", "image_url": str() as url, **rest}:
                yield picture(url, rest.get("detail"))
            case _:
                at = f"{where}.{index}"
                raise Untranslatable(f"{at} is a part of type {type_of(part)!r}", param=at)
