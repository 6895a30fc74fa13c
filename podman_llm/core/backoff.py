"""How long to wait before the next try."""

from __future__ import annotations

from typing import Final

UNRESOLVED_OFFSETS: Final = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds after a lost answer at which to look for its pod.

Most pods whose answer was lost are listed within a second or two; the early looks find those.
"""

UNRESOLVED_STEADY: Final = 15.0
"""Seconds between looks after the last offset."""

_EXPONENT_MAX = 30  # 2**30 first waits exceed any cap; beyond it floats would only overflow


def exponential(tries: int, *, first: float, most: float) -> float:
    """The wait after the ``tries``-th failure in a row: doubles from ``first`` up to ``most``."""
    return min(most, first * 2.0 ** min(max(0, tries - 1), _EXPONENT_MAX))


def until_next_look(elapsed: float) -> float:
    """Seconds from ``elapsed`` after a lost answer to the next look for its pod."""
    later = (offset - elapsed for offset in UNRESOLVED_OFFSETS if offset > elapsed)
    return next(later, UNRESOLVED_STEADY)
