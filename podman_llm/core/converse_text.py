"""Text completions by models that hold conversations: each prompt is what one user says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from podman_llm.core.converse_response import Head, to_completion
from podman_llm.core.converse_stream import DONE, as_event
from podman_llm.core.particulars import is_tokens
from podman_llm.core.translation import Json, Untranslatable

_KIND: Final = "text_completion"
_COUNTS: Final = ("prompt_tokens", "completion_tokens", "total_tokens")
_DETAILS: Final = "prompt_tokens_details"


def chats_of(body: Mapping[str, Any]) -> list[Json]:
    """A chat request for each prompt; raises Untranslatable."""
    common = {name: value for name, value in body.items() if name != "prompt"}
    return [
        {**common, "messages": [{"role": "user", "content": prompt}]}
        for prompt in _prompts(body.get("prompt"))
    ]


def _prompts(given: object) -> list[str]:
    if is_tokens(given):
        told = "prompt is in the tokens of another model; send it as text"
        raise Untranslatable(told, param="prompt")
    prompts = [given] if isinstance(given, str) else given
    if not isinstance(prompts, list) or not prompts:
        raise Untranslatable("prompt is neither a text nor a list of texts", param="prompt")
    for prompt in prompts:
        if not isinstance(prompt, str) or not prompt.strip():
            raise Untranslatable("a prompt must be a text that is not blank", param="prompt")
    return prompts


def to_text(answers: Sequence[Mapping[str, Any]], head: Head) -> Json:
    """The ``text_completion`` of Converse's answers, one for each prompt; raises Malformed."""
    spoken = [to_completion(answer, head, {}) for answer in answers]
    choices = [_choice(index, one["choices"][0]) for index, one in enumerate(spoken)]
    usage = _sum([one["usage"] for one in spoken])
    return {**head.document(_KIND), "choices": choices, "usage": usage}


def _choice(index: int, choice: Json) -> Json:
    text = choice["message"]["content"] or ""
    return {
        "index": index,
        "text": text,
        "logprobs": None,
        "finish_reason": choice["finish_reason"],
    }


def _sum(usages: Sequence[Json | None]) -> Json | None:
    told = [usage for usage in usages if usage is not None]
    if len(told) < len(usages):
        return None
    details = {name: sum(one[_DETAILS][name] for one in told) for name in told[0][_DETAILS]}
    return {**{name: sum(one[name] for one in told) for name in _COUNTS}, _DETAILS: details}


def told_as_stream(document: Json, *, has_usage: bool) -> bytes:
    """A whole text completion as the stream that was asked for.

    Several prompts are answered by several calls of which any may fail: none is told before all
    are there.
    """
    head = {name: document[name] for name in ("id", "object", "created", "model")}
    events = [as_event({**head, "choices": [choice]}) for choice in document["choices"]]
    if has_usage and document["usage"]:
        events.append(as_event({**head, "choices": [], "usage": document["usage"]}))
    return b"".join((*events, DONE))
