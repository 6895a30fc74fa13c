"""The double's set-up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from podman_llm.testing.openai_config import OpenAIDoubleConfig


def test_answers_carry_the_first_of_the_served_names() -> None:
    assert OpenAIDoubleConfig(served_names=("a", "b")).model == "a"


def test_a_server_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="served_names is empty"):
        OpenAIDoubleConfig(served_names=())


def test_the_fingerprint_tells_version_and_flags() -> None:
    config = OpenAIDoubleConfig()
    assert config.fingerprint.startswith("vllm-0.32.0-")
    assert config.fingerprint == OpenAIDoubleConfig().fingerprint
    assert config.fingerprint != replace(config, tool_parser=False).fingerprint
