"""vLLM's double as a process of its own: it can be killed in earnest, and come back."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from types import TracebackType
from typing import Any, Self

from tests.e2e.machine import Machine, eventually, free_port


class ModelServer:
    """Runs while in its context, always on the same port."""

    def __init__(self, machine: Machine, *, tokens_per_second: int = 400) -> None:
        self._machine = machine
        self._speed = tokens_per_second
        self._port = free_port()
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        """Be ready to answer."""
        self._process = self._machine.start(
            "dev", "fake-openai", "--port", str(self._port), "--model", "podman-llm",
            "--tokens-per-second", str(self._speed),
        )  # fmt: skip
        assert self._process.stdout
        while not self._process.stdout.readline().startswith("ready"):
            assert self._process.poll() is None, "the model server did not start"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Be gone."""
        self.kill()

    def kill(self) -> None:
        """SIGKILL: the kernel closes its port and resets its connections."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def order(self, kind: str, **more: Any) -> None:
        """A fault for the next question."""
        request = urllib.request.Request(
            f"{self.url}/_double/faults", data=json.dumps({"kind": kind, **more}).encode()
        )
        with urllib.request.urlopen(request, timeout=5):
            pass

    def state(self) -> dict[str, int]:
        """What it counted."""
        with urllib.request.urlopen(f"{self.url}/_double/state", timeout=5) as answer:
            return dict(json.load(answer))

    def wait_until_running(self) -> None:
        """Return once a question is being answered."""
        eventually(lambda: self.state()["running"], what="a running request")
