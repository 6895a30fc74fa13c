from __future__ import annotations

import pytest

from podman_llm.core.converse_models import ConverseModel, Effort, Sampling, known_model


@pytest.mark.parametrize(
    ("model_id", "sampling", "limit"),
    [
        ("anthropic.claude-3-haiku-20240307-v1:0", Sampling.BOTH, 4096),
        ("anthropic.claude-3-5-sonnet-20241022-v2:0", Sampling.BOTH, 8192),
        ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", Sampling.BOTH, 64_000),
        ("us.anthropic.claude-opus-4-20250514-v1:0", Sampling.BOTH, 32_000),
        ("eu.anthropic.claude-haiku-4-5-20251001-v1:0", Sampling.EITHER, 64_000),
        ("global.anthropic.claude-sonnet-4-6", Sampling.EITHER, 64_000),
        ("global.anthropic.claude-opus-4-7", Sampling.NEITHER, 64_000),
        ("global.anthropic.claude-sonnet-5-5", Sampling.NEITHER, 128_000),
        ("global.anthropic.claude-mythos", Sampling.NEITHER, 128_000),
        ("amazon.nova-2-lite-v1:0", Sampling.BOTH, 64_000),
        ("qwen.qwen3-coder-30b-a3b-v1:0", Sampling.BOTH, 16_384),
    ],
)
def test_sampling_and_limit_follow_from_family_and_version(
    model_id: str, sampling: Sampling, limit: int
) -> None:
    model = known_model(model_id)
    assert (model.id, model.sampling, model.max_output_tokens) == (model_id, sampling, limit)


@pytest.mark.parametrize(
    ("model_id", "forced", "schema", "effort"),
    [
        ("global.anthropic.claude-sonnet-5-5", False, True, Effort.OUTPUT_CONFIG),
        ("global.anthropic.claude-opus-5-5", False, False, Effort.OUTPUT_CONFIG),
        ("global.anthropic.claude-haiku-5-5", True, True, Effort.OUTPUT_CONFIG),
        ("global.anthropic.claude-sonnet-5", True, True, Effort.OUTPUT_CONFIG),
        ("global.anthropic.claude-opus-4-7", True, False, Effort.OUTPUT_CONFIG),
        ("global.anthropic.claude-opus-4-8", True, True, Effort.OUTPUT_CONFIG),
        ("anthropic.claude-haiku-4-5-20251001-v1:0", True, True, Effort.NOWHERE),
        ("anthropic.claude-3-5-haiku-20241022-v1:0", True, False, Effort.NOWHERE),
        ("us.amazon.nova-pro-v1:0", True, False, Effort.NOWHERE),
        ("openai.gpt-oss-120b-1:0", False, True, Effort.MODEL_FIELD),
    ],
)
def test_abilities_follow_from_family_and_version(
    model_id: str,
    forced: bool,
    schema: bool,
    effort: Effort,
) -> None:
    model = known_model(model_id)
    assert model.has_forced_tools is forced
    assert model.has_json_schema is schema
    assert model.effort is effort


def test_an_arn_is_known_by_the_profile_in_it() -> None:
    arn = "arn:aws:bedrock:us-east-1:1:inference-profile/us.anthropic.claude-sonnet-4-6"
    assert known_model(arn).has_images
    assert known_model(arn).id == arn


def test_what_is_not_known_gets_the_cautious_defaults() -> None:
    assert known_model("acme.brain-1") == ConverseModel(id="acme.brain-1")
    assert not known_model("acme.brain-1").has_images
