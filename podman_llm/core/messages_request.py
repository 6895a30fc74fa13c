"""A Messages request as a chat request.

Left out are fields about the caller, marks for a cache (``cache_control``), and what only colours
an answer. That includes how long to think: Claude Code says so in every request, its levels are
Claude's, and many services refuse the whole request for a level they do not know.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from podman_llm.core.messages_content import chat_messages
from podman_llm.core.translation import Json, Untranslatable, type_of

_RENAMED: Final = {
    "model": "model",
    "max_tokens": "max_completion_tokens",
    "stop_sequences": "stop",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
}
_NEVER: Final = ("container", "mcp_servers")
_CHOICES: Final = {"auto": "auto", "any": "required", "none": "none"}


def to_chat(body: Mapping[str, Any]) -> Json:
    """The chat request that asks the same; raises Untranslatable."""
    for field in _NEVER:
        if body.get(field):
            raise Untranslatable(f"{field} has no like in chat", param=field)
    given = {name: body.get(name) for name in _RENAMED}
    chat: Json = {_RENAMED[name]: value for name, value in given.items() if value not in (None, [])}
    chat |= {"messages": chat_messages(body)} | _tools(body) | _format(body)
    if body.get("stream") is True:
        chat |= {"stream": True, "stream_options": {"include_usage": True}}
    return chat


def _tools(body: Mapping[str, Any]) -> Json:
    given = body.get("tools") or []
    if not isinstance(given, list):
        raise Untranslatable("tools is not a list", param="tools")
    functions = list(_functions(given))
    choice = _choice(body.get("tool_choice"))
    if functions:
        return {"tools": functions} | choice
    if choice.get("tool_choice") not in (None, "auto", "none"):
        raise Untranslatable("tool_choice demands a call of none", param="tool_choice")
    return {}


def _functions(tools: list[Any]) -> Iterator[Json]:
    for index, tool in enumerate(tools):
        match tool:
            case {"name": str() as name, "input_schema": dict() as schema} if tool.get("type") in (
                None,
                "custom",
            ):
                function = {"name": name, "parameters": schema}
                kept = {key: tool[key] for key in ("description", "strict") if tool.get(key)}
                yield {"type": "function", "function": function | kept}
            case _:
                where = f"tools.{index}"
                told = f"{where} is of type {type_of(tool)!r}, none that the client carries out"
                raise Untranslatable(told, param=where)


def _choice(asked: object) -> Json:
    match asked:
        case None:
            return {}
        case {"type": "tool", "name": str() as name, **rest}:
            choice: Json = {"tool_choice": {"type": "function", "function": {"name": name}}}
        case {"type": str() as kind, **rest} if kind in _CHOICES:
            choice = {"tool_choice": _CHOICES[kind]}
        case _:
            told = "tool_choice is auto, any, none or a tool"
            raise Untranslatable(told, param="tool_choice")
    is_single = rest.get("disable_parallel_tool_use") is True
    return choice | ({"parallel_tool_calls": False} if is_single else {})


def _format(body: Mapping[str, Any]) -> Json:
    output = body.get("output_config")
    asked = output.get("format") if isinstance(output, dict) else None
    match asked or body.get("output_format"):  # the second was its name in the beta
        case None:
            return {}
        case {"type": "json_schema", "schema": dict() as schema}:
            named = {"name": "answer", "schema": schema, "strict": True}
            return {"response_format": {"type": "json_schema", "json_schema": named}}
        case _:
            told = "output_config.format is no JSON schema"
            raise Untranslatable(told, param="output_config.format")
