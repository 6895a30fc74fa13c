from __future__ import annotations

from pathlib import Path
from types import NoneType

import pytest

from podman_llm.config.environment import (
    kinds_of,
    read_environment,
    unknown_variables,
    variable_of,
)
from podman_llm.config.origins import dotted_keys


@pytest.mark.parametrize(
    ("variable", "key"),
    [
        ("RUNPOD_ENDPOINT", "endpoint"),
        ("CACHE_DIR", "cache_dir"),
        ("MAX_CACHE_SIZE", "max_cache_size"),
        ("CACHE_SIZE_BYTES", "max_cache_bytes"),
        ("ENABLE_PROFILING", "enable_profiling"),
        ("USE_HTTPS", "use_https"),
        ("SSL_CERT", "ssl_cert"),
        ("SSL_KEY", "ssl_key"),
        ("PODMAN_LLM_MODELSTOREID", "modelStoreId"),
        ("PODMAN_LLM_POD__MAX_PRICE_PER_HOUR", "pod.max_price_per_hour"),
    ],
)
def test_each_setting_has_its_variable(variable: str, key: str) -> None:
    assert variable_of(key) == variable


def test_no_two_settings_share_a_variable() -> None:
    variables = [variable_of(key) for key in dotted_keys()]
    assert len(variables) == len(set(variables))


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("proxy_port", "8001", 8001),
        ("runtime_seconds", "90.5", 90.5),
        ("use_https", "yes", True),
        ("use_https", "0", False),
        ("use_https", "perhaps", "perhaps"),
        ("proxy_port", "eighty", "eighty"),
        ("modelStoreId", "123", "123"),
        ("gpu_type_id", "NVIDIA L4", "NVIDIA L4"),
        ("gpu_type_id", "NVIDIA L4, NVIDIA A40", ["NVIDIA L4", "NVIDIA A40"]),
        ("gpu_type_id", '["NVIDIA L4"]', ["NVIDIA L4"]),
        ("pod.clouds", "SECURE", ["SECURE"]),
        ("pod.gpu_count", "auto", "auto"),
        ("pod.gpu_count", "2", 2),
        ("pod.idle_seconds", "null", None),
        ("template_id", "null", None),
        ("modelStoreId", "null", "null"),
    ],
)
def test_text_becomes_what_a_file_would_hold(key: str, text: str, value: object) -> None:
    variable = variable_of(key)
    assert read_environment({variable: text}) == {key: (variable, value)}


def test_an_empty_variable_sets_nothing() -> None:
    assert read_environment({"CACHE_DIR": ""}) == {}


def test_a_misspelt_variable_of_ours_is_named_with_the_nearest_and_without_its_value() -> None:
    [sentence] = unknown_variables({"PODMAN_LLM_PROXY_PROT": "geheim", "OTHER": "x"})
    assert "PODMAN_LLM_PROXY_PROT" in sentence
    assert "`PODMAN_LLM_PROXY_PORT`" in sentence
    assert "geheim" not in sentence


def test_the_command_lines_own_variable_is_no_setting() -> None:
    assert list(unknown_variables({"PODMAN_LLM_STATE_DIR": "/x"})) == []


def test_kinds_are_seen_through_unions_and_constraints() -> None:
    assert kinds_of("pod.gpu_count") == {int, str}
    assert kinds_of("gpu_type_id") == {str, tuple}
    assert kinds_of("cache_dir") == {Path, NoneType}
    assert kinds_of("pod.idle_seconds") == {float, NoneType}
