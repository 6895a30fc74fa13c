"""Starting the daemon detached, and knowing whether it still lives."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from podman_llm.errors import PodmanLLMError
from podman_llm.host.clock import Clock
from podman_llm.host.systemctl import systemctl
from podman_llm.state.locks import is_held
from podman_llm.state.paths import StatePaths
from podman_llm.supervisor.units import DAEMON, Scope, installed_scope

_START_SECONDS = 20.0
_TAIL_LINES = 8


def spawn_detached(argv: list[str], log: Path) -> subprocess.Popen[bytes]:
    """A process of its own session that outlives this one; its output goes to ``log``."""
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with log.open("ab") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "podman_llm", *argv],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )


def ensure_daemon(paths: StatePaths, clock: Clock) -> Callable[[], bool]:
    """Start the daemon unless one runs; the answer tells whether it is gone.

    Where its unit is installed, systemd starts it; the socket unit has the port then.

    Raises:
        PodmanLLMError: it did not come up; the message ends with its last log lines.
    """
    if is_held(paths):
        return lambda: not is_held(paths)
    if scope := installed_scope(paths.root):
        systemctl("start", "--no-block", DAEMON, is_user=scope is Scope.USER)
        _await_lock(paths, clock, has_ended=lambda: False)
        return lambda: not is_held(paths)
    process = spawn_detached(["daemon", "--state-dir", str(paths.root)], paths.daemon_log)
    _await_lock(paths, clock, has_ended=lambda: process.poll() is not None)
    # Ours leaves at once when the one of an `up` in another terminal was first; that one goes on.
    return lambda: process.poll() is not None and not is_held(paths)


def _await_lock(paths: StatePaths, clock: Clock, *, has_ended: Callable[[], bool]) -> None:
    start = clock.monotonic()
    while not is_held(paths):
        if has_ended():
            return  # it may also have done its work and left: the state tells
        if clock.monotonic() - start > _START_SECONDS:
            raise PodmanLLMError(
                f"the daemon does not start:\n{tail(paths.daemon_log)}",
                hint=f"The whole log is {paths.daemon_log}.",
            )
        clock.sleep(0.02)


def tail(log: Path, lines: int = _TAIL_LINES) -> str:
    """The last lines of a log, empty when there is none."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
