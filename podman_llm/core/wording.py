"""Seconds, dollars and pods in words, the same everywhere."""

from __future__ import annotations

from podman_llm.core.pod import Candidate, PodRecord

_MINUTE = 60
_HOUR = 3600


def duration(seconds: float) -> str:
    """``41 s``, ``12 min``, ``3 h 05 min``."""
    whole = max(0, round(seconds))
    if whole < 2 * _MINUTE:
        return f"{whole} s"
    if whole < 2 * _HOUR:
        return f"{whole // _MINUTE} min"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} min"


def money(usd: float) -> str:
    """Dollars to the cent, or finer while they are few: ``$0.0063``, ``$1.84``."""
    return f"${usd:.4f}" if usd < 1 else f"${usd:.2f}"


def place(candidate: Candidate) -> str:
    """Where a pod is asked for: ``2x NVIDIA L4 (SECURE, EU-RO-1)``."""
    centre = f", {candidate.data_center_id}" if candidate.data_center_id else ""
    return f"{_gpus(candidate)} ({candidate.cloud}{centre})"


def subject(record: PodRecord) -> str:
    """The pod itself: ``pod abc123 on NVIDIA L4``."""
    return f"pod {record.pod_id or record.name} on {_gpus(record.candidate)}"


def progress(record: PodRecord, now: float, what: str) -> str:
    """One line about a pod: phase, which, what it is doing, for how long, for how much."""
    age = now - (record.sent or record.intent).wall
    cost = f", {money(record.spent(now))} so far" if record.rates else ""
    return f"{record.phase} {subject(record)}: {what}, {duration(age)}{cost}"


def _gpus(candidate: Candidate) -> str:
    count = f"{candidate.gpu_count}x " if candidate.gpu_count > 1 else ""
    return f"{count}{candidate.gpu_name}"
