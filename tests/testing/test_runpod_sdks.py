"""RunPod's own SDKs, driven against the double: 1.12 over GraphQL, 2.0 over REST v2.

Each runs in a virtual environment of its own and is told where to go by ``RUNPOD_API_BASE_URL``.
What is expected of errors is what each SDK was seen to do with the same answers.
"""

from __future__ import annotations

import json
import os
import subprocess
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from podman_llm.testing.runpod_server import RunpodServer

Run = Callable[[str], dict[str, Any]]

_SDKS = Path(__file__).parents[2] / ".sdk"

_PROLOGUE = """
import json, os, requests, runpod
runpod.api_key = os.environ["RUNPOD_API_KEY"]
BASE = os.environ["RUNPOD_API_BASE_URL"]
seen = {}

def advance(seconds):
    requests.post(f"{BASE}/_double/clock", json={"seconds": seconds}, timeout=5)

def fault(on, **details):
    requests.delete(f"{BASE}/_double/faults", timeout=5)
    order = {"on": on, **details}
    requests.post(f"{BASE}/_double/faults", json=order, timeout=5).raise_for_status()

def outcome(call, *args):
    try:
        return ["returned", call(*args)]
    except Exception as error:
        return [type(error).__name__, str(error)[:80], getattr(error, "status_code", None)]
"""

_EPILOGUE = "\nprint(json.dumps(seen))\n"


def driver(version: str, runpod: RunpodServer, home: Path) -> Run:
    python = _SDKS / version / "bin" / "python"
    if not (_SDKS / version / "installed").exists():
        pytest.fail(f"SDK {version} is not installed: run scripts/install-sdks")

    def run(body: str) -> dict[str, Any]:
        ended = subprocess.run(
            [str(python), "-c", _PROLOGUE + textwrap.dedent(body) + _EPILOGUE],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(home),
                "RUNPOD_API_BASE_URL": runpod.url,
                "RUNPOD_API_KEY": "rpa_double",
            },
            capture_output=True,
            text=True,
            timeout=50,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        seen: dict[str, Any] = json.loads(ended.stdout)
        return seen

    return run


@pytest.fixture
def sdk_1(runpod: RunpodServer, tmp_path: Path) -> Run:
    return driver("1.12", runpod, tmp_path)


@pytest.fixture
def sdk_2(runpod: RunpodServer, tmp_path: Path) -> Run:
    return driver("2.0", runpod, tmp_path)


def test_sdk_1_rents_stops_resumes_and_terminates(sdk_1: Run, runpod: RunpodServer) -> None:
    seen = sdk_1("""
        seen["gpus"] = [gpu["id"] for gpu in runpod.get_gpus()]
        seen["gpu"] = runpod.get_gpu("NVIDIA L4", 2)
        seen["no_gpu"] = outcome(runpod.get_gpu, "NVIDIA L5")
        seen["user"] = runpod.get_user()
        pod = runpod.create_pod(
            "n", "vllm/vllm-openai", "NVIDIA L4", ports="8000/http", env={"A": "b"},
            docker_args="vllm serve m", network_volume_id="vol0weights", min_memory_in_gb=8,
        )
        seen["created"] = pod
        advance(3)
        seen["running"] = runpod.get_pod(pod["id"])
        seen["listed"] = [one["id"] for one in runpod.get_pods()]
        seen["stopped"] = runpod.stop_pod(pod["id"])
        seen["resumed"] = runpod.resume_pod(pod["id"], 1)
        seen["terminated"] = runpod.terminate_pod(pod["id"])
        seen["gone"] = runpod.get_pod(pod["id"])
        seen["twice"] = outcome(runpod.terminate_pod, pod["id"])
        seen["cpu"] = runpod.create_pod("c", "ubuntu", instance_id="cpu3c-2-4")["id"]
        runpod.terminate_pod(seen["cpu"])
    """)
    assert "NVIDIA L4" in seen["gpus"]
    assert seen["gpu"]["securePrice"] == 0.44
    assert seen["gpu"]["lowestPrice"]["uninterruptablePrice"] == 0.88
    assert seen["no_gpu"][0] == "ValueError"
    assert seen["user"]["networkVolumes"][0]["id"] == "vol0weights"
    assert seen["created"]["env"] == ["A=b"]
    assert seen["running"]["desiredStatus"] == "RUNNING"
    assert seen["running"]["runtime"]["ports"][0]["privatePort"] == 8000
    assert seen["listed"] == [seen["created"]["id"]]
    assert seen["stopped"]["desiredStatus"] == "EXITED"
    assert seen["resumed"]["desiredStatus"] == "RUNNING"
    assert (seen["terminated"], seen["gone"]) == (None, None)
    assert seen["twice"][:2] == ["QueryError", "pod not found to terminate"]
    assert runpod.bill().live == ()


def test_sdk_1_meets_the_errors_it_is_known_to_mistake(sdk_1: Run) -> None:
    seen = sdk_1("""
        pod = runpod.create_pod("n", "i", "NVIDIA L4")
        for status in (404, 410, 429):
            fault("POST /graphql", fault="status", status=status, times=2)
            seen[f"list {status}"] = outcome(runpod.get_pods)
            seen[f"terminate {status}"] = outcome(runpod.terminate_pod, pod["id"])
        fault("POST /graphql", fault="bad_gateway", times=2)
        seen["list 502"] = outcome(runpod.get_pods)
        seen["terminate 502"] = outcome(runpod.terminate_pod, pod["id"])
        fault("POST /graphql", fault="graphql_error", detail="boom")
        seen["list errors"] = outcome(runpod.get_pods)
        fault("POST /graphql podFindAndDeployOnDemand", fault="lost_but_created")
        seen["create lost"] = outcome(runpod.create_pod, "lost", "i", "NVIDIA L4")
        seen["created"] = [one["name"] for one in runpod.get_pods()]
        quoted = {"A": 'b "c"'}
        seen["injected"] = outcome(lambda: runpod.create_pod("n", "i", "NVIDIA L4", env=quoted))
        runpod.api_key = "rpa_wrong"
        seen["list 401"] = outcome(runpod.get_pods)
        seen["terminate 401"] = outcome(runpod.terminate_pod, pod["id"])
    """)
    for status in (404, 410, 429):
        assert seen[f"list {status}"][:2] == ["KeyError", "'data'"]
        assert seen[f"terminate {status}"] == ["returned", None], (
            "a failure that looks like success"
        )
    assert seen["list 502"][0] == seen["terminate 502"][0] == "JSONDecodeError"
    assert seen["list errors"][:2] == ["QueryError", "boom"]
    assert seen["create lost"][0] == "ConnectionError"
    assert seen["created"] == ["lost", "n"]
    assert seen["injected"][0] == "QueryError"
    assert seen["list 401"][0] == seen["terminate 401"][0] == "AuthenticationError"


def test_sdk_2_rents_stops_resumes_and_terminates(sdk_2: Run, runpod: RunpodServer) -> None:
    seen = sdk_2("""
        seen["gpus"] = [gpu["id"] for gpu in runpod.get_gpus()]
        seen["gpu"] = runpod.get_gpu("NVIDIA L4", 2)
        seen["no_gpu"] = outcome(runpod.get_gpu, "NVIDIA L5")
        pod = runpod.create_pod(
            "n", "vllm/vllm-openai", "NVIDIA L4", ports="8000/http", env={"A": "b"},
            docker_args="vllm serve m", network_volume_id="vol0weights", min_memory_in_gb=8,
        )
        seen["created"] = pod
        advance(3)
        seen["running"] = runpod.get_pod(pod["id"])
        seen["listed"] = [one["id"] for one in runpod.get_pods()]
        seen["stopped"] = runpod.stop_pod(pod["id"])
        seen["resumed"] = runpod.resume_pod(pod["id"])
        seen["terminated"] = runpod.terminate_pod(pod["id"])
        seen["gone"] = runpod.get_pod(pod["id"])
        seen["twice"] = outcome(runpod.terminate_pod, pod["id"])
        seen["keys"] = runpod.update_user_settings("ssh-ed25519 A")["pubKey"]
        seen["cpu"] = runpod.create_pod("c", "ubuntu", instance_id="cpu3c-2-4")["id"]
        runpod.terminate_pod(seen["cpu"])
    """)
    assert "NVIDIA L4" in seen["gpus"]
    assert seen["gpu"]["availability"] == "HIGH"
    assert seen["no_gpu"][0] == "ValueError"
    assert seen["created"]["status"] == "PROVISIONING"
    assert seen["created"]["cmd"] == ["vllm", "serve", "m"]
    assert seen["created"]["disk"] == 10
    assert seen["running"]["status"] == "RUNNING"
    assert seen["listed"] == [seen["created"]["id"]]
    assert seen["stopped"]["status"] == "EXITED"
    assert seen["resumed"]["status"] == "STARTING"
    assert (seen["terminated"], seen["gone"]) == (None, None)
    assert seen["twice"] == ["QueryError", "resource not found", 404]
    assert seen["keys"] == "ssh-ed25519 A"
    assert runpod.bill().live == ()


def test_sdk_2_says_what_went_wrong(sdk_2: Run) -> None:
    seen = sdk_2("""
        pod = runpod.create_pod("n", "i", "NVIDIA L4")
        for status in (404, 410, 429, 500):
            fault("* /v2/*", fault="status", status=status, detail="why", times=2)
            seen[f"list {status}"] = outcome(runpod.get_pods)
            seen[f"terminate {status}"] = outcome(runpod.terminate_pod, pod["id"])
        fault("* /v2/*", fault="bad_gateway")
        seen["list 502"] = outcome(runpod.get_pods)
        fault("POST /v2/pods", fault="no_capacity")
        seen["create"] = outcome(runpod.create_pod, "x", "i", "NVIDIA L4")
        fault("POST /v2/pods", fault="lost_but_created")
        seen["create lost"] = outcome(runpod.create_pod, "lost", "i", "NVIDIA L4")
        seen["created"] = [one["name"] for one in runpod.get_pods()]
        fault("GET /v2/pods", fault="garbage")
        seen["list garbage"] = outcome(runpod.get_pods)
        runpod.api_key = "rpa_wrong"
        seen["list 401"] = outcome(runpod.get_pods)
    """)
    for status in (404, 410, 429, 500):
        assert seen[f"list {status}"] == ["QueryError", "why", status]
        assert seen[f"terminate {status}"] == ["QueryError", "why", status]
    assert seen["list 502"][0] == "QueryError"
    assert seen["list 502"][1].startswith("<!DOCTYPE html>")
    assert seen["list 502"][2] == 502
    assert seen["create"][1].startswith("There are no longer any instances available")
    assert seen["create lost"][0] == "ConnectionError"
    assert seen["created"] == ["lost", "n"]
    assert seen["list garbage"][0] == "JSONDecodeError"
    assert seen["list 401"][0] == "AuthenticationError"
