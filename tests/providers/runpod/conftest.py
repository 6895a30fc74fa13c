"""RunPod's API as canned answers, byte for byte, without a server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import responses

from podman_llm.config.models import ProviderSettings
from podman_llm.providers.runpod.client import RunpodClient
from podman_llm.providers.runpod.provider import RunpodProvider
from podman_llm.testing.clock import FakeClock

KEY = "rpa_SECRETSECRETSECRETSECRETSECRET"
API = "https://api.runpod.io"
PROBLEM = "application/problem+json"
HTML = "<!DOCTYPE html><html><head><title>502: Bad gateway</title></head></html>"


def pod_document(pod_id: str = "pod1", name: str = "pllm-a", **changes: Any) -> dict[str, Any]:
    """A pod as the API shows it, all published fields present."""
    return {
        "id": pod_id,
        "name": name,
        "image": "vllm/vllm-openai:v0.32.0",
        "args": "",
        "disk": 60,
        "ports": ["8000/http", "22/tcp"],
        "env": {"PLLM_OWNER": "abc234"},
        "registry": None,
        "status": "RUNNING",
        "actions": ["stop", "restart", "terminate"],
        "mounts": {},
        "gpu": {"id": "NVIDIA L40S", "count": 2},
        "cloud": "SECURE",
        "dataCenterId": "EU-RO-1",
        "cudaVersion": "12.8",
        "ssh": {"proxy": None, "direct": None},
        "template": None,
        "cost": 0.79,
        "locked": False,
        "globalNetworking": {"enabled": False, "ip": None, "internalDns": None},
        "runtime": {"uptime": 42, "gpus": [], "ports": []},
        "createdAt": "2026-11-20T20:00:00Z",
        "startedAt": "2026-11-20T20:01:00.5Z",
    } | changes


def problem(status: int, detail: str, **more: Any) -> dict[str, Any]:
    """Arguments of an answer in RunPod's own words."""
    body = {"title": "Title", "status": status, "detail": detail, **more}
    return {"status": status, "body": json.dumps(body), "content_type": PROBLEM}


def html(status: int) -> dict[str, Any]:
    """Arguments of a page of the edge."""
    return {"status": status, "body": HTML, "content_type": "text/html"}


@pytest.fixture
def canned() -> Iterator[responses.RequestsMock]:
    with responses.RequestsMock() as mock:
        yield mock


@pytest.fixture
def client() -> RunpodClient:
    return RunpodClient(ProviderSettings(), KEY, FakeClock())


@pytest.fixture
def canned_provider() -> RunpodProvider:
    return RunpodProvider(ProviderSettings(), KEY, FakeClock())
