"""``serve`` before a server made by hand: no RunPod key, and the cache works."""

from __future__ import annotations

import json
import signal
import urllib.request
from collections.abc import Iterator

import pytest

from podman_llm.testing.openai_config import OpenAIDoubleConfig
from podman_llm.testing.openai_server import OpenAIDouble
from podman_llm.testing.server_thread import ServerThread
from tests.e2e.machine import Machine, eventually


@pytest.fixture
def model_server() -> Iterator[str]:
    with ServerThread(OpenAIDouble(OpenAIDoubleConfig(served_names=("hand-made",)))) as thread:
        yield thread.url


def test_serve_needs_no_key_and_caches(machine: Machine, model_server: str) -> None:
    process = machine.start("serve", "--endpoint", model_server, "--port", str(machine.port))
    body = json.dumps({"model": "hand-made", "messages": [{"role": "user", "content": "Hi"}]})

    def ask() -> str | None:
        request = urllib.request.Request(
            f"{machine.url}/chat/completions",
            data=body.encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return str(answer.headers["X-Cache"])
        except OSError:
            return None

    assert eventually(ask, what="the proxy") == "MISS"
    assert ask() == "HIT"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 0, err


def test_a_second_serve_on_the_port_names_the_first_and_does_not_claim_to_serve(
    machine: Machine, model_server: str
) -> None:
    order = ("serve", "--endpoint", model_server, "--port", str(machine.port))
    first = machine.start(*order)
    assert first.stderr is not None
    assert first.stderr.readline().startswith(f"Serving {model_server} at ")
    # Whoever reads that line can connect.
    urllib.request.urlopen(f"{machine.url}/models", timeout=5).close()
    refused = machine.run(*order, code=2).stderr
    assert f"port {machine.port} is taken by `podman-llm serve` (pid {first.pid})" in refused
    assert "Serving" not in refused
    first.send_signal(signal.SIGINT)
    first.communicate(timeout=20)


def test_serve_with_a_certificate_that_is_none_does_not_claim_to_serve(machine: Machine) -> None:
    for name in ("cert.pem", "key.pem"):
        (machine.home / name).write_text("no PEM")
    machine.write_config(use_https=True, ssl_cert="cert.pem", ssl_key="key.pem")
    refused = machine.run("serve", "--endpoint", "http://localhost:1", code=2).stderr
    assert "cannot be used" in refused
    assert "Serving" not in refused


def test_serve_without_an_endpoint_says_how_to_give_one(machine: Machine) -> None:
    assert "RUNPOD_ENDPOINT" in machine.run("serve", code=2).stderr
