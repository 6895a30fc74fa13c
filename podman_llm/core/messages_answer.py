"""A chat answer as a message of Anthropic's dialect."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from podman_llm.core.chat_answer import (
    CALLS,
    FILTERED,
    LENGTH,
    ChatAnswer,
    Ending,
    Kind,
    Origin,
    Section,
    Usage,
)
from podman_llm.core.translation import Json, Malformed

_REASONS: Final = {CALLS: "tool_use", LENGTH: "max_tokens", FILTERED: "refusal"}


def to_message(answer: ChatAnswer) -> Json:
    """The message for a whole answer; raises Malformed."""
    blocks = list(_blocks(answer.sections))
    is_refused = any(section.kind is Kind.REFUSAL for section in answer.sections)
    stop = stop_reason(answer.ending, is_refused=is_refused)
    return message(answer.origin, blocks, stop, answer.ending.usage)


def message(origin: Origin, blocks: Sequence[Json], stop: str | None, usage: Usage | None) -> Json:
    """The message; ``stop`` is why it ends, None while it does not."""
    return {
        "id": f"msg_{origin.stem}",
        "type": "message",
        "role": "assistant",
        "model": origin.model,
        "content": list(blocks),
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": tokens(usage),
    }


def stop_reason(ending: Ending, *, is_refused: bool) -> str:
    """Why it ended. Chat does not tell a stop sequence from the end of a turn."""
    return "refusal" if is_refused else _REASONS.get(ending.reason, "end_turn")


def tokens(usage: Usage | None) -> Json:
    """The usage, in which the prompt is without what the cache held. It has no word for unknown."""
    usage = usage or Usage()
    return {
        "input_tokens": max(0, usage.prompt - usage.cached - usage.written),
        "cache_creation_input_tokens": usage.written,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.completion,
    }


def block(section: Section) -> Json:
    """The content block of a section, of which nothing has been said."""
    match section.kind:
        case Kind.THOUGHT:
            return {"type": "thinking", "thinking": "", "signature": ""}
        case Kind.TEXT | Kind.REFUSAL:
            return {"type": "text", "text": ""}
        case Kind.CALL:
            call = {"type": "tool_use", "id": section.identity, "name": section.name}
            return call | {"input": {}}


def _blocks(sections: Sequence[Section]) -> Iterator[Json]:
    for section in sections:
        begun = block(section)
        if section.kind is not Kind.CALL:
            yield begun | {"thinking" if section.kind is Kind.THOUGHT else "text": section.said}
        elif not section.is_cut or _is_object(section.said):
            yield begun | {"input": _arguments(section.said)}


def _is_object(said: str) -> bool:
    try:
        return isinstance(json.loads(said), dict)
    except (ValueError, RecursionError):
        return False


def _arguments(said: str) -> Any:  # noqa: ANN401 - any JSON object
    """What a tool is called with; half of it would be another call, and is none."""
    if not _is_object(said):
        raise Malformed("the arguments of a call are not a JSON object")
    return json.loads(said)
