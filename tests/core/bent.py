"""Requests and answers of all members, and each of them with something odd in one place.

What clients and servers send is JSON and nothing more is certain: what cannot be read is refused in
words, and is never a defect of ours.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from typing import Any, Final

from podman_llm.core.completion import Endpoint

_ODD: Final[tuple[Any, ...]] = (
    None,
    True,
    0,
    -1,
    1.5,
    10**400,
    math.inf,
    math.nan,
    "",
    "x",
    "\u00e9\ud800",
    [],
    [[]],
    [None],
    ["x"],
    [1e300],
    {},
    {"type": []},
    {"type": "text", "text": []},
)


def bent(document: Any) -> Iterator[Any]:
    """The document, again and again, each time with another value in one of its places."""
    for place in _places(document):
        for odd in _ODD:
            made = copy.deepcopy(document)
            inside = made
            for step in place[:-1]:
                inside = inside[step]
            inside[place[-1]] = copy.deepcopy(odd)
            yield made


def _places(document: Any) -> Iterator[tuple[Any, ...]]:
    steps = range(len(document)) if isinstance(document, list) else document
    for step in steps if isinstance(document, dict | list) else ():
        yield (step,)
        yield from ((step, *rest) for rest in _places(document[step]))


SCHEMA: Final = {"type": "object", "properties": {"a": {"anyOf": [{"type": "string"}]}}}
REQUESTS: Final[dict[Endpoint, dict[str, Any]]] = {
    Endpoint.CHAT: {
        "model": "m",
        "max_tokens": 5,
        "max_completion_tokens": 5,
        "stream": True,
        "stream_options": {"include_usage": True},
        "stop": ["a"],
        "temperature": 1,
        "top_p": 1,
        "n": 1,
        "logprobs": False,
        "logit_bias": {},
        "modalities": ["text"],
        "reasoning_effort": "low",
        "metadata": {"a": "b"},
        "service_tier": "flex",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "n", "description": "d", "schema": SCHEMA},
        },
        "tools": [
            {
                "type": "function",
                "function": {"name": "f", "description": "d", "parameters": SCHEMA},
                "cache_control": {"type": "ephemeral"},
            }
        ],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "parallel_tool_calls": False,
        "messages": [
            {"role": "system", "content": "s"},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,aaaa"}},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
                ],
            },
            {"role": "tool", "tool_call_id": "1", "content": "r"},
        ],
    },
    Endpoint.COMPLETIONS: {
        "model": "m",
        "prompt": ["a", "b"],
        "suffix": "",
        "max_tokens": 5,
        "best_of": 1,
        "stream": True,
        "logprobs": None,
        "stop": "x",
        "echo": False,
    },
    Endpoint.EMBEDDINGS: {
        "model": "m",
        "input": ["a", "b"],
        "encoding_format": "base64",
        "dimensions": 256,
        "normalize": True,
    },
    Endpoint.RESPONSES: {
        "model": "m",
        "max_output_tokens": 5,
        "stream": True,
        "instructions": "i",
        "include": ["x"],
        "reasoning": {"effort": "low"},
        "text": {"format": {"type": "json_schema", "name": "n", "schema": SCHEMA}},
        "parallel_tool_calls": True,
        "tool_choice": {"type": "function", "name": "f", "namespace": "ns"},
        "tools": [
            {"type": "function", "name": "f", "parameters": SCHEMA, "strict": True},
            {"type": "namespace", "name": "ns", "tools": [{"type": "function", "name": "g"}]},
            {"type": "web_search"},
        ],
        "input": [
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "x"},
                    {"type": "input_image", "image_url": "u", "detail": "low"},
                ],
            },
            {"type": "reasoning", "summary": []},
            {
                "type": "function_call",
                "call_id": "1",
                "name": "f",
                "namespace": "ns",
                "arguments": "{}",
            },
            {"type": "function_call_output", "call_id": "1", "output": "o"},
        ],
    },
    Endpoint.MESSAGES: {
        "model": "m",
        "max_tokens": 5,
        "stream": True,
        "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
        "thinking": {"type": "enabled"},
        "stop_sequences": ["a"],
        "output_config": {"effort": "high", "format": {"type": "json_schema", "schema": SCHEMA}},
        "tools": [{"name": "f", "description": "d", "input_schema": SCHEMA}],
        "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
        "messages": [
            {"role": "user", "content": "x"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "t"},
                    {"type": "text", "text": "a"},
                    {"type": "tool_use", "id": "1", "name": "f", "input": {"a": 1}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {
                        "type": "tool_result",
                        "tool_use_id": "1",
                        "content": [
                            {"type": "text", "text": "r"},
                            {"type": "image", "source": {"type": "url", "url": "http://x"}},
                        ],
                    },
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": "aaaa"},
                    },
                ],
            },
        ],
    },
}
"""A request to each endpoint that says all that can be said."""

_CALL: Final = {
    "index": 0,
    "id": "1",
    "type": "function",
    "function": {"name": "f", "arguments": "{}"},
}
_USAGE: Final = {
    "prompt_tokens": 1,
    "completion_tokens": 2,
    "prompt_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 1},
}
COMPLETION: Final[dict[str, Any]] = {
    "id": "chatcmpl-1",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"content": "x", "reasoning": "r", "refusal": None, "tool_calls": [_CALL]},
            "finish_reason": "tool_calls",
        }
    ],
    "usage": _USAGE,
}
CHUNKS: Final[list[dict[str, Any]]] = [
    {
        "id": "chatcmpl-1",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "delta": {"content": "x", "reasoning": "r"}}],
    },
    {"choices": [{"index": 0, "delta": {"tool_calls": [_CALL]}, "finish_reason": "tool_calls"}]},
    {"choices": [], "usage": _USAGE},
]
CONVERSED: Final[dict[str, Any]] = {
    "output": {
        "message": {
            "role": "assistant",
            "content": [
                {"text": "a"},
                {"reasoningContent": {"reasoningText": {"text": "r"}}},
                {"toolUse": {"toolUseId": "1", "name": "f", "input": {"a": 1}}},
            ],
        }
    },
    "stopReason": "tool_use",
    "usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2, "cacheReadInputTokens": 1},
}
"""What Bedrock answers a chat with, and below it texts to be embedded."""
INVOKED: Final[tuple[dict[str, Any], ...]] = (
    {"embedding": [0.5, 0.25], "inputTextTokenCount": 3},
    {"embeddings": {"float": [[0.5, 0.25]]}, "meta": {"billed_units": {"input_tokens": 3}}},
)
