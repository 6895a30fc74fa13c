"""Workers that outlived a killed daemon. They serve on, and hold the port, until the next comes.

A pid from a file is only a hint. A process is an orphan of ours if its command line says, now,
that it is a worker of this state directory; the lock says that its daemon is gone.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from podman_llm.errors import StateError
from podman_llm.host import process
from podman_llm.host.clock import Clock
from podman_llm.state.activity import load_activities
from podman_llm.state.paths import StatePaths
from podman_llm.state.report import load_report
from podman_llm.telemetry import names

_LOOK_SECONDS = 0.1

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Orphan:
    """One process, named for good; ``slot`` is the number of the files that it writes."""

    pid: int
    created: float
    slot: int

    @property
    def is_alive(self) -> bool:
        """Whether it still runs."""
        return process.is_alive(self.pid, self.created)

    def holds(self, port: int) -> bool:
        """Whether it still listens there."""
        return process.listens(self.pid, self.created, port)


def find_orphans(paths: StatePaths) -> tuple[Orphan, ...]:
    """The workers of this state directory. Asked by the holder of the lock, before it has any."""
    return tuple(
        Orphan(pid, created, slot)
        for pid, slot in sorted(set(_recorded(paths)))
        if is_worker(process.command_of(pid), paths)
        and (created := process.create_time(pid)) is not None
    )


def is_worker(command: tuple[str, ...], paths: StatePaths) -> bool:
    """Whether this is the command line of a worker of this state directory."""
    return "worker" in command and str(paths.root) in command


def ask_to_end(orphan: Orphan) -> None:
    """Let it close the port at once, and finish its answers."""
    _LOG.info(names.ORPHAN_ENDED, extra={"worker_pid": orphan.pid})
    process.ask_to_end(orphan.pid, orphan.created)


def see_off(orphans: Iterable[Orphan], *, clock: Clock, grace: float) -> None:
    """Wait up to ``grace`` seconds for all of them together, then kill those left."""
    left = [orphan for orphan in orphans if orphan.is_alive]
    deadline = clock.monotonic() + grace
    while left and clock.monotonic() < deadline:
        clock.sleep(_LOOK_SECONDS)
        left = [orphan for orphan in left if orphan.is_alive]
    for orphan in left:
        process.terminate(orphan.pid, orphan.created, grace=0)


def _recorded(paths: StatePaths) -> Iterator[tuple[int, int]]:
    """Pid and slot of whoever may be one."""
    yield from ((activity.pid, activity.slot) for activity in load_activities(paths))
    try:
        report = load_report(paths)
    except StateError:
        return
    if report:
        yield from ((worker.pid, worker.slot) for worker in report.workers if worker.pid)
