"""A clock that moves only when told, for decisions that depend on time."""

from __future__ import annotations

from podman_llm.core.pod import ClockReading


class FakeClock:
    """All clocks of a made-up host.

    ``sleep`` advances instead of blocking. ``suspend`` moves wall and boottime but not monotonic,
    as a closed laptop does; ``step_wall`` moves the wall clock alone, as NTP or a person does;
    ``reboot`` starts a new boottime.
    """

    def __init__(self, wall: float = 1_795_000_000.0) -> None:
        self._wall = wall
        self._monotonic = 1000.0
        self._boottime = 1000.0
        self._boots = 1

    def wall(self) -> float:
        """UTC seconds since 1970."""
        return self._wall

    def monotonic(self) -> float:
        """Seconds that stop in suspend."""
        return self._monotonic

    def reading(self) -> ClockReading:
        """All clocks at once."""
        return ClockReading(self._wall, self._boottime, f"boot-{self._boots}")

    def sleep(self, seconds: float) -> None:
        """Advance by ``seconds`` at once."""
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass on every clock."""
        self._wall += seconds
        self._monotonic += seconds
        self._boottime += seconds

    def suspend(self, seconds: float) -> None:
        """Close the lid for ``seconds``."""
        self._wall += seconds
        self._boottime += seconds

    def step_wall(self, seconds: float) -> None:
        """Set the wall clock forward, or back with a negative number."""
        self._wall += seconds

    def reboot(self, seconds: float) -> None:
        """Power off and on, taking ``seconds``."""
        self._wall += seconds
        self._monotonic = 0.0
        self._boottime = 0.0
        self._boots += 1
