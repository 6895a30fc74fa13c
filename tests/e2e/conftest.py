"""A person's machine and a made-up cloud, for each test its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.machine import KEY, Cloud, Machine, eventually, free_port


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    home = tmp_path / "person"
    home.mkdir()
    machine = Machine(home, free_port())
    yield machine
    machine.end()


@pytest.fixture
def cloud(machine: Machine) -> Iterator[Cloud]:
    """A RunPod whose pods boot within a blink, and a machine configured to rent there."""
    announce = machine.home / "double.url"
    process = machine.start(
        "dev", "fake-runpod", "--port", "0", "--api-key", KEY, "--boot-seconds", "0.2",
        "--load-seconds", "0.2", "--tokens-per-second", "400", "--announce", str(announce),
    )  # fmt: skip
    eventually(announce.exists, what="the double's URL")
    url = announce.read_text().strip()
    machine.environment["RUNPOD_API_KEY"] = KEY
    machine.write_config(
        initial_wait_seconds=0,
        poll_interval_seconds=0.2,
        provider={
            "api_base": url,
            "endpoint_template": url + "/{pod_id}-{port}",
            "settle_seconds": 0.3,
            "quarantine_seconds": 2,
        },
    )
    yield Cloud(url, process)
    process.kill()
    process.communicate()
