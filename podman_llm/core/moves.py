"""The one function that changes a pod's phase."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from podman_llm.core.pod import ALLOWED, IllegalMove, Phase, PodRecord, Transition

TRANSITIONS_KEPT: Final = 64
"""A record that flaps for days must not grow without end; the latest moves are those of use."""


def advance(
    record: PodRecord,
    phase: Phase,
    at: float,
    note: str,
    **changes: Any,  # noqa: ANN401 - fields of PodRecord, checked by ``replace``
) -> PodRecord:
    """The record in its next phase; ``record`` itself is unchanged.

    The first reason given stays: what is decided later does not rewrite why a pod was ended.

    Raises:
        IllegalMove: the table has no such move, STOPPING was given no reason, or DONE no evidence.
    """
    if phase not in ALLOWED[record.phase]:
        raise IllegalMove(f"{record.phase} may not become {phase}")
    if record.reason is not None:
        changes["reason"] = record.reason
        changes["reason_detail"] = record.reason_detail
    transitions = (*record.transitions, Transition(phase, at, note))[-TRANSITIONS_KEPT:]
    moved = replace(record, phase=phase, transitions=transitions, **changes)
    if phase is Phase.STOPPING and moved.reason is None:
        raise IllegalMove("STOPPING needs a reason")
    if phase is Phase.DONE and moved.evidence is None:
        raise IllegalMove("DONE needs evidence")
    return moved
