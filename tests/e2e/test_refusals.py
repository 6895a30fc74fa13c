"""The bad cases: each says what happened and what to do, bills nothing, and exits as documented."""

from __future__ import annotations

import json
import os
import signal
import socket

import pytest

from tests.e2e.machine import Cloud, Machine, eventually


def nothing_bills(machine: Machine, cloud: Cloud) -> None:
    assert cloud.live() == []
    eventually(
        lambda: [p.pid for p in machine.processes()] == [cloud.process.pid],
        what="the daemon to leave",
    )


def test_no_key_says_how_to_get_one_and_that_the_demo_needs_none(machine: Machine) -> None:
    run = machine.run("up", code=9)
    assert "RUNPOD_API_KEY" in run.stderr
    assert "up --demo" in run.stderr
    assert not machine.state_dir.exists()


def test_a_bad_key(machine: Machine, cloud: Cloud) -> None:
    machine.environment["RUNPOD_API_KEY"] = "rpa_WRONGKEY0000000000000000"
    run = machine.run("up", code=9)
    assert "key" in run.stderr
    nothing_bills(machine, cloud)


def test_no_balance(machine: Machine, cloud: Cloud) -> None:
    cloud.fault("POST /v2/pods", "no_balance", times=9)
    run = machine.run("up", code=9)
    assert "balance" in run.stderr
    nothing_bills(machine, cloud)


def test_no_capacity_anywhere(machine: Machine, cloud: Cloud) -> None:
    machine.environment["PODMAN_LLM_POD__WAIT_CAPACITY_SECONDS"] = "1"
    cloud.fault("POST /v2/pods", "no_capacity", times=10000)
    run = machine.run("up", code=5)
    assert "capacity" in run.stderr
    nothing_bills(machine, cloud)


def test_a_price_over_the_ceiling(machine: Machine, cloud: Cloud) -> None:
    run = machine.run("up", "--max-price", "0.01", code=8)
    assert "0.01" in run.stderr
    nothing_bills(machine, cloud)


def test_a_model_that_never_becomes_ready_is_ended_and_its_last_words_are_shown(
    machine: Machine, cloud: Cloud
) -> None:
    cloud.fault("POST /v2/pods", "never_serves")
    machine.environment["PODMAN_LLM_MAX_STARTUP_ATTEMPTS"] = "3"
    run = machine.run("up", code=1)
    assert "did not answer" in run.stderr, run.stderr
    assert "vllm" in run.stderr.lower()
    nothing_bills(machine, cloud)


def test_a_crash_looping_container(machine: Machine, cloud: Cloud) -> None:
    cloud.fault("POST /v2/pods", "crash_loop")
    run = machine.run("up", code=1)
    assert "crash" in run.stderr.lower() or "restart" in run.stderr.lower()
    nothing_bills(machine, cloud)
    assert "is gone" in machine.run("--shutdown").stdout


def test_a_taken_port_names_the_process_and_rents_nothing(machine: Machine, cloud: Cloud) -> None:
    with socket.create_server(("127.0.0.1", machine.port)):
        run = machine.run("up", code=2)
    assert str(machine.port) in run.stderr
    assert "python" in run.stderr
    assert cloud.bill()["pods"] == []


def test_a_cache_directory_that_cannot_be_written_is_said_and_served_without(
    machine: Machine, cloud: Cloud
) -> None:
    blocker = machine.home / "not-a-directory"
    blocker.write_text("")
    machine.environment["CACHE_DIR"] = str(blocker)
    machine.run("up")
    assert any("cache" in line.lower() for line in machine.run("status").stdout.splitlines())


@pytest.mark.parametrize("damage", [b"", b"\0" * 4096, b"{", b'{"version": 1}'])
def test_a_corrupt_state_file_never_reads_as_nothing_running(
    machine: Machine, cloud: Cloud, damage: bytes
) -> None:
    machine.run("up")
    pod = machine.status()["pod_id"]
    daemon = machine.status()["daemon_pid"]
    os.kill(daemon, signal.SIGKILL)
    for name in ("pod_state.json", "pod_state.json.prev"):
        (machine.state_dir / name).write_bytes(damage)
    machine.run("status", code=3)
    machine.run("up")
    assert machine.status()["pod_id"] == pod
    assert len(cloud.live()) == 1
    machine.run("--shutdown")
    assert cloud.live() == []


def test_an_unknown_model_gets_the_nearest_names(machine: Machine) -> None:
    run = machine.run("up", "--model", "qwen3-coder-30b-a3b-awk", code=2)
    assert "qwen3-coder-30b-a3b-awq" in run.stderr


def test_a_wrong_key_in_the_file_is_named_with_its_neighbour(machine: Machine) -> None:
    machine.write_config(nginx_port=1)
    run = machine.run("config", "check", code=2)
    assert "nginx_port" in run.stderr
    assert "pod_config.json" in run.stderr


def test_dry_run_touches_nothing(machine: Machine, cloud: Cloud) -> None:
    before = sorted(machine.home.rglob("*"))
    run = machine.run("up", "--dry-run", "--json")
    assert json.loads(run.stdout)["candidates"]
    assert sorted(machine.home.rglob("*")) == before
    assert cloud.bill()["pods"] == []
