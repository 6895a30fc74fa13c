"""The clients, each a process of its own that carries out one order after another."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
SDKS = ROOT / ".sdk"
_PROGRAMS = "tests.clients.programs"
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "openai-python": (sys.executable, "-m", f"{_PROGRAMS}.openai_python"),
    "openai-node": (
        str(SDKS / "node" / "bin" / "node"),
        str(ROOT / "tests" / "clients" / "programs" / "openai_node.js"),
    ),
    "langchain": (str(SDKS / "langchain" / "bin" / "python"), "-m", f"{_PROGRAMS}.langchain"),
}
_LONGEST_SECONDS = 40.0


@dataclass(frozen=True)
class Report:
    """What a client saw of one order, and how long it took."""

    saw: dict[str, Any]
    seconds: float

    @property
    def error(self) -> dict[str, Any]:
        """The error that its user would have to catch."""
        found: dict[str, Any] = self.saw["error"]
        return found


class Client:
    """One client's program. It asks as its user would, with the retries that are its default."""

    def __init__(self, name: str, home: Path) -> None:
        if not Path(COMMANDS[name][0]).exists():
            raise FileNotFoundError(f"{name} is not installed: run scripts/install-sdks")
        self.name = name
        self._process = subprocess.Popen(
            COMMANDS[name],
            cwd=ROOT,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(home),
                "PYTHONPATH": str(ROOT),
                "PYTHONWARNINGS": "error",
                "NODE_PATH": str(SDKS / "node" / "node_modules"),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, **order: Any) -> Report:
        """Give an order and wait for the report."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], _LONGEST_SECONDS)[0]:
            self.end()
            raise TimeoutError(f"{self.name} did not come back from {order}")
        line = self._process.stdout.readline()
        assert line, f"{self.name} ended with {self._process.wait()}"
        told = json.loads(line)
        return Report(told["saw"], told["seconds"])

    def end(self) -> None:
        """Hang up."""
        self._process.kill()
        self._process.communicate()
