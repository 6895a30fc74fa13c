"""A process that outlives us and is never unknown.

It starts behind a gate: a child that waits on a pipe until its identity is on the disk, and only
then becomes the command. If we die in between, the pipe closes and the child ends without having
run anything. There is no moment in which the command runs and no record names it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from podman_llm.host import process
from podman_llm.host.clock import Clock

_GATE: Final = """\
import os, sys
if os.read(0, 1) != b"g":
    sys.exit("podman-llm ended before this pod was known")
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
try:
    os.execvp(sys.argv[1], sys.argv[1:])
except OSError as err:
    sys.exit(f"{sys.argv[1]}: {err.strerror}")
"""
_POLL_SECONDS: Final = 0.05
_KILL_SECONDS: Final = 5.0
_SAME_SECONDS: Final = 2.0
"""As in ``host.process``: NTP nudges what creation times are derived from."""


@dataclass(frozen=True)
class Identity:
    """Names one process for good: a pid is used again, a pid with its creation time is not."""

    pid: int
    created: float
    boot_id: str


def start(
    command: Sequence[str],
    *,
    environ: Mapping[str, str],
    log: Path,
    boot_id: str,
    record: Callable[[Identity], None],
) -> Identity:
    """Start ``command`` in a session of its own, its output appended to ``log``.

    ``record`` puts the identity on the disk; when it raises, the command never runs.

    Raises:
        OSError: the process cannot be started, or what ``record`` raises.
    """
    gate, opener = os.pipe()
    try:
        pid = _spawn(command, environ, log, gate)
        # A child that is gone already has no creation time; 0 then fits no process.
        identity = Identity(pid, process.create_time(pid) or 0.0, boot_id)
        record(identity)
        with suppress(BrokenPipeError):
            os.write(opener, b"g")
    finally:
        os.close(opener)
        os.close(gate)
    return identity


def runs(identity: Identity, boot_id: str) -> bool:
    """Whether this very process is alive."""
    if identity.boot_id != boot_id:
        return False
    with suppress(ChildProcessError):
        os.waitpid(identity.pid, os.WNOHANG)  # a child of ours would stay as a zombie
    return process.is_alive(identity.pid, identity.created)


def end(identity: Identity, clock: Clock, *, grace: float) -> bool:
    """SIGTERM to the process and all it started, SIGKILL to what is left; whether it is gone."""
    boot_id = clock.reading().boot_id
    for order, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, _KILL_SECONDS)):
        _signal_group(identity, boot_id, order)
        until = clock.monotonic() + patience
        while runs(identity, boot_id) and clock.monotonic() < until:
            clock.sleep(_POLL_SECONDS)
    return not runs(identity, boot_id)


def _signal_group(identity: Identity, boot_id: str, order: signal.Signals) -> None:
    """Signal the process group if it is still ours.

    A group outlives its leader, and as long as it does the system gives its id to nobody. So the
    group is ours if its leader is, or if there is no process of that pid at all.
    """
    created = process.create_time(identity.pid)
    is_ours = created is None or abs(created - identity.created) < _SAME_SECONDS
    if is_ours and identity.boot_id == boot_id:
        with suppress(ProcessLookupError):
            os.killpg(identity.pid, order)


def _spawn(command: Sequence[str], environ: Mapping[str, str], log: Path, gate: int) -> int:
    return os.posix_spawn(
        sys.executable,
        [sys.executable, "-I", "-S", "-c", _GATE, *command],
        environ,
        file_actions=[
            (os.POSIX_SPAWN_DUP2, gate, 0),
            (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
        setsigmask=(),
        setsigdef=(signal.SIGPIPE, signal.SIGINT, signal.SIGTERM),
    )
