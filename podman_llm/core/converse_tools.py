"""Tools of an OpenAI request as Converse's ``toolConfig``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from podman_llm.core.converse_content import cache_point
from podman_llm.core.converse_models import ConverseModel
from podman_llm.core.converse_names import given_names, safe_name
from podman_llm.core.translation import Json, Untranslatable

_NO_PARAMETERS: Final[Json] = {"type": "object", "properties": {}}


def offered_tools(body: Mapping[str, Any]) -> list[Json]:
    """The functions that may be called, none if ``tool_choice`` says so; raises Untranslatable."""
    tools = body.get("tools")
    if not tools or body.get("tool_choice") == "none":
        return []
    if not isinstance(tools, list):
        raise Untranslatable("tools is not a list", param="tools")
    for index, tool in enumerate(tools):
        match tool:
            case {"type": "function", "function": {"name": str(), **rest}} if isinstance(
                rest.get("parameters") or {}, dict
            ):
                continue
            case _:
                told = (
                    f"tools.{index} is no function with a name and a schema, the one kind there is"
                )
                raise Untranslatable(told, param=f"tools.{index}")
    return tools


def renamed_tools(tools: list[Json]) -> dict[str, str]:
    """For each tool that Converse knows by another name, the client's name for it."""
    return given_names(tool["function"]["name"] for tool in tools)


def tool_config(body: Mapping[str, Any], tools: list[Json], model: ConverseModel) -> Json:
    """The members of a Converse request that offer ``tools``; raises Untranslatable."""
    if not tools:
        return {}
    specs: list[Json] = []
    for tool in tools:
        specs.append({"toolSpec": _spec(tool["function"])})
        if model.has_cache_points and tool.get("cache_control"):
            specs.append(cache_point())
    choice = _choice(body.get("tool_choice"), model)
    if body.get("parallel_tool_calls") is False and model.has_single_calls:
        # Converse has no member for it, Claude has; and then the choice must be told there too.
        single = {**_as_claude(choice), "disable_parallel_tool_use": True}
        fields = {"tool_choice": single}
        return {"toolConfig": {"tools": specs}, "additionalModelRequestFields": fields}
    return {"toolConfig": {"tools": specs, "toolChoice": choice} if choice else {"tools": specs}}


def _spec(function: Json) -> Json:
    parameters = function.get("parameters") or _NO_PARAMETERS
    spec = {
        "name": safe_name(function["name"]),
        "inputSchema": {"json": {"type": "object", **parameters}},
    }
    description = function.get("description")
    if isinstance(description, str) and description.strip():
        spec["description"] = description
    return spec


def _choice(asked: object, model: ConverseModel) -> Json:
    """The choice, or nothing: a model that is offered tools decides by itself."""
    match asked:
        case None | "auto":
            return {}
        case "required":
            return {"any": {}} if model.has_forced_tools else {}
        case {"type": "function", "function": {"name": str() as name}}:
            return {"tool": {"name": safe_name(name)}}
        case _:
            told = "tool_choice is none, auto, required or a function"
            raise Untranslatable(told, param="tool_choice")


def _as_claude(choice: Json) -> Json:
    match choice:
        case {"any": _}:
            return {"type": "any"}
        case {"tool": {"name": name}}:
            return {"type": "tool", "name": name}
        case _:
            return {"type": "auto"}
