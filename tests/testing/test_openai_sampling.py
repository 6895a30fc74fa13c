"""What is asked of the sampler."""

from __future__ import annotations

from typing import Any

import pytest

from podman_llm.testing.openai_errors import Refused
from podman_llm.testing.openai_sampling import Sampling, check_grammar, read_sampling


def _read(**body: Any) -> Sampling:
    return read_sampling(body, vocabulary_size=2048, max_model_len=512)


def test_the_defaults_are_one_answer_without_a_limit() -> None:
    sampling = _read()
    assert (sampling.n, sampling.max_tokens, sampling.stops) == (1, None, ())
    assert sampling.top_logprobs is None


def test_the_newer_name_of_the_limit_wins() -> None:
    assert _read(max_tokens=5, max_completion_tokens=7).max_tokens == 7


@pytest.mark.parametrize(
    ("body", "is_random"),
    [
        ({}, False),
        ({"temperature": 0}, False),
        ({"temperature": 0.7}, True),
        ({"temperature": 0.7, "seed": 1}, False),
    ],
)
def test_only_a_temperature_without_a_seed_is_random(
    body: dict[str, Any], *, is_random: bool
) -> None:
    assert _read(**body).is_random == is_random


def test_logprobs_are_asked_for_in_both_ways() -> None:
    assert _read(logprobs=True).top_logprobs == 0
    assert _read(logprobs=True, top_logprobs=3).top_logprobs == 3
    assert _read(logprobs=4).top_logprobs == 4


def test_a_penalty_out_of_range_is_refused_by_name() -> None:
    with pytest.raises(Refused, match="frequency_penalty must be in"):
        _read(frequency_penalty=-3)


def test_a_grammar_is_checked_to_its_depth() -> None:
    bad = {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "quux"}}}}
    with pytest.raises(Refused, match="Invalid type: quux"):
        check_grammar(bad)
