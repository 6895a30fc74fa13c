"""A made-up person's machine: its own home, its own port, the real command line as a process."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

REPOSITORY = Path(__file__).parent.parent.parent
KEY = "rpa_E2EKEY0123456789abcdefghijklmnop"


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def eventually(claim: Callable[[], Any], *, seconds: float = 20.0, what: str = "") -> Any:
    """Wait, bounded, until ``claim`` is truthy; processes give no event to wait on."""
    end = time.monotonic() + seconds
    while True:
        value = claim()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what or claim}")
        time.sleep(0.02)


def _hear_interrupts() -> None:
    """As at a person's terminal; a test run in the background inherits that SIGINT is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass
class Machine:
    """Runs ``podman-llm`` as its user would."""

    home: Path
    port: int
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def state_dir(self) -> Path:
        return self.home / ".local" / "state" / "podman-llm"

    def env(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if k in {"PATH", "LANG", "VIRTUAL_ENV"}}
        own = {"HOME": str(self.home), "PODMAN_LLM_PROXY_PORT": str(self.port)}
        return kept | own | self.environment

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "podman_llm", *arguments],
            cwd=self.home,
            env=self.env(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_hear_interrupts,  # noqa: PLW1509 - one call between fork and exec
        )

    def run(self, *arguments: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=55)
        if code is not None:
            assert process.returncode == code, f"exit {process.returncode}\n{out}\n{err}"
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def status(self) -> dict[str, Any]:
        return dict(json.loads(self.run("status", "--json").stdout))

    def write_config(self, **settings: Any) -> None:
        (self.home / "pod_config.json").write_text(json.dumps(settings))

    def processes(self) -> list[psutil.Process]:
        """Every process of ours on this machine."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get("HOME") == str(self.home):
                    found.append(process)
        return found

    def end(self) -> None:
        """Leave nothing behind, whatever the test did."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(self.processes(), timeout=5)


@dataclass
class Cloud:
    """The RunPod double as a process of its own, as RunPod would be."""

    url: str
    process: subprocess.Popen[str]

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/_double/{path}", timeout=5) as answer:
            return json.load(answer)

    def post(self, path: str, body: Any) -> Any:
        request = urllib.request.Request(
            f"{self.url}/_double/{path}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.load(answer)

    def fault(self, on: str, fault: str, times: int = 1, **more: Any) -> None:
        self.post("faults", {"on": on, "fault": fault, "times": times, **more})

    def live(self) -> list[str]:
        """Ids of the pods that cost money now."""
        return list(self.bill()["live"])

    def bill(self) -> dict[str, Any]:
        return dict(self.get("bill"))


@contextlib.contextmanager
def renting(
    machine: Machine, *flags: str, load_seconds: float = 0.2, **settings: Any
) -> Iterator[Cloud]:
    """A RunPod of its own, and ``machine`` configured to rent there, with further ``settings``.

    ``flags`` are more for ``dev fake-runpod``.
    """
    announce = machine.home / "double.url"
    process = machine.start(
        "dev", "fake-runpod", "--port", "0", "--api-key", KEY, "--boot-seconds", "0.2",
        "--load-seconds", str(load_seconds), "--tokens-per-second", "400",
        "--announce", str(announce), *flags,
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
        **settings,
    )
    try:
        yield Cloud(url, process)
    finally:
        process.terminate()  # it ends its containers
        process.communicate(timeout=20)
