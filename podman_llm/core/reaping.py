"""Which pods of a list a reaper ends: those past the deadline in their own name, and orphans.

Name and environment must both say whose a pod is and when it must be gone. One that only half says
so is left alone and named: people copy names, and edit environments in consoles.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from podman_llm.core import naming
from podman_llm.core.listing import ListView, orphans
from podman_llm.core.pod import Phase, PodRecord
from podman_llm.core.sight import PodSight
from podman_llm.core.wording import duration

GRACE: Final = 60.0
"""Seconds after the deadline that belong to the guard inside the pod."""

_UNSETTLED = frozenset({Phase.INTENT, Phase.SENT, Phase.UNRESOLVED})


@dataclass(frozen=True)
class Found:
    """A pod and what is to be said of it. ``may_end`` is false where its marks disagree."""

    pod: PodSight
    why: str
    may_end: bool = True


def overdue(pods: Iterable[PodSight], owners: frozenset[str], now: float) -> tuple[Found, ...]:
    """The pods of these owners whose deadline and grace have passed at ``now`` (wall seconds)."""
    found = []
    for pod in pods:
        name = naming.parse(pod.name)
        if name is None or name.owner not in owners or now < name.deadline + GRACE:
            continue
        why = f"past its deadline by {duration(now - name.deadline)}"
        if _agrees(pod, name):
            found.append(Found(pod, why))
        else:
            found.append(Found(pod, f"{why} by its name, but not by its marks", may_end=False))
    return tuple(found)


def strays(
    view: ListView, record: PodRecord | None, owner: str, *, now: float, quarantine: float
) -> tuple[Found, ...]:
    """The pods of this owner that no open record accounts for, if they are older than a quarantine.

    A younger one may be the answer to a request that its controller is still about to record; none
    is a stray while a request is under way. One that does not tell its age has none.
    """
    if record is not None and record.phase in _UNSETTLED:
        return ()
    return tuple(
        Found(pod, "of ours, and in no record")
        for pod in orphans(view, record, owner)
        if pod.created_at is not None and now - pod.created_at >= quarantine
    )


def _agrees(pod: PodSight, name: naming.PodName) -> bool:
    is_marked = naming.is_marked(pod.name, pod.env, name.owner)
    return is_marked and pod.env.get(naming.DEADLINE_MARK) == str(int(name.deadline))
