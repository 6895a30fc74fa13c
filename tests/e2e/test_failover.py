"""A dead or booting pod as an editor meets it: real processes, Bedrock and OpenAI made up."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest

from podman_llm.testing.bedrock_faults import BedrockFault, BedrockFaultKind
from podman_llm.testing.bedrock_server import BedrockDouble
from podman_llm.testing.openai_config import OpenAIDoubleConfig
from podman_llm.testing.openai_server import OpenAIDouble
from podman_llm.testing.server_thread import ServerThread
from tests.e2e.machine import KEY, Machine, eventually

OTHERS_KEY = "sk-others-0123456789"
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


@dataclass
class Others:
    """Who answers in the pod's place, in this order."""

    bedrock: ServerThread[BedrockDouble]
    openai: ServerThread[OpenAIDouble]

    def backends(self) -> list[dict[str, Any]]:
        bedrock = {
            "name": "bedrock",
            "kind": "bedrock",
            "region": "us-east-1",
            "base_url": self.bedrock.url,
            "models": {"*": CLAUDE},
        }
        openai = {
            "name": "openai",
            "base_url": self.openai.url,
            "key_name": "OTHERS_API_KEY",
            "models": {"*": "gpt-double"},
        }
        return [bedrock, openai]


@pytest.fixture
def others(machine: Machine) -> Iterator[Others]:
    with ExitStack() as stack:
        bedrock = stack.enter_context(ServerThread(BedrockDouble()))
        openai = stack.enter_context(
            ServerThread(OpenAIDouble(OpenAIDoubleConfig(served_names=("gpt-double",))))
        )
        config = bedrock.server.config
        machine.environment |= {
            "AWS_ACCESS_KEY_ID": config.access_key,
            "AWS_SECRET_ACCESS_KEY": config.secret_key,
            "OTHERS_API_KEY": OTHERS_KEY,
        }
        yield Others(bedrock, openai)


@dataclass
class Said:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def served_by(self) -> str:
        return self.headers.get("X-Served-By", "")


class Editor:
    """Asks, each time something else."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._seed = 0

    def ask(self, **more: Any) -> Said:
        self._seed += 1
        body = {
            "model": "podman-llm",
            "messages": [{"role": "user", "content": "Say hello."}],
            "seed": self._seed,
            "max_tokens": 20,
        }
        request = urllib.request.Request(
            f"{self._machine.url}/chat/completions",
            data=json.dumps(body | more).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return Said(answer.status, dict(answer.headers), answer.read())
        except urllib.error.HTTPError as err:
            return Said(err.code, dict(err.headers), err.read())

    def is_answered(self) -> bool:
        try:
            return self.ask().status == 200
        except OSError:
            return False


def test_a_dead_pod_gives_way_to_bedrock_and_bedrock_to_openai(
    machine: Machine, others: Others
) -> None:
    machine.write_config(fallback={"backends": others.backends()})
    editor = Editor(machine)
    with ServerThread(OpenAIDouble(OpenAIDoubleConfig(served_names=("podman-llm",)))) as pod:
        process = machine.start("serve", "--endpoint", pod.url)
        eventually(editor.is_answered, what="the proxy")
        assert editor.ask(stream=True).served_by.startswith("endpoint/127.0.0.1:")
        pod.call(pod.server.kill())

    said = editor.ask(stream=True)
    assert said.served_by == f"bedrock/{CLAUDE}"
    assert said.body.endswith(b"data: [DONE]\n\n")
    assert "outcome=unreachable, bedrock/" in said.headers["X-Attempts"]
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    assert editor.ask(tools=[tool]).served_by == f"bedrock/{CLAUDE}"
    shown = machine.run("breaker", "status", "--json")
    assert json.loads(shown.stdout)["pod"]["state"] == "OPEN"

    throttled = BedrockFault(BedrockFaultKind.EXCEPTION, name="ThrottlingException", times=2)
    others.bedrock.server.add_fault(throttled)
    for stream in (True, False):
        assert editor.ask(stream=stream).served_by == "openai/gpt-double"
    [request, _] = others.openai.server.requests
    assert request.header("authorization") == f"Bearer {OTHERS_KEY}"

    machine.run("breaker", "open", "bedrock")
    machine.run("breaker", "open", "openai")
    said = editor.ask()
    assert (said.status, said.headers["X-Served-By"]) == (503, "podman-llm")
    message = json.loads(said.body)["error"]["message"]
    assert "openai is left alone for now: shut by hand." in message
    process.terminate()
    out, err = process.communicate(timeout=20)
    assert OTHERS_KEY not in out + err


def test_while_the_pod_boots_others_answer_and_then_it_does(
    machine: Machine, others: Others
) -> None:
    announce = machine.home / "double.url"
    runpod = machine.start(
        "dev", "fake-runpod", "--port", "0", "--api-key", KEY, "--boot-seconds", "0.5",
        "--load-seconds", "4", "--tokens-per-second", "400", "--announce", str(announce),
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
        fallback={"backends": others.backends()},
    )
    editor = Editor(machine)
    up = machine.start("up")
    eventually(editor.is_answered, what="an answer while the pod boots")
    said = editor.ask(stream=True)
    assert said.served_by == f"bedrock/{CLAUDE}"
    assert said.headers["X-Fallback-Reason"].startswith("The pod is ")
    out, err = up.communicate(timeout=55)
    assert up.returncode == 0, f"{out}\n{err}"
    assert editor.ask(stream=True).served_by.startswith("pod/")
    assert machine.status()["fallback_answers"] >= 2
    assert OTHERS_KEY not in (machine.state_dir / "logs" / "proxy.log").read_text()
    machine.run("--shutdown")
    runpod.kill()
    runpod.communicate()
