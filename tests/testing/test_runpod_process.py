"""Pods that really run, driven over the API as RunPod's would be."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from podman_llm.config.models import ProviderSettings
from podman_llm.core.sight import Created, PodSight, Rung
from podman_llm.host.clock import SystemClock
from podman_llm.host.process import is_alive
from podman_llm.providers.base import CreateRequest
from podman_llm.providers.probe import HttpProber
from podman_llm.providers.runpod.provider import RunpodProvider
from podman_llm.testing.runpod_pod import Schedule
from podman_llm.testing.runpod_server import RunpodConfig, RunpodServer
from podman_llm.testing.server_thread import ServerThread
from tests.contracts.provider import KEY, request_for

AT_ONCE = Schedule(provision=0.0, start=0.0, edge=0.0, load=0.0)


@pytest.fixture
def double() -> Iterator[RunpodServer]:
    config = RunpodConfig(schedule=AT_ONCE, real_containers=True)
    with ServerThread(RunpodServer(config)) as thread:
        yield thread.server


@pytest.fixture
def provider(double: RunpodServer) -> RunpodProvider:
    template = double.url + "/{pod_id}-{port}"
    settings = ProviderSettings(api_base=double.url, endpoint_template=template)
    return RunpodProvider(settings, "rpa_double", SystemClock())


def eventually(claim: Callable[[], Any], *, seconds: float = 25.0) -> Any:
    until = time.monotonic() + seconds
    while not (value := claim()):
        assert time.monotonic() < until, claim
        time.sleep(0.05)
    return value


def an_hour(double: RunpodServer) -> str:
    return str(int(double.now()) + 3600)


def rent(
    provider: RunpodProvider, double: RunpodServer, request: CreateRequest | None = None
) -> PodSight:
    request = request or request_for("pllm-abc234-tiny-1")
    marked = replace(request, env=request.env | {"PLLM_DEADLINE": an_hour(double)})
    outcome = provider.create(marked)
    assert isinstance(outcome, Created), outcome
    return outcome.pod


def log(double: RunpodServer, pod_id: str) -> list[str]:
    url = f"{double.url}/v2/pods/{pod_id}/logs?source=container&tail=5000"
    lines: list[str] = []
    headers = {"Authorization": "Bearer rpa_double"}
    with (
        requests.get(url, headers=headers, stream=True, timeout=0.5) as answer,
        contextlib.suppress(requests.RequestException),  # it stays open; silence is the end
    ):
        lines.extend(answer.iter_lines(decode_unicode=True))
    return [line for line in lines if line.startswith("data: ")]


def test_the_guard_reports_and_the_server_behind_it_answers_the_key_alone(
    provider: RunpodProvider, double: RunpodServer
) -> None:
    pod = rent(provider, double)
    probe = HttpProber(SystemClock()).probe
    endpoint = pod.endpoint
    assert endpoint

    def rung(key: str) -> Rung:
        return probe(endpoint, served_name="tiny/llama-random", api_key=key).rung

    assert eventually(lambda: rung(KEY) is Rung.ANSWERING)
    assert rung("wrong") is Rung.KEY_REFUSED
    first, second, *_ = log(double, pod.pod_id)
    assert f"PLLM-GUARD armed deadline={pod.env['PLLM_DEADLINE']} selfkey=200" in first
    assert "PLLM-BOOT ok key=demanded" in second


def test_at_the_worlds_deadline_the_pod_ends_itself(
    provider: RunpodProvider, double: RunpodServer
) -> None:
    pod = rent(provider, double)
    eventually(lambda: any("armed" in line for line in log(double, pod.pod_id)))
    double.advance(3600)
    eventually(lambda: double.bill().live == ())
    assert double.now() <= float(pod.env["PLLM_DEADLINE"]) + 60


def test_a_guard_whose_key_is_refused_cannot(
    provider: RunpodProvider, double: RunpodServer
) -> None:
    double.quirk(pod_keys_refused=True)
    pod = rent(provider, double)
    eventually(lambda: any("selfkey=403" in line for line in log(double, pod.pod_id)))
    double.advance(3600)
    eventually(lambda: any("graphql=403" in line for line in log(double, pod.pod_id)))
    assert double.bill().live == (pod.pod_id,)


def test_a_container_whose_process_dies_starts_again_with_its_guard(
    provider: RunpodProvider, double: RunpodServer, tmp_path: Path
) -> None:
    request = request_for("pllm-abc234-tiny-1")
    seen = tmp_path / "ran"
    script = f"import os, time; new = not os.path.exists({str(seen)!r}); open({str(seen)!r}, 'w')"
    script += "; exit(3) if new else time.sleep(60)"
    spec = replace(request.spec, command=("python3", "-c", script))
    pod = rent(provider, double, replace(request, spec=spec, api_key_sha256=None))
    lines = eventually(
        lambda: [line for line in log(double, pod.pod_id) if "armed" in line][1:], seconds=40
    )
    assert lines
    sight = provider.get(pod.pod_id)
    assert isinstance(sight, PodSight)
    assert sight.status.value == "RUNNING"


def test_an_unguarded_pod_serves_and_says_nothing(
    provider: RunpodProvider, double: RunpodServer
) -> None:
    double.fault("POST /v2/pods", "unguarded")
    pod = rent(provider, double)
    lines = eventually(lambda: [line for line in log(double, pod.pod_id) if "ready at" in line])
    assert lines
    assert not any("PLLM-" in line for line in log(double, pod.pod_id))


def test_nothing_of_a_pod_runs_on_after_its_end(
    provider: RunpodProvider, double: RunpodServer
) -> None:
    def pids(pod_id: str) -> list[int]:
        mark = f"RUNPOD_POD_ID={pod_id}"
        return [pid for pid in psutil.pids() if mark in _environ(pid)]

    pod = rent(provider, double)
    found = eventually(lambda: pids(pod.pod_id))
    provider.terminate(pod.pod_id)
    eventually(lambda: not any(is_alive(pid) for pid in found))


def _environ(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/environ").read_text(errors="replace")
    except OSError:
        return ""
