"""Amazon's own description of a Converse request, and the double's: what we make must suit both."""

from __future__ import annotations

import base64
import copy
from functools import cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel, Shape
from botocore.validate import ParamValidator

from podman_llm.core.converse_models import ConverseModel, Sampling
from podman_llm.core.converse_request import Translated, to_converse
from podman_llm.testing.bedrock_validation import check_converse

ABLE = ConverseModel(
    id="able",
    has_single_calls=True,
    has_json_schema=True,
    has_images=True,
    has_cache_points=True,
)
PLAIN = ConverseModel(id="plain", sampling=Sampling.NEITHER, has_forced_tools=False)
PNG = base64.b64encode(b"\x89PNG made up").decode()


@cache
def _request_shape() -> Shape:
    described = Loader().load_service_model("bedrock-runtime", "service-2")
    return ServiceModel(described).operation_model("Converse").input_shape


def check(document: dict[str, Any]) -> None:
    """Raise unless Amazon's client would send the request and the double answer it."""
    report = ParamValidator().validate(
        {"modelId": "m", **copy.deepcopy(document)}, _request_shape()
    )
    assert not report.has_errors(), report.generate_report()
    check_converse(document)


def translate(body: dict[str, Any], model: ConverseModel = ABLE) -> Translated:
    """The translation of a chat request, checked."""
    translated = to_converse({"model": "m", **body}, model)
    check(translated.document)
    return translated


def turns(*messages: dict[str, Any], **fields: Any) -> list[dict[str, Any]]:
    """The turns for ``messages``."""
    turned: list[dict[str, Any]] = translate({"messages": list(messages), **fields}).document[
        "messages"
    ]
    return turned


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def function(name: str, **parameters: Any) -> dict[str, Any]:
    """A tool."""
    schema = {"type": "object", "properties": parameters}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


def calls(*named: tuple[str, str, str], content: str | None = None) -> dict[str, Any]:
    """An assistant's message with calls of (id, name, arguments)."""
    made = [
        {"id": identity, "type": "function", "function": {"name": name, "arguments": arguments}}
        for identity, name, arguments in named
    ]
    return {"role": "assistant", "content": content, "tool_calls": made}


def result(identity: str, content: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": identity, "content": content}
