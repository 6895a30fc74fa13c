"""What requests ask of a pod that sleeps: a fact, of which the control plane makes what it will."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ASKED_COUNTS: Final = 120.0
"""Seconds for which a request that went on without the pod still speaks for it: its client asks
again by then, or has found something else to do."""
HELD_COUNTS: Final = 10.0
"""Seconds after which a request that was said to wait, and is not said to any more, has gone."""


@dataclass(frozen=True)
class Demand:
    """Wall seconds, None for never.

    ``asked_at`` is when a request last wanted the pod and went on without it, ``held_at`` when one
    was last known to wait for it. A client that leaves while it waits leaves nothing behind.
    """

    asked_at: float | None = None
    held_at: float | None = None

    def is_pressing(self, *, since: float, now: float) -> bool:
        """Whether somebody who came after ``since`` still wants the pod at ``now``."""
        return any(
            at is not None and at > since and 0 <= now - at <= lasts
            for at, lasts in ((self.asked_at, ASKED_COUNTS), (self.held_at, HELD_COUNTS))
        )


NO_DEMAND: Final = Demand()
