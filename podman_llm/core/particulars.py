"""What a request asks for that not every model honours, by the names of its fields.

Fields that only colour an answer (``seed``, penalties, ``top_k``) are none: without them it is
another sample of the same. Fields that change its shape or its contract are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from podman_llm.core.converse_content import has_images
from podman_llm.core.converse_schema import asks_json_schema


def particulars_of(body: Mapping[str, Any]) -> tuple[str, ...]:
    """The fields of a request that bind its answer; whether they are well-formed is not asked."""
    named = [name for name, asks in _ALONE.items() if name in body and asks(body[name])]
    return (*named, *_together(body))


def is_tokens(given: object) -> bool:
    """Whether a text, or any of a list of texts, is given in the tokens of some model."""
    return isinstance(given, list) and any(isinstance(one, int | list) for one in given)


def _together(body: Mapping[str, Any]) -> Iterator[str]:
    """Those that take more than one look."""
    choice = body.get("tool_choice")
    if isinstance(choice, dict) and choice.get("type") not in ("auto", "none"):
        yield "tool_choice"
    if body.get("parallel_tool_calls") is False and body.get("tools"):
        yield "parallel_tool_calls"
    if asks_json_schema(body):
        yield "response_format"
    messages = body.get("messages")
    if isinstance(messages, list) and any(map(_shows, messages)):
        yield "messages"


def _shows(message: object) -> bool:
    return isinstance(message, dict) and has_images(message.get("content"))


def _is_many(value: object) -> bool:
    return value is not None and value != 1


def _is_more_than_text(value: object) -> bool:
    return bool(value) and value != ["text"]


def _is_count(value: object) -> bool:
    """In completions 0 asks for some."""
    return value is not None and value is not False


# Each with the question whether its value asks for anything.
_ALONE: Final[Mapping[str, Callable[[object], bool]]] = {
    "n": _is_many,
    "best_of": _is_many,
    "modalities": _is_more_than_text,
    "logprobs": _is_count,
    "prompt": is_tokens,
    "input": is_tokens,
    **dict.fromkeys(
        (
            *("audio", "functions", "function_call", "prediction", "web_search_options"),
            *("top_logprobs", "prompt_logprobs", "logit_bias", "suffix", "echo"),
            # vLLM's own
            *("allowed_token_ids", "continue_final_message", "structured_outputs"),
            *("guided_choice", "guided_grammar", "guided_json", "guided_regex"),
        ),
        bool,
    ),
}
