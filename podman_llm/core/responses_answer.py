"""A chat answer as a Responses object."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from podman_llm.core.chat_answer import (
    FILTERED,
    LENGTH,
    ChatAnswer,
    Ending,
    Kind,
    Origin,
    Section,
    Usage,
)
from podman_llm.core.responses_tools import Name
from podman_llm.core.translation import Json

PARTS: Final = {
    Kind.THOUGHT: ("reasoning_text", "text"),
    Kind.TEXT: ("output_text", "text"),
    Kind.REFUSAL: ("refusal", "refusal"),
}
"""For each kind of text the type of its part, and the field of the text in it."""
_PREFIXES: Final = {Kind.THOUGHT: "rs", Kind.TEXT: "msg", Kind.REFUSAL: "msg", Kind.CALL: "fc"}
_INCOMPLETE: Final = {LENGTH: "max_output_tokens", FILTERED: FILTERED}
# Of the request, with what stands for each if it is not there.
_REPEATED: Final[Json] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "reasoning": None,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "truncation": "disabled",
}


def to_response(answer: ChatAnswer, asked: Mapping[str, Any], names: Mapping[str, Name]) -> Json:
    """The ``response`` for a whole answer; ``asked`` is the request, ``names`` its functions'."""
    items = [item(section, answer.origin, names) for section in answer.sections]
    return response(answer.origin, asked, items, answer.ending)


def response(
    origin: Origin, asked: Mapping[str, Any], items: Sequence[Json], ending: Ending | None
) -> Json:
    """The ``response``, still in progress without ``ending``."""
    why = _INCOMPLETE.get(ending.reason) if ending else None
    status = "incomplete" if why else "completed" if ending else "in_progress"
    told = {name: _given(asked.get(name), bare) for name, bare in _REPEATED.items()}
    return {
        "id": f"resp_{origin.stem}",
        "object": "response",
        "created_at": origin.created,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": why} if why else None,
        "model": origin.model,
        "output": list(items),
        "previous_response_id": None,
        "store": False,
        "usage": _usage(ending.usage) if ending and ending.usage else None,
        **told,
    }


def item(
    section: Section, origin: Origin, names: Mapping[str, Name], *, is_begun: bool = False
) -> Json:
    """The output item of a section; ``is_begun``: nothing has been said in it."""
    status = "in_progress" if is_begun else "incomplete" if section.is_cut else "completed"
    head = {"id": f"{_PREFIXES[section.kind]}_{origin.stem}_{section.number}", "status": status}
    parts = [] if is_begun else [part(section)] if section.kind is not Kind.CALL else []
    match section.kind:
        case Kind.CALL:
            name = names.get(section.name, Name(section.name))
            call = {"type": "function_call", "call_id": section.identity, "name": name.name}
            spaced = {"namespace": name.namespace} if name.namespace else {}
            return head | call | spaced | {"arguments": "" if is_begun else section.said}
        case Kind.THOUGHT:
            return head | {"type": "reasoning", "summary": [], "content": parts}
        case Kind.TEXT | Kind.REFUSAL:
            return head | {"type": "message", "role": "assistant", "content": parts}


def part(section: Section, *, is_begun: bool = False) -> Json:
    """The part of an item that holds a text."""
    kind, field = PARTS[section.kind]
    made = {"type": kind, field: "" if is_begun else section.said}
    return made | ({"annotations": [], "logprobs": []} if section.kind is Kind.TEXT else {})


def _given(value: object, bare: object) -> object:
    return bare if value is None else value


def _usage(usage: Usage) -> Json:
    return {
        "input_tokens": usage.prompt,
        "input_tokens_details": {
            "cached_tokens": usage.cached,
            "cache_write_tokens": usage.written,
        },
        "output_tokens": usage.completion,
        "output_tokens_details": {"reasoning_tokens": usage.thought},
        "total_tokens": usage.prompt + usage.completion,
    }
