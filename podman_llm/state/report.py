"""How the daemon fares, as it wrote last.

For people and for the next daemon; no decision about a pod rests on it.
"""

from __future__ import annotations

from typing import Literal

from podman_llm.state import documents
from podman_llm.state.desired import Desired
from podman_llm.state.paths import StatePaths


class WorkerReport(documents.Document):
    """One proxy worker.

    ``pid`` is None while it is down; ``since`` is wall seconds of its last start or end.
    ``problem`` says why it is down. One that ``is_leaving`` accepts nobody any more and finishes
    its last answers, while another serves in its place.
    """

    slot: int
    pid: int | None
    restarts: int
    since: float
    problem: str = ""
    is_leaving: bool = False


class DoneWith(documents.Document):
    """A wish for which nothing is left to do."""

    generation: int
    want: Literal["up", "down"]


class DaemonReport(documents.Document):
    """The daemon at its last tick. Times are wall seconds; ``tick_at`` is 0.0 before the first.

    ``done_with`` is the wish after which a daemon that systemd keeps rests; another one leaves.
    """

    version: int = 1
    pid: int
    started_at: float
    tick_at: float
    note: str
    url: str
    workers: tuple[WorkerReport, ...]
    problem: str = ""
    done_with: DoneWith | None = None

    @property
    def serving(self) -> tuple[WorkerReport, ...]:
        """The workers that are there and accept clients."""
        return tuple(one for one in self.workers if one.pid and not one.is_leaving)

    @property
    def leaving(self) -> tuple[WorkerReport, ...]:
        """The workers that only finish their last answers."""
        return tuple(one for one in self.workers if one.pid and one.is_leaving)

    def is_done_with(self, desired: Desired) -> bool:
        """Whether nothing is left to do for this very wish."""
        wish = DoneWith(generation=desired.generation, want=desired.want)
        return self.done_with == wish


def load_report(paths: StatePaths) -> DaemonReport | None:
    """The last report, or None if no daemon ever ran here. It may be of a daemon long gone.

    Raises:
        StateError: the file is unreadable or damaged.
    """
    return documents.load(paths.report, DaemonReport)


def save_report(paths: StatePaths, report: DaemonReport) -> None:
    """Replace the report.

    Raises:
        StateError: it cannot be written.
    """
    documents.save(paths.report, report)
