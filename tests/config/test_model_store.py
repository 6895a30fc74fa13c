from __future__ import annotations

import datetime as dt
import re

import pytest

from podman_llm.config.model_store import (
    bundled,
    find_model,
    is_hub_id,
    parser_args,
    unknown_model,
)
from podman_llm.config.models import Settings
from podman_llm.core.catalog import ModelEntry
from podman_llm.core.sizing import WINDOWS

BYTES_PER_PARAMETER = {
    "bf16": (1.95, 2.05),
    "fp8": (0.98, 1.15),  # embeddings and norms stay in 16 bits
    "awq": (0.50, 0.76),  # small models are mostly embeddings, which stay in 16 bits
    "int4": (0.50, 0.75),
    "mxfp4": (0.50, 0.70),
}
TOOL_PARSERS = {
    "deepseek_v31", "deepseek_v32", "glm45", "glm47", "hermes", "kimi_k2", "minimax_m2",
    "mistral", "openai", "qwen3_coder", "qwen3_xml", "seed_oss",
}  # fmt: skip
REASONING_PARSERS = {
    "deepseek_v3", "glm45", "kimi_k2", "minimax_m2", "openai_gptoss", "qwen3", "seed_oss",
}  # fmt: skip
# From the models' own config.json: layers with a cache, and what one token leaves in each.
CACHE_BYTES = {
    "qwen3-coder-30b-a3b": 98304,
    "qwen2.5-coder-32b": 262144,
    "gpt-oss-120b": 73728,
    "codestral-22b": 229376,
    "deepseek-coder-v2-lite": 31104,
    "deepseek-v3.1": 70272,
    "minimax-m2": 253952,
}

EACH = pytest.mark.parametrize("entry", bundled().models, ids=lambda entry: entry.model_store_id)


def test_the_store_is_dated_and_large_enough() -> None:
    dt.date.fromisoformat(bundled().dated)
    assert len(bundled().models) >= 18


def test_no_two_entries_share_an_id() -> None:
    for ids in (
        [entry.model_store_id for entry in bundled().models],
        [entry.hf_id.casefold() for entry in bundled().models],
    ):
        assert len(ids) == len(set(ids))


@EACH
def test_an_entry_is_named_and_sourced(entry: ModelEntry) -> None:
    assert re.fullmatch(r"[a-z0-9][a-z0-9.-]*[a-z0-9]", entry.model_store_id)
    assert is_hub_id(entry.hf_id)
    assert entry.source == f"https://huggingface.co/{entry.hf_id}"
    assert entry.origin == "bundled"


@EACH
def test_weights_are_the_parameters_at_their_quantisation(entry: ModelEntry) -> None:
    low, high = BYTES_PER_PARAMETER[entry.quantisation]
    assert low <= entry.weights_gb / entry.parameters_b <= high
    assert 0 < entry.active_parameters_b <= entry.parameters_b


@EACH
def test_the_size_in_the_id_is_that_of_the_model(entry: ModelEntry) -> None:
    stated = re.search(r"(?<![\d.])(\d+)b(?!\w)", entry.model_store_id)
    if stated:
        assert float(stated[1]) == pytest.approx(entry.parameters_b, rel=0.08)


@EACH
def test_the_cache_is_plausible_and_the_window_serves_an_agent(entry: ModelEntry) -> None:
    assert 10_000 <= entry.kv_bytes_per_token <= 400_000
    assert entry.context >= min(WINDOWS)
    assert entry.attention_heads >= 8
    assert entry.kv_shards == 1 or entry.attention_heads % entry.kv_shards == 0


@pytest.mark.parametrize(("model_id", "size"), list(CACHE_BYTES.items()))
def test_the_cache_of_a_token_is_computed_from_the_attention(model_id: str, size: int) -> None:
    entry = find_model(model_id, bundled().models)
    assert entry is not None
    assert entry.kv_bytes_per_token == size


@EACH
def test_parsers_are_ones_that_vllm_has_and_are_in_the_arguments(entry: ModelEntry) -> None:
    assert entry.tool_parser is None or entry.tool_parser in TOOL_PARSERS
    assert entry.reasoning_parser is None or entry.reasoning_parser in REASONING_PARSERS
    assert entry.vllm_args[-len(parser_args(entry.tool_parser, entry.reasoning_parser)) :] == (
        parser_args(entry.tool_parser, entry.reasoning_parser) or entry.vllm_args
    )
    assert ("--tool-call-parser" in entry.vllm_args) is (entry.tool_parser is not None)


def test_the_default_model_is_in_the_store() -> None:
    assert find_model(Settings().modelStoreId, bundled().models) is not None


def test_a_model_is_found_by_either_id_whatever_the_case() -> None:
    by_id = find_model("GPT-OSS-20b", bundled().models)
    assert by_id is not None
    assert by_id == find_model("OpenAI/gpt-oss-20b", bundled().models)
    assert find_model("gpt-oss", bundled().models) is None


@pytest.mark.parametrize("text", ["name", "/name", "org/", "a/b/c", "./file", "~/file", ""])
def test_what_is_no_hub_id(text: str) -> None:
    assert not is_hub_id(text)


def test_the_refusal_of_an_unknown_model_helps() -> None:
    error = unknown_model("gpt-oss-12b", bundled().models)
    assert "`gpt-oss-120b`" in error.message
    assert "podman-llm catalog" in error.hint
