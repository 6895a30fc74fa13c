from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from podman_llm.errors import ConfigError
from podman_llm.testing.runpod_pod import Schedule
from podman_llm.testing.runpod_server import RunpodConfig, RunpodServer
from podman_llm.testing.server_thread import ServerThread

Api = Callable[..., requests.Response]


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.2", "::", "example.org"])
def test_only_loopback_is_listened_on(host: str) -> None:
    with pytest.raises(ConfigError, match="loopback only"):
        RunpodServer(RunpodConfig(host=host))


def test_it_stops_while_a_request_waits_for_ever(api: Api, runpod: RunpodServer) -> None:
    runpod.fault("GET /v2/pods", "timeout")
    with pytest.raises(requests.Timeout):
        api("GET", "/v2/pods", timeout=0.2)


def test_two_servers_are_two_worlds(order: dict[str, Any]) -> None:
    with ServerThread(RunpodServer()) as one, ServerThread(RunpodServer()) as other:
        headers = {"Authorization": "Bearer rpa_double"}
        requests.post(f"{one.url}/v2/pods", json=order, headers=headers, timeout=5)
        assert len(one.server.bill().live) == 1
        assert other.server.bill().live == ()


def test_on_the_real_clock_a_pod_serves_after_its_schedule(order: dict[str, Any]) -> None:
    schedule = Schedule(provision=0.6, start=0.6, edge=0.6, load=0.6)
    config = RunpodConfig(schedule=schedule, time_scale=20.0, api_key="rpa_mine")
    with ServerThread(RunpodServer(config)) as running:
        headers = {"Authorization": "Bearer rpa_mine"}
        answer = requests.post(f"{running.url}/v2/pods", json=order, headers=headers, timeout=5)
        health = f"{running.url}/{answer.json()['id']}-8000/health"
        deadline = time.monotonic() + 10
        while requests.get(health, timeout=5).status_code != 200:
            assert time.monotonic() < deadline
        assert running.server.bill().seconds >= 1.8
        assert running.server.requests[:2] == ("POST /v2/pods", f"GET {health[len(running.url) :]}")


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_it_runs_as_a_process_of_its_own_and_announces_itself(
    tmp_path: Path, ending: signal.Signals
) -> None:
    announce = tmp_path / "url"
    program = (
        "import sys; from pathlib import Path; from podman_llm.testing.runpod_server import run; "
        "run(api_key='rpa_demo', boot_seconds=0.1, load_seconds=0.1, announce=Path(sys.argv[1]))"
    )
    process = subprocess.Popen([sys.executable, "-c", program, str(announce)])
    try:
        deadline = time.monotonic() + 20
        while not announce.exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        url = announce.read_text(encoding="utf-8").strip()
        headers = {"Authorization": "Bearer rpa_demo"}
        assert requests.get(f"{url}/v2/pods", headers=headers, timeout=5).json()["pods"] == []
        process.send_signal(ending)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
