"""Whether the daemon that should run does run, for machines where no systemd sees to it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from podman_llm.errors import StateError
from podman_llm.host import process
from podman_llm.state.desired import Desired, load_desired, load_understood
from podman_llm.state.locks import is_held
from podman_llm.state.paths import StatePaths
from podman_llm.state.report import DaemonReport, load_report
from podman_llm.state.store import PodState, read_pod_state

HUNG_SECONDS: Final = 1800.0
"""A turn in which every call takes its whole timeout, as it is by default, is half as long."""

_GRACE_SECONDS: Final = 10.0


class Verdict(StrEnum):
    """What is to be done about the daemon."""

    WELL = "well"
    MISSING = "missing"
    HUNG = "hung"


@dataclass(frozen=True)
class Finding:
    """A verdict and its reason in one sentence."""

    verdict: Verdict
    words: str


def look(paths: StatePaths, now: float) -> Finding:
    """Compare what is wanted with who is there. Reads files only.

    Raises:
        StateError: what is wanted cannot be read, and no daemon ever understood it.
    """
    desired = _wish(paths)
    if is_held(paths):
        return _at_work(load_report(paths), now)
    try:
        state = read_pod_state(paths)
    except StateError as err:
        return Finding(Verdict.MISSING, f"no daemon runs, and {err.message}")
    if state and state.current and state.current.is_open:
        pod = state.current.pod_id or state.current.name
        return Finding(Verdict.MISSING, f"no daemon runs, and pod {pod} may be billing")
    if desired is None or desired.want == "down":
        return Finding(Verdict.WELL, "nothing is wanted, nothing is owed, no daemon runs")
    return _wanted(desired, state)


def end_hung(paths: StatePaths) -> bool:
    """End the daemon of the last report, if that process still is it; whether it is gone.

    Its pod and its workers go on; the next daemon takes both over.
    """
    report = load_report(paths)
    created = process.create_time(report.pid) if report else None
    if report is None or created is None:
        return True
    command = process.command_of(report.pid)
    if "daemon" not in command or str(paths.root) not in command:
        return False
    return process.terminate(report.pid, created, grace=_GRACE_SECONDS)


def _wish(paths: StatePaths) -> Desired | None:
    """What was wished for last, or what the daemon that starts will go by in its place."""
    try:
        return load_desired(paths)
    except StateError:
        if understood := load_understood(paths):
            return understood
        raise


def _at_work(report: DaemonReport | None, now: float) -> Finding:
    if report is None or report.done_with or not report.tick_at:
        return Finding(Verdict.WELL, "the daemon runs")
    silent = now - max(report.tick_at, report.started_at)
    if silent < HUNG_SECONDS:
        return Finding(Verdict.WELL, f"the daemon runs (pid {report.pid}): {report.note}")
    words = f"the daemon (pid {report.pid}) has ended no turn for {silent / 60:.0f} minutes"
    return Finding(Verdict.HUNG, words)


def _wanted(desired: Desired, state: PodState | None) -> Finding:
    if state and state.failure and state.has_failed(desired.generation):
        return Finding(
            Verdict.WELL, f"the last `up` failed, no daemon is needed: {state.failure.message}"
        )
    return Finding(Verdict.MISSING, "no daemon runs, and a pod is wanted")
