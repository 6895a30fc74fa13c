"""A made-up RunPod whose clock moves only when told, and somebody else's word on its answers."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests

from podman_llm.testing.clock import FakeClock
from podman_llm.testing.runpod_clock import WorldClock
from podman_llm.testing.runpod_pod import Schedule
from podman_llm.testing.runpod_server import RunpodConfig, RunpodServer
from podman_llm.testing.runpod_world import World
from podman_llm.testing.server_thread import ServerThread

SCHEDULE = Schedule(provision=1.0, start=2.0, edge=1.0, load=5.0, crash=20.0)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def world(clock: FakeClock) -> World:
    """An account without a server in front of it."""
    return World(WorldClock(clock), schedule=SCHEDULE)


@pytest.fixture
def running(clock: FakeClock) -> Iterator[ServerThread[RunpodServer]]:
    """RUNNING 3 s after the create, known to the edge at 4 s, serving at 8 s."""
    config = RunpodConfig(clock=clock, schedule=SCHEDULE, edge_patience=0.5)
    with ServerThread(RunpodServer(config)) as thread:
        yield thread


@pytest.fixture
def runpod(running: ServerThread[RunpodServer]) -> RunpodServer:
    """The running server itself."""
    return running.server


@pytest.fixture
def api(runpod: RunpodServer) -> Iterator[Callable[..., requests.Response]]:
    """One request with the right key: ``api("GET", "/v2/pods")``."""
    with requests.Session() as session:
        session.headers["Authorization"] = "Bearer rpa_double"

        def call(method: str, path: str, **options: Any) -> requests.Response:
            return session.request(method, runpod.url + path, **{"timeout": 5, **options})

        yield call


@pytest.fixture
def order() -> dict[str, Any]:
    """The body of a create that succeeds."""
    return {
        "name": "pllm-test",
        "image": "vllm/vllm-openai:v0.32.0",
        "entrypoint": ["python3", "-c", "BOOT"],
        "cmd": shlex.split("vllm serve org/model --served-model-name one two --max-model-len 4096"),
        "disk": 60,
        "env": {"PLLM_OWNER": "abc123"},
        "ports": ["8000/http", "22/tcp"],
        "cloud": "SECURE",
        "gpu": {"id": "NVIDIA L4", "count": 1, "minCudaVersion": "12.8"},
    }


@pytest.fixture
def rent(
    api: Callable[..., requests.Response], order: dict[str, Any]
) -> Callable[..., dict[str, Any]]:
    """Create a pod, with some of the order changed; its first view."""

    def create(**changes: Any) -> dict[str, Any]:
        answer = api("POST", "/v2/pods", json=order | changes)
        assert answer.status_code == 201, answer.text
        pod: dict[str, Any] = answer.json()
        return pod

    return create


@pytest.fixture(scope="session")
def published() -> Callable[[str, Any], None]:
    """Check a body against a schema of RunPod's OpenAPI document."""
    path = Path(__file__).parents[1] / "recordings" / "runpod-openapi-v2.json"
    document = json.loads(path.read_text(encoding="utf-8"))

    def check(name: str, body: Any) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
        jsonschema.Draft202012Validator(schema, format_checker=checker).validate(body)

    return check
