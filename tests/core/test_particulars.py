from __future__ import annotations

from typing import Any

import pytest

from podman_llm.core.particulars import is_tokens, particulars_of


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, ()),
        ({"n": 1, "best_of": None, "modalities": ["text"], "logit_bias": {}}, ()),
        ({"seed": 1, "top_k": 5, "temperature": 0, "presence_penalty": 1}, ()),
        ({"n": 2, "best_of": 3}, ("n", "best_of")),
        ({"logprobs": False}, ()),
        ({"logprobs": 0}, ("logprobs",)),
        ({"prompt": "text", "input": ["a", "b"]}, ()),
        ({"prompt": [1, 2]}, ("prompt",)),
        ({"input": [[1], [2]]}, ("input",)),
        ({"tool_choice": {"type": "auto"}}, ()),
        ({"tool_choice": {"type": "tool", "name": "a"}}, ("tool_choice",)),
        ({"parallel_tool_calls": False, "tools": [{}]}, ("parallel_tool_calls",)),
        ({"messages": "no list"}, ()),
    ],
)
def test_particulars_are_named(body: dict[str, Any], named: tuple[str, ...]) -> None:
    assert particulars_of(body) == named


@pytest.mark.parametrize(
    ("given", "are"),
    [("text", False), (["a"], False), ([], False), ([1], True), ([[1], "a"], True), (None, False)],
)
def test_tokens_are_told_from_text(given: object, are: bool) -> None:
    assert is_tokens(given) is are
