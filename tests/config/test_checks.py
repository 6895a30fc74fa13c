from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from podman_llm.config.checks import names_no_model, problems
from podman_llm.config.models import Settings

BACKEND: dict[str, Any] = {"name": "openai", "models": {"*": "gpt"}}
SIGNED = BACKEND | {"auth": "sigv4", "base_url": "https://bedrock.example/openai/v1"}


def keys(values: dict[str, Any]) -> list[str]:
    return [key for key, _ in problems(Settings.model_validate(values))]


@pytest.fixture
def private(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.touch(mode=0o600)
    return path


def test_the_defaults_have_no_problem() -> None:
    assert keys({}) == []


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ({"use_https": True}, ["ssl_cert", "ssl_key"]),
        ({"use_https": True, "ssl_cert": "/absent", "ssl_key": "/absent"}, ["ssl_cert", "ssl_key"]),
        ({"proxy": {"host": "0.0.0.0"}}, ["proxy.host"]),
        ({"proxy": {"api_keys_file": "/absent"}}, ["proxy.api_keys_file"]),
        ({"provider": {"kind": "local"}}, ["provider.local_command"]),
        ({"provider": {"api_base": "api.runpod.io"}}, ["provider.api_base"]),
        ({"provider": {"endpoint_template": "https://{pod_id}"}}, ["provider.endpoint_template"]),
        ({"endpoint": "localhost:8001"}, ["endpoint"]),
        ({"endpoint": "http://localhost:80001"}, ["endpoint"]),
        ({"endpoint": "http://localhost:8000/v1"}, ["endpoint"]),
        ({"endpoint": "http://[::1]", "proxy_port": 80}, ["endpoint"]),
        ({"endpoint": "http://gpu:8000"}, []),
        (
            {"fallback": {"backends": [BACKEND | {"base_url": "http://127.0.0.1:8000/v1"}]}},
            ["fallback.backends[0].base_url"],
        ),
        ({"budget": {"warn_webhook": "ntfy.sh/topic"}}, ["budget.warn_webhook"]),
        ({"endpoint": "http://[::1"}, ["endpoint"]),
        ({"fallback": {"backends": [BACKEND]}}, []),
        ({"fallback": {"backends": [BACKEND, BACKEND]}}, ["fallback.backends[1].name"]),
        ({"fallback": {"backends": [BACKEND | {"name": "pod"}]}}, ["fallback.backends[0].name"]),
        ({"fallback": {"backends": [BACKEND | {"models": {}}]}}, ["fallback.backends[0].models"]),
        (
            {"fallback": {"backends": [BACKEND | {"base_url": "here"}]}},
            ["fallback.backends[0].base_url"],
        ),
        ({"fallback": {"backends": [SIGNED]}}, []),
        (
            {"fallback": {"backends": [BACKEND | {"auth": "sigv4"}]}},
            ["fallback.backends[0].base_url"],
        ),
        (
            {"fallback": {"backends": [SIGNED | {"key_name": "K"}]}},
            ["fallback.backends[0].key_name"],
        ),
        (
            {"fallback": {"backends": [SIGNED | {"kind": "bedrock"}]}},
            ["fallback.backends[0].auth"],
        ),
        ({"gpu_type_id": []}, ["gpu_type_id"]),
        ({"gpu_type_id": ""}, ["gpu_type_id"]),
        ({"pod": {"clouds": []}}, ["pod.clouds"]),
        ({"pod": {"gpu_count": 0}}, ["pod.gpu_count"]),
        ({"pod": {"network_volume_id": "v", "clouds": ["COMMUNITY"]}}, ["pod.clouds"]),
        ({"cache": {"volatile_patterns": ["("]}}, ["cache.volatile_patterns"]),
    ],
)
def test_each_contradiction_is_found(values: dict[str, Any], wrong: list[str]) -> None:
    assert keys(values) == wrong


def test_files_that_are_there_are_no_problem(private: Path) -> None:
    assert keys({"use_https": True, "ssl_cert": private, "ssl_key": private}) == []
    assert keys({"proxy": {"host": "0.0.0.0", "api_keys_file": private}}) == []


def test_a_keys_file_that_others_can_read_is_a_problem(private: Path) -> None:
    private.chmod(0o644)
    [(key, what)] = problems(Settings.model_validate({"proxy": {"api_keys_file": private}}))
    assert key == "proxy.api_keys_file"
    assert f"chmod 600 {private}" in what


@pytest.mark.parametrize(
    ("model_id", "kind", "is_lost"),
    [
        ("gpt-oss-20b", "runpod", False),
        ("GPT-OSS-20B", "runpod", False),
        ("org/name", "runpod", False),
        ("gpt-oss-21b", "runpod", True),
        ("./model.gguf", "runpod", True),
        ("model.gguf", "local", False),
    ],
)
def test_a_model_is_an_entry_or_a_hub_id_or_whatever_a_local_command_serves(
    model_id: str, kind: str, is_lost: bool
) -> None:
    settings = Settings.model_validate({"modelStoreId": model_id, "provider": {"kind": kind}})
    assert names_no_model(settings) is is_lost
