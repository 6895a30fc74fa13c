"""What a decision may ask for, as values, and what can come of it.

Each deed is safe to repeat except ``CreatePod``, whose record is in SENT on disk before it is done.
"""

from __future__ import annotations

from dataclasses import dataclass

from podman_llm.core.pod import Candidate, PodRecord, PodSpec, WaitCause
from podman_llm.core.sight import CreateOutcome, Readiness, TerminateOutcome


@dataclass(frozen=True)
class Nothing:
    """Look again later."""


@dataclass(frozen=True)
class MakePlan:
    """Work out what to run and where it could run, from the settings and the catalog of now."""


@dataclass(frozen=True)
class CreatePod:
    """Send the one request of this record's attempt."""

    record: PodRecord


@dataclass(frozen=True)
class TerminatePod:
    """Order the pod's end."""

    pod_id: str


@dataclass(frozen=True)
class FetchLogs:
    """Keep the last lines of a pod that is about to be ended for failing."""

    pod_id: str


@dataclass(frozen=True)
class Probe:
    """Ask the model's port how far it is; ``deep`` includes a completion of one token."""

    endpoint: str
    served_name: str
    name: str
    is_keyed: bool
    deep: bool


Deed = Nothing | MakePlan | CreatePod | TerminatePod | FetchLogs | Probe


@dataclass(frozen=True)
class Planned:
    """What to run, and the places to ask for it, best first; there is at least one."""

    spec: PodSpec
    candidates: tuple[Candidate, ...]


@dataclass(frozen=True)
class PlanFailed:
    """There is no plan. ``cause`` is set when waiting may help."""

    exit_code: int
    message: str
    hint: str
    cause: WaitCause | None = None


@dataclass(frozen=True)
class LogTail:
    """The last lines, oldest first; or one line saying why there are none."""

    lines: tuple[str, ...]


Outcome = Planned | PlanFailed | CreateOutcome | TerminateOutcome | LogTail | Readiness
