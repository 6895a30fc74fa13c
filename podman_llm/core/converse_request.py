"""An OpenAI chat request as a Converse request, and what of it no such request can say.

Left out without a word are fields that only colour an answer (``seed``, penalties, ``top_k``).
What ``core.particulars`` names is never left out: ``unsupported`` says what of it a model cannot
honour, so that such a request can go to somebody who can.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from podman_llm.core.converse_messages import converse_messages
from podman_llm.core.converse_models import ConverseModel, Effort, Sampling
from podman_llm.core.converse_schema import (
    JSON_ONLY,
    asks_json_object,
    text_format,
)
from podman_llm.core.converse_tools import offered_tools, renamed_tools, tool_config
from podman_llm.core.particulars import particulars_of
from podman_llm.core.translation import Json, Untranslatable

_METADATA_MOST: Final = 16
_METADATA: Final = re.compile(r"[a-zA-Z0-9\s:_@$#=/+,.-]{1,256}")
_TIERS: Final = ("flex", "priority")
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
    if named := unsupported(particulars_of(body), model):
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
    if value is None or type(value) is int or (type(value) is float and math.isfinite(value)):
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


def unsupported(particulars: Iterable[str], model: ConverseModel) -> tuple[str, ...]:
    """Those of ``core.particulars`` that ``model`` cannot honour; empty if it can be asked."""
    return tuple(name for name in particulars if not _honours(model, name))


def _honours(model: ConverseModel, particular: str) -> bool:
    match particular:
        case "tool_choice":
            return model.has_forced_tools
        case "parallel_tool_calls":
            return model.has_single_calls
        case "response_format":
            return model.has_json_schema
        case "messages":
            return model.has_images
        case _:
            return False
