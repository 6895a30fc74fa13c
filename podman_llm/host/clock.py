"""Clocks, as one thing that is passed in.

Suspend stops CLOCK_MONOTONIC, and people and NTP move the wall clock; leases therefore read wall
and boottime together. Where CLOCK_BOOTTIME does not exist (macOS), CLOCK_MONOTONIC_RAW, which
counts sleep there, stands in.
"""

from __future__ import annotations

import time
import uuid
from functools import cache
from pathlib import Path
from typing import Protocol

from podman_llm.core.pod import ClockReading

_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", getattr(time, "CLOCK_MONOTONIC_RAW", 0))


class Clock(Protocol):
    """What a holder of a clock may ask. Tests pass one that only moves when told."""

    def wall(self) -> float:
        """UTC seconds since 1970."""

    def monotonic(self) -> float:
        """Seconds that never go back, from an arbitrary start."""

    def reading(self) -> ClockReading:
        """All clocks at once, for leases."""

    def sleep(self, seconds: float) -> None:
        """Let time pass."""


@cache
def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        # Without the kernel's own id no two boottimes of different processes may be compared.
        return uuid.uuid4().hex


class SystemClock:
    """The host's real clocks."""

    def wall(self) -> float:
        """UTC seconds since 1970."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never go back, from an arbitrary start."""
        return time.monotonic()

    def reading(self) -> ClockReading:
        """All clocks at once."""
        return ClockReading(self.wall(), time.clock_gettime(_BOOT_CLOCK), _boot_id())

    def sleep(self, seconds: float) -> None:
        """Block for ``seconds``."""
        time.sleep(seconds)
