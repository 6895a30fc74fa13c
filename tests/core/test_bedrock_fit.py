from __future__ import annotations

from typing import Any

import pytest

from podman_llm.core.abilities import needs_of
from podman_llm.core.bedrock_fit import misfit
from podman_llm.core.completion import Endpoint

OLD = "us.anthropic.claude-3-7-sonnet-20250219-v1:0"
NEW = "global.anthropic.claude-sonnet-5-5"
TITAN = "amazon.titan-embed-text-v2:0"
FORCED = {"type": "function", "function": {"name": "a"}}
SCHEMA = {"type": "json_schema", "json_schema": {"schema": {}}}
IMAGE = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}


@pytest.mark.parametrize(
    ("endpoint", "model_id", "body", "why"),
    [
        (Endpoint.CHAT, NEW, {}, ""),
        (Endpoint.CHAT, NEW, {"response_format": SCHEMA}, ""),
        (Endpoint.CHAT, OLD, {"tool_choice": FORCED}, ""),
        (Endpoint.CHAT, NEW, {"tool_choice": FORCED}, f"cannot honour tool_choice with {NEW}"),
        (
            Endpoint.CHAT,
            OLD,
            {"response_format": SCHEMA, "n": 2},
            f"cannot honour n, response_format with {OLD}",
        ),
        (Endpoint.CHAT, "qwen.qwen3-coder", {"messages": [IMAGE]}, "messages"),
        (Endpoint.COMPLETIONS, NEW, {"prompt": "a"}, ""),
        (Endpoint.COMPLETIONS, NEW, {"prompt": [1]}, "cannot honour prompt"),
        (Endpoint.COMPLETIONS, NEW, {"prompt": "a", "echo": True}, "cannot honour echo"),
        (Endpoint.CHAT, TITAN, {}, f"has only embeddings by {TITAN}"),
        (Endpoint.EMBEDDINGS, NEW, {"input": "a"}, f"has no embeddings by {NEW}"),
        (Endpoint.EMBEDDINGS, TITAN, {"input": "a"}, ""),
        (Endpoint.EMBEDDINGS, TITAN, {"input": "a", "dimensions": 512}, ""),
        (
            Endpoint.EMBEDDINGS,
            TITAN,
            {"input": "a", "dimensions": 768},
            f"makes vectors of 1024, 512 or 256 dimensions with {TITAN}",
        ),
        (Endpoint.EMBEDDINGS, TITAN, {"input": [1, 2]}, "input must be sent as text"),
        (Endpoint.EMBEDDINGS, TITAN, {"input": "a", "n": 2}, f"cannot honour n with {TITAN}"),
    ],
)
def test_what_a_model_cannot_is_known_before_it_is_asked(
    endpoint: Endpoint, model_id: str, body: dict[str, Any], why: str
) -> None:
    told = misfit(needs_of(endpoint, body), model_id)
    assert why in told if why else told == ""
