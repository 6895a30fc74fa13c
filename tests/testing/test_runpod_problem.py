from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from podman_llm.testing.runpod_problem import Problem, edge_page, invalid, rate_limited

Check = Callable[[str, Any], None]


@pytest.mark.parametrize("status", [400, 401, 402, 403, 404, 405, 409, 410, 413, 422, 429, 500])
def test_each_problem_is_in_the_published_shape(status: int, published: Check) -> None:
    answer = Problem(status, "why").response()
    assert (answer.status, answer.content_type) == (status, "application/problem+json")
    assert isinstance(answer.body, bytes)
    published("ErrorResponse", json.loads(answer.body))


def test_a_broken_body_lists_each_violation() -> None:
    answer = invalid("$: one", "$: two").response()
    assert isinstance(answer.body, bytes)
    assert json.loads(answer.body) == {
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "Request validation failed.",
        "errors": ["$: one", "$: two"],
    }


def test_retry_after_is_whole_seconds_and_never_zero() -> None:
    assert rate_limited(0.2).headers == {"Retry-After": "1"}


@pytest.mark.parametrize("status", [404, 502, 503, 520, 524])
def test_the_edge_answers_html(status: int) -> None:
    page = edge_page(status)
    assert (page.status, page.content_type) == (status, "text/html")
    assert str(status) in str(page.text)
