"""Places whose host failed a pod are left alone for a while.

Nothing is remembered for it: the records of the pods that failed say where, and when.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from podman_llm.core.pod import Candidate, PodRecord, StopReason

COOL_FOR: Final = 900.0
"""Seconds; a host's driver is not mended within minutes, and stock moves pods to other hosts."""


def cooling(records: Iterable[PodRecord], now: float) -> tuple[Candidate, ...]:
    """The places where a host failed a pod lately; ``now`` is wall seconds."""
    return tuple(
        record.candidate
        for record in records
        if record.reason is StopReason.BROKEN_HOST
        and record.stopping_at is not None
        and now - record.stopping_at < COOL_FOR
    )


def warm(candidates: tuple[Candidate, ...], cold: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
    """The candidates without those places; all of them when no other is left."""
    avoided = {_place(one) for one in cold}
    return tuple(one for one in candidates if _place(one) not in avoided) or candidates


def _place(candidate: Candidate) -> tuple[str, str, str | None]:
    return candidate.gpu_id, candidate.cloud, candidate.data_center_id
