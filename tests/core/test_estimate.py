from __future__ import annotations

from dataclasses import replace

import pytest

from podman_llm.core.estimate import hub_entry, with_estimate


@pytest.mark.parametrize(
    ("name", "billions", "quantisation", "weights"),
    [
        ("org/Coder-32B-Instruct", 32, "bf16", 64.0),
        ("org/Coder-32B-Instruct-AWQ", 32, "4bit", 24.0),
        ("org/coder-7b-gptq-int4", 7, "4bit", 5.2),
        ("org/Coder-1.5B", 1.5, "bf16", 3.0),
        ("org/Qwen3-30B-A3B-FP8", 30, "8bit", 33.0),
        ("org/Mixtral-8x7B", 56, "bf16", 112.0),
        ("org/Big-1T-INT4", 1000, "4bit", 750.0),
        ("org/Llama-3.3-70B", 70, "bf16", 140.0),
    ],
)
def test_a_name_tells_the_size(
    name: str, billions: float, quantisation: str, weights: float
) -> None:
    entry = with_estimate(hub_entry(name))
    assert (entry.parameters_b, entry.quantisation) == (billions, quantisation)
    assert entry.weights_gb == pytest.approx(weights, abs=0.1)
    assert entry.kv_bytes_per_token > 0


@pytest.mark.parametrize("name", ["org/Kimi-K2", "7b-labs/Model", "org/Model-v2", "org/A3Base"])
def test_a_name_that_tells_no_size_leaves_it_unknown(name: str) -> None:
    assert with_estimate(hub_entry(name)) == hub_entry(name)


def test_a_size_that_is_known_stays() -> None:
    known = replace(hub_entry("org/Coder-32B"), weights_gb=20.0)
    assert with_estimate(known) == known
