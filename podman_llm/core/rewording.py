"""A request as a service that is not our pod understands it.

Only who answers in the pod's place gets a body of ours; the pod gets the client's, byte for byte.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from podman_llm.core.completion import Endpoint

# Sampling and templating that only vLLM knows. Others refuse the whole request for one of them,
# and without it the answer is another sample of the same. What binds the answer is a need instead.
_VLLM_FIELDS: Final = frozenset(
    {
        "add_generation_prompt",
        "add_special_tokens",
        "bad_words",
        "cache_salt",
        "chat_template",
        "chat_template_kwargs",
        "documents",
        "ignore_eos",
        "include_reasoning",
        "include_stop_str_in_output",
        "kv_transfer_params",
        "length_penalty",
        "min_p",
        "min_tokens",
        "mm_processor_kwargs",
        "priority",
        "repetition_penalty",
        "request_id",
        "return_token_ids",
        "return_tokens_as_token_ids",
        "skip_special_tokens",
        "spaces_between_special_tokens",
        "stop_token_ids",
        "top_k",
        "truncate_prompt_tokens",
        "use_beam_search",
        "vllm_xargs",
    }
)
# What agents echo of the pod's reasoning; others know no such field of a message.
_REASONING: Final = frozenset({"reasoning", "reasoning_content"})
_LIMITS: Final = ("max_completion_tokens", "max_tokens")  # the first one counts for more
# Messages always set one, and embeddings have none.
_LIMITED: Final = {
    Endpoint.CHAT: "max_tokens",
    Endpoint.COMPLETIONS: "max_tokens",
    Endpoint.RESPONSES: "max_output_tokens",
}
# In the dialect of messages ``top_k`` is no addition of vLLM's.
_MESSAGES_OWN: Final = frozenset({"top_k"})


@dataclass(frozen=True, slots=True)
class Wording:
    """How a service wants to be asked.

    ``limit_field`` is its name for the limit of a chat's answer, empty if it takes either.
    ``limit`` is the one of a request that sets none, in tokens; None leaves it to the service.
    """

    takes_vllm_fields: bool
    limit_field: str
    limit: int | None = None


def reword(body: bytes, endpoint: Endpoint | None, model: str, wording: Wording) -> bytes:
    """The request under the service's own name of the model; ``body`` must be a JSON object."""
    asked: dict[str, Any] = json.loads(body)
    asked["model"] = model
    if not wording.takes_vllm_fields:
        dropped = _VLLM_FIELDS - (_MESSAGES_OWN if endpoint is Endpoint.MESSAGES else frozenset())
        asked = {name: value for name, value in asked.items() if name not in dropped}
        asked |= _plain_messages(asked.get("messages"))
    if wording.limit is not None and endpoint in _LIMITED:
        _set_limit(asked, _LIMITED[endpoint], wording.limit)
    if endpoint is Endpoint.CHAT and wording.limit_field:
        _rename_limit(asked, wording.limit_field)
    return json.dumps(asked, separators=(",", ":")).encode()


def _set_limit(asked: dict[str, Any], field: str, limit: int) -> None:
    names = {field, *_LIMITS}
    if all(asked.get(name) is None for name in names):
        for name in names:
            asked.pop(name, None)
        asked[field] = limit


def _rename_limit(asked: dict[str, Any], field: str) -> None:
    limits = [asked.pop(name) for name in _LIMITS if name in asked]
    if limits:
        asked[field] = limits[0]


def _plain_messages(messages: object) -> dict[str, list[object]]:
    if not isinstance(messages, list):
        return {}
    return {"messages": [_without_reasoning(message) for message in messages]}


def _without_reasoning(message: object) -> object:
    if not isinstance(message, Mapping) or not _REASONING & message.keys():
        return message
    return {name: value for name, value in message.items() if name not in _REASONING}
