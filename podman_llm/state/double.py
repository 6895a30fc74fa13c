"""Which made-up RunPod the demo rents from. Its key is no secret: it opens nothing real."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from podman_llm.host.files import write_atomic
from podman_llm.host.process import is_alive
from podman_llm.state.paths import StatePaths

DEMO_KEY = "rpa_demo"


@dataclass(frozen=True)
class Double:
    """A running double: where, and which process. ``created`` is the process's create time."""

    url: str
    port: int
    pid: int
    created: float


def _path(paths: StatePaths) -> Path:
    return paths.root / "double.json"


def load_double(paths: StatePaths) -> Double | None:
    """The demo's double as last started, None where there is none."""
    try:
        return Double(**json.loads(_path(paths).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        # Written whole and only by us: an unreadable one is as good as none, a new double starts.
        return None


def runs(double: Double | None) -> bool:
    """Whether its process still is there; after the demo's end, or a reboot, it is not."""
    return double is not None and is_alive(double.pid, double.created)


def save_double(paths: StatePaths, double: Double) -> None:
    """Remember a double."""
    write_atomic(_path(paths), json.dumps(asdict(double)).encode())


def forget_double(paths: StatePaths) -> None:
    """The double has ended."""
    _path(paths).unlink(missing_ok=True)
