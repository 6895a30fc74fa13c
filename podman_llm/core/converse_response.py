"""A Converse answer as an OpenAI chat completion."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from podman_llm.core.translation import Json, Malformed

_REASONS: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "content_filtered": "content_filter",
    "guardrail_intervened": "content_filter",
}
_MALFORMED: Final = frozenset({"malformed_model_output", "malformed_tool_use"})


@dataclass(frozen=True, slots=True)
class Head:
    """What every document and chunk of an answer carries. ``created`` is in UTC seconds.

    ``model`` is the one that answered, not the name it was asked under.
    """

    id: str
    created: int
    model: str

    def document(self, kind: str) -> Json:
        """The first members of a document of ``kind``."""
        return {"id": self.id, "object": kind, "created": self.created, "model": self.model}


def to_completion(answer: Mapping[str, Any], head: Head, names: Mapping[str, str]) -> Json:
    """The ``chat.completion``; raises Malformed. ``names`` is that of ``Translated``."""
    match answer:
        case {"output": {"message": {"content": list() as blocks}}, "stopReason": str() as stop}:
            message, has_calls = _message(blocks, names)
        case _:
            raise Malformed("the answer is not one of Converse")
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": finish_reason(stop, has_calls=has_calls),
    }
    usage = usage_of(answer.get("usage"))
    return {**head.document("chat.completion"), "choices": [choice], "usage": usage}


def finish_reason(stop: str, *, has_calls: bool) -> str:
    """OpenAI's word for why a model stopped; raises Malformed.

    Some models end a turn with calls in it as any other; clients look at the reason, not for calls.
    """
    if stop in _MALFORMED:
        raise Malformed(f"the model's output could not be read ({stop})")
    reason = _REASONS.get(stop, "stop")
    return "tool_calls" if has_calls and reason == "stop" else reason


def usage_of(usage: object) -> Json | None:
    """Token counts in OpenAI's sense: the prompt includes what the cache held; None if untold.

    Writing to the cache has its own price, hence its own count, under the name that others use.
    """
    if not isinstance(usage, dict):
        return None
    read = _count(usage, "cacheReadInputTokens", "cacheReadInputTokenCount")
    written = _count(usage, "cacheWriteInputTokens", "cacheWriteInputTokenCount")
    prompt = _count(usage, "inputTokens") + read + written
    completion = _count(usage, "outputTokens")
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": read, "cache_write_tokens": written},
    }


def _count(usage: Json, *names: str) -> int:
    return next((usage[name] for name in names if type(usage.get(name)) is int), 0)


def _message(blocks: list[Any], names: Mapping[str, str]) -> tuple[Json, bool]:
    texts, thoughts, calls = [], [], []
    for block in blocks:
        match block:
            case {"text": str() as text}:
                texts.append(text)
            case {"reasoningContent": {"reasoningText": {"text": str() as text}}}:
                thoughts.append(text)
            case {"toolUse": {"toolUseId": str() as identity, "name": str() as name, **rest}}:
                calls.append(_call(identity, names.get(name, name), rest.get("input")))
            case _:
                pass  # redacted thoughts, citations, and what Converse may learn to say
    message: Json = {"role": "assistant", "content": "".join(texts) if texts or not calls else None}
    if thoughts:
        message["reasoning_content"] = "".join(thoughts)
    if calls:
        message["tool_calls"] = calls
    return message, bool(calls)


def _call(identity: str, name: str, given: object) -> Json:
    arguments = json.dumps({} if given is None else given, ensure_ascii=False)
    return {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}
