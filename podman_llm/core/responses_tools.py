"""Tools of a Responses request as chat's functions, and back by name.

Codex groups functions under a namespace, which chat knows nothing of: such a function goes by both
names in one. It also offers the search of OpenAI's own servers, always; a pod has none either, so
as long as it is not demanded it is left out. Any other tool that a server would carry out, and any
whose calls are not JSON, would be missed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from podman_llm.core.translation import Json, Untranslatable, type_of

_SEARCHES: Final = frozenset(
    {"web_search", "web_search_2025_08_26", "web_search_preview", "web_search_preview_2025_03_11"}
)
_FUNCTION: Final = ("name", "description", "parameters", "strict")


@dataclass(frozen=True, slots=True)
class Name:
    """A function's name as the client knows it."""

    name: str
    namespace: str = ""

    @property
    def flat(self) -> str:
        """The one name for chat."""
        return f"{self.namespace}__{self.name}" if self.namespace else self.name


@dataclass(frozen=True, slots=True)
class Tools:
    """``fields`` are those of the chat request; ``names`` are the client's by chat's."""

    fields: Json
    names: Mapping[str, Name]


def chat_tools(body: Mapping[str, Any]) -> Tools:
    """The tools that a request offers; raises Untranslatable."""
    given = body.get("tools") or []
    if not isinstance(given, list):
        raise Untranslatable("tools is not a list", param="tools")
    names: dict[str, Name] = {}
    functions = []
    for name, function in _functions(given, ""):
        if name.flat in names:
            raise Untranslatable(f"tools has {name.flat} twice", param="tools")
        names[name.flat] = name
        functions.append({"type": "function", "function": function | {"name": name.flat}})
    choice = _choice(body.get("tool_choice"))
    if not functions:
        if isinstance(choice, dict) or choice == "required":
            raise Untranslatable("tool_choice demands a call of none", param="tool_choice")
        return Tools({}, names)
    fields: Json = {"tools": functions}
    if choice is not None:
        fields["tool_choice"] = choice
    if isinstance(body.get("parallel_tool_calls"), bool):
        fields["parallel_tool_calls"] = body["parallel_tool_calls"]
    return Tools(fields, names)


def _functions(tools: list[Any], namespace: str) -> Iterator[tuple[Name, Json]]:
    for index, tool in enumerate(tools):
        match tool:
            case {"type": "function", "name": str() as name}:
                function = {key: tool[key] for key in _FUNCTION if tool.get(key) is not None}
                yield Name(name, namespace), function
            case {"type": "namespace", "name": str() as name, "tools": list() as grouped}:
                yield from _functions(grouped, name)
            case {"type": str() as kind} if kind in _SEARCHES:
                continue
            case _:
                where = f"tools.{index}"
                told = f"{where} is of type {type_of(tool)!r}, no function"
                raise Untranslatable(told, param=where)


def _choice(asked: object) -> str | Json | None:
    match asked:
        case None | "auto" | "none" | "required":
            return asked
        case {"type": "function", "name": str() as name, **rest}:
            flat = Name(name, str(rest.get("namespace") or "")).flat
            return {"type": "function", "function": {"name": flat}}
        case _:
            told = "tool_choice is none, auto, required or a function"
            raise Untranslatable(told, param="tool_choice")
