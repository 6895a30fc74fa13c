"""The keys of a whole life, looked for in everything that it says, writes, starts and sends."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from podman_llm.state.owner import Owner, pod_key
from podman_llm.testing.bedrock_faults import BedrockFault, BedrockFaultKind
from podman_llm.testing.bedrock_server import BedrockDouble
from podman_llm.testing.openai_config import OpenAIDoubleConfig
from podman_llm.testing.openai_server import OpenAIDouble
from podman_llm.testing.server_thread import ServerThread
from tests.e2e.editor import Editor
from tests.e2e.machine import KEY, Cloud, Machine, eventually, renting
from tests.e2e.others import ON_BEDROCK, ON_OPENAI, OTHERS_KEY, Others

CLIENT_KEY = "client-key-0123456789abcdef"
WRONG_KEY = "wrong-key-0123456789abcdef"
HOOK = "http://127.0.0.1:1/hook-topic-0123456789"
ASKED_BY = {"Authorization": f"Bearer {CLIENT_KEY}"}
LONG = 600

ASKS_RUNPOD = (
    "ps --all --json",
    "cost --json",
    "doctor --json",
    "reap --dry-run --json",
    "adopt nosuchpod",
    "logs --source pod",
    "logs --source system",
)
READS_FILES = (
    "status",
    "status --json",
    "ps",
    "history --json",
    "cost --offline",
    "extend 1m",
    "breaker status --json",
    "cache stats",
    "cache clear",
    "config show",
    "watchdog",
    "logs --source daemon",
    "logs --source proxy",
)


def said_by(machine: Machine, *commands: str) -> bytes:
    """Everything these commands print, however they end; they run at the same time."""
    runs = [machine.start(*command.split()) for command in commands]
    printed = "".join("".join(run.communicate(timeout=100)) for run in runs)
    assert printed
    return printed.encode()


def written(home: Path, *, besides: frozenset[str]) -> Iterator[tuple[Path, bytes]]:
    """Every file of a person, by its name and its bytes: databases and caches too."""
    for path in home.rglob("*"):
        if path.is_file() and path.name not in besides:
            yield path, str(path).encode() + path.read_bytes()


def shown_of(processes: list[psutil.Process]) -> bytes:
    """What anybody sees of them who lists processes."""
    lines = []
    for process in processes:
        with suppress(psutil.Error):
            lines.append(" ".join(process.cmdline()))
    return "\n".join(lines).encode()


def inherited_by(pids: list[int]) -> bytes:
    """The environments that our children were started with."""
    return b"".join(Path(f"/proc/{pid}/environ").read_bytes() for pid in pids)


def fetched(machine: Machine, *paths: str) -> bytes:
    """What the proxy tells of itself."""
    told = b""
    for path in paths:
        request = urllib.request.Request(f"http://127.0.0.1:{machine.port}{path}", headers=ASKED_BY)
        with urllib.request.urlopen(request, timeout=10) as answer:
            told += str(answer.headers).encode() + answer.read()
    return told


@contextmanager
def all_that_has_keys(machine: Machine) -> Iterator[tuple[Cloud, Others]]:
    """A pod to rent, two fallbacks, clients with keys, and a webhook that nobody answers."""
    keys = machine.home / "client-keys"
    keys.write_text(f"{CLIENT_KEY}\n")
    keys.chmod(0o600)
    with ExitStack() as stack:
        bedrock = stack.enter_context(ServerThread(BedrockDouble()))
        config = OpenAIDoubleConfig(served_names=("gpt-double",))
        others = Others(bedrock, stack.enter_context(ServerThread(OpenAIDouble(config))))
        machine.environment |= others.environment()
        settings: dict[str, Any] = {
            "fallback": {"backends": others.backends()},
            "proxy": {"api_keys_file": str(keys)},
            "budget": {"warn_webhook": HOOK, "max_usd_total": 5},
        }
        yield stack.enter_context(renting(machine, load_seconds=LONG, **settings)), others


def live(machine: Machine, editor: Editor, cloud: Cloud, others: Others) -> bytes:
    """Boot, answers from everybody, refusals, and everything that tells of it."""
    up = machine.start("up", "--verbose", "--for", "60s")
    told = b""

    def asked(served_by: str, **more: Any) -> bytes:
        said = editor.ask(headers=ASKED_BY, **more)
        assert said.served_by.startswith(served_by), said
        return str(said.headers).encode() + said.body

    eventually(editor.is_there, what="the proxy")
    told += asked(ON_BEDROCK, seed=1)
    throttled = BedrockFault(BedrockFaultKind.EXCEPTION, name="ThrottlingException")
    others.bedrock.server.add_fault(throttled)
    told += asked(ON_OPENAI, seed=2)
    cloud.post("clock", {"seconds": LONG})
    told += "".join(up.communicate(timeout=55)).encode()
    for seed in (3, 3):
        told += asked("pod/", seed=seed)
    refused = editor.ask(headers={"Authorization": f"Bearer {WRONG_KEY}"})
    assert refused.status == 401
    return told + refused.body + fetched(machine, "/metrics", "/health", "/v1/models")


@pytest.mark.timeout(180)  # it starts two dozen commands
def test_no_key_is_in_anything_that_a_life_leaves_or_shows(
    machine: Machine, editor: Editor
) -> None:
    with all_that_has_keys(machine) as (cloud, others):
        told = live(machine, editor, cloud, others)
        status = machine.status()
        told += said_by(machine, *ASKS_RUNPOD) + said_by(machine, *READS_FILES)
        ours = [p for p in machine.processes() if p.pid != cloud.process.pid]
        told += shown_of(ours)
        children = inherited_by(status["proxy_pids"])
        sent = json.dumps(cloud.get("pods")).encode()
        told += said_by(machine, "--shutdown") + said_by(machine, "up --model tiny/other")
        owner = Owner(**json.loads((machine.state_dir / "owner.json").read_text()))
        secrets = {
            "RunPod's key": KEY,
            "OpenAI's key": OTHERS_KEY,
            "the AWS key": others.environment()["AWS_SECRET_ACCESS_KEY"],
            "the owner's secret": owner.secret,
            "the pod's key": pod_key(owner, status["pod_name"]),
            "a client's key": CLIENT_KEY,
            "a client's mistake": WRONG_KEY,
            "the webhook's topic": HOOK,
        }
        machine.end()
    own = {"client-keys": {"a client's key"}, "pod_config.json": {"the webhook's topic"}}
    own |= {"owner.json": {"the owner's secret"}}
    own |= {name: {"the webhook's topic"} for name in ("desired.json", "understood.json")}
    for what, secret in secrets.items():
        if what != "the webhook's topic":  # `config show` is asked for it
            assert secret.encode() not in told, what
        assert secret.encode() not in sent, what
    assert status["pod_id"].encode() in told
    assert status["pod_name"].encode() in sent
    assert KEY.encode() not in children, "the proxy never talks to RunPod"
    files = list(written(machine.home, besides=frozenset()))
    assert any(path.suffix == ".sqlite" for path, _ in files)
    for path, content in files:
        found = {what for what, secret in secrets.items() if secret.encode() in content}
        assert found == own.get(path.name, set()), path


@pytest.mark.parametrize("fault", ["unauthorized", "cut_mid_body"])
def test_no_key_is_in_what_failing_runs_say(machine: Machine, cloud: Cloud, fault: str) -> None:
    machine.run("up")
    cloud.fault("* /v2/pods*", fault, times=1000)
    told = said_by(machine, *ASKS_RUNPOD, "up --verbose --for 2h --model tiny/other")
    os.kill(machine.status()["daemon_pid"], signal.SIGKILL)
    told += said_by(machine, "status", "status --json")
    told += b"".join(content for _, content in written(machine.state_dir, besides=OWNER))
    owner = Owner(**json.loads((machine.state_dir / "owner.json").read_text()))
    for secret in (KEY, owner.secret, pod_key(owner, machine.status()["pod_name"])):
        assert secret.encode() not in told


def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(
    machine: Machine, cloud: Cloud
) -> None:
    first, second = KEY[:18], KEY[18:]
    machine.environment["RUNPOD_API_KEY"] = f"{first}\n{second}"
    told = said_by(machine, "up", *ASKS_RUNPOD)
    told += b"".join(content for _, content in written(machine.state_dir, besides=OWNER))
    assert first.encode() not in told
    assert second.encode() not in told


OWNER = frozenset({"owner.json"})
