"""The made-up RunPod's own time, which may run faster than ours or jump ahead."""

from __future__ import annotations

from datetime import UTC, datetime

from podman_llm.host.clock import Clock


class WorldClock:
    """Wall time that starts with ``base`` and runs ``scale`` times as fast."""

    def __init__(self, base: Clock, *, scale: float = 1.0) -> None:
        self.scale = scale
        self._base = base
        self._start = base.wall()
        self._shift = 0.0

    def wall(self) -> float:
        """UTC seconds since 1970, as this world has it."""
        return self._start + (self._base.wall() - self._start) * self.scale + self._shift

    def terms(self) -> tuple[float, float, float]:
        """Start, scale and shift, for clocks of other processes that shall follow this one."""
        return self._start, self.scale, self._shift

    def advance(self, seconds: float) -> None:
        """Jump ahead."""
        self._shift += seconds


def rfc3339(wall: float) -> str:
    """Wall seconds as the API spells them, in whole seconds."""
    return datetime.fromtimestamp(wall, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def from_rfc3339(text: str) -> float:
    """Wall seconds of an RFC 3339 time.

    Raises:
        ValueError: it is not one, or has no zone.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment.timestamp()
