"""An OpenAI chat request as a Converse request, and what of it no such request can say.

Left out without a word are fields that only colour an answer (``seed``, penalties, ``top_k``).
Fields that change its shape or its contract are never left out: ``unsupported`` names them, so that
such a request can go to somebody who honours it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from podman_llm.core.converse_content import has_images
from podman_llm.core.converse_messages import converse_messages
from podman_llm.core.converse_models import ConverseModel, Effort, Sampling
from podman_llm.core.converse_schema import (
    JSON_ONLY,
    asks_json_object,
    asks_json_schema,
    text_format,
)
from podman_llm.core.converse_tools import offered_tools, renamed_tools, tool_config
from podman_llm.core.translation import Json, Untranslatable

_METADATA_MOST: Final = 16
_METADATA: Final = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{1,256}")
_TIERS: Final = frozenset({"flex", "priority"})
_EFFORTS: Final = {"minimal": "low"} | {
    name: name for name in ("low", "medium", "high", "xhigh", "max")
}


@dataclass(frozen=True, slots=True)
class Translated:
    """``document`` is the body to send.

    ``names`` holds the client's names of tools that Converse had to be told by another.
    """

    document: Json
    names: Mapping[str, str]


def to_converse(body: Mapping[str, Any], model: ConverseModel) -> Translated:
    """The Converse request for an OpenAI chat request; raises Untranslatable."""
    if named := unsupported(body, model):
        told = f"{model.id} cannot honour {', '.join(named)}"
        raise Untranslatable(told, param=named[0])
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Untranslatable("messages is not a list of messages", param="messages")
    tools = offered_tools(body)
    system, turns = converse_messages(
        messages, has_tools=bool(tools), has_cache_points=model.has_cache_points
    )
    if asks_json_object(body):
        system.append({"text": JSON_ONLY})
    document: Json = {"messages": turns, "inferenceConfig": _inference(body, model)}
    if system:
        document["system"] = system
    document |= tool_config(body, tools, model) | _metadata(body)
    _add_output(document, body, model)
    if (tier := body.get("service_tier")) in _TIERS:
        document["serviceTier"] = {"type": tier}
    return Translated(document, renamed_tools(tools))


def _inference(body: Mapping[str, Any], model: ConverseModel) -> Json:
    asked = _number(body, "max_completion_tokens")
    asked = _number(body, "max_tokens") if asked is None else asked
    limit = model.default_max_tokens if asked is None else int(asked)
    if limit < 1:
        raise Untranslatable("max_tokens must be at least 1", param="max_tokens")
    config: Json = {"maxTokens": min(limit, model.max_output_tokens or limit)}
    temperature, top_p = _number(body, "temperature"), _number(body, "top_p")
    if model.sampling is Sampling.NEITHER:
        temperature = top_p = None
    elif model.sampling is Sampling.EITHER and temperature is not None:
        top_p = None
    if temperature is not None:
        config["temperature"] = min(max(temperature, 0.0), 1.0)  # OpenAI's scale ends at 2
    if top_p is not None:
        config["topP"] = min(max(top_p, 0.0), 1.0)
    if stops := _stops(body.get("stop")):
        config["stopSequences"] = stops
    return config


def _number(body: Mapping[str, Any], name: str) -> float | None:
    value = body.get(name)
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise Untranslatable(f"{name} is not a number", param=name)


def _stops(asked: object) -> list[str]:
    stops = [asked] if isinstance(asked, str) else asked or []
    if not isinstance(stops, list) or not all(isinstance(stop, str) for stop in stops):
        raise Untranslatable("stop is neither a text nor a list of texts", param="stop")
    return [stop for stop in stops if stop]


def _metadata(body: Mapping[str, Any]) -> Json:
    """What the client says about itself, as far as Bedrock's log can hold it."""
    given = dict(body["metadata"]) if isinstance(body.get("metadata"), dict) else {}
    if body.get("user"):
        given["user"] = body["user"]
    kept = {name: value for name, value in given.items() if _is_loggable(name, value)}
    return {"requestMetadata": dict(list(kept.items())[-_METADATA_MOST:])} if kept else {}


def _is_loggable(*words: object) -> bool:
    return all(isinstance(word, str) and _METADATA.fullmatch(word) for word in words)


def _add_output(document: Json, body: Mapping[str, Any], model: ConverseModel) -> None:
    output = text_format(body)
    effort = _EFFORTS.get(str(body.get("reasoning_effort")))
    if effort and model.effort is Effort.OUTPUT_CONFIG:
        output["effort"] = effort
    elif effort and model.effort is Effort.MODEL_FIELD:
        document.setdefault("additionalModelRequestFields", {})["reasoning_effort"] = effort
    if output:
        document["outputConfig"] = output


# what cannot be honoured -------------------------------------------------------------------------


def unsupported(body: Mapping[str, Any], model: ConverseModel) -> tuple[str, ...]:
    """The fields of an OpenAI request that ``model`` cannot honour; empty if it can be asked.

    Names only: nothing is refused here, and whether the rest is well-formed is not looked at.
    """
    named = [name for name, asks in _NEVER.items() if name in body and asks(body[name])]
    choice, messages = body.get("tool_choice"), body.get("messages")
    if isinstance(choice, dict) and not model.has_forced_tools:
        named.append("tool_choice")
    if (
        body.get("parallel_tool_calls") is False
        and body.get("tools")
        and not model.has_single_calls
    ):
        named.append("parallel_tool_calls")
    if asks_json_schema(body) and not model.has_json_schema:
        named.append("response_format")
    if not model.has_images and isinstance(messages, list) and any(map(_shows, messages)):
        named.append("messages")
    return tuple(named)


def _shows(message: object) -> bool:
    return isinstance(message, dict) and has_images(message.get("content"))


def _is_many(value: object) -> bool:
    return value is not None and value != 1


def _is_more_than_text(value: object) -> bool:
    return bool(value) and value != ["text"]


# Each with the question whether its value asks for anything.
_NEVER: Final[Mapping[str, Callable[[object], bool]]] = {
    "n": _is_many,
    "best_of": _is_many,
    "modalities": _is_more_than_text,
    **dict.fromkeys(
        (
            *("audio", "functions", "function_call", "prediction", "web_search_options"),
            *("logprobs", "top_logprobs", "prompt_logprobs", "logit_bias", "suffix", "echo"),
            # vLLM's own
            *("allowed_token_ids", "continue_final_message", "structured_outputs"),
            *("guided_choice", "guided_grammar", "guided_json", "guided_regex"),
        ),
        bool,
    ),
}
