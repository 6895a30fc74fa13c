"""A Responses request as a chat request.

Left out are fields about the caller and the bookkeeping, and what only colours an answer. What
refers to something kept at a server (``previous_response_id``), or asks for more than chat can
give back, is not said in other words but refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from podman_llm.core.responses_input import chat_messages
from podman_llm.core.responses_tools import Name, chat_tools
from podman_llm.core.translation import Json, Untranslatable

_RENAMED: Final = {
    "model": "model",
    "max_output_tokens": "max_completion_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
}
_NEVER: Final = ("background", "conversation", "previous_response_id", "prompt", "top_logprobs")
_LOGPROBS: Final = "message.output_text.logprobs"


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """``body`` is chat's; ``names`` are the client's names of functions by chat's."""

    body: Json
    names: Mapping[str, Name]


def to_chat(body: Mapping[str, Any]) -> ChatRequest:
    """The chat request that asks the same; raises Untranslatable."""
    for field in _NEVER:
        if body.get(field):
            raise Untranslatable(f"{field} has no like in chat", param=field)
    included = body.get("include")
    if isinstance(included, list) and _LOGPROBS in included:
        raise Untranslatable(f"include asks for {_LOGPROBS}", param="include")
    tools = chat_tools(body)
    chat: Json = {to: body[name] for name, to in _RENAMED.items() if body.get(name) is not None}
    chat |= {"messages": chat_messages(body)} | tools.fields | _format(body.get("text"))
    reasoning = body.get("reasoning")
    if isinstance(reasoning, dict) and isinstance(reasoning.get("effort"), str):
        chat["reasoning_effort"] = reasoning["effort"]
    if body.get("stream") is True:
        chat |= {"stream": True, "stream_options": {"include_usage": True}}
    return ChatRequest(chat, tools.names)


def _format(asked: object) -> Json:
    match asked:
        case {"format": {"type": "json_schema", **schema}}:
            return {"response_format": {"type": "json_schema", "json_schema": schema}}
        case {"format": {"type": "json_object"}}:
            return {"response_format": {"type": "json_object"}}
        case {"format": {"type": str() as kind}} if kind != "text":
            raise Untranslatable(f"text.format is of type {kind!r}", param="text.format")
        case _:
            return {}
