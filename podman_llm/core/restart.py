"""When a child that ended is started again.

The first restart is at once: a worker that was killed by hand or by the out-of-memory killer must
not be missed. A child that ends again and again soon after its start waits twice as long each
time, up to a ceiling, because whatever is wrong will not go away by trying harder.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RestartPolicy:
    """Seconds, but ``factor``. A child that lived ``stable`` is forgiven all earlier ends."""

    base: float = 0.25
    factor: float = 2.0
    ceiling: float = 30.0
    stable: float = 10.0


@dataclass(frozen=True)
class Restart:
    """Start again after ``delay`` seconds. ``streak`` counts the short lives in a row."""

    delay: float
    streak: int


def after_end(policy: RestartPolicy, *, streak: int, lived: float) -> Restart:
    """What to do about a child that ended after ``lived`` seconds and ``streak`` short lives."""
    if lived >= policy.stable:
        return Restart(delay=0.0, streak=0)
    # The exponent stays small enough for a float however long this goes on.
    grown = policy.base * policy.factor ** min(streak - 1, 64)
    return Restart(delay=min(policy.ceiling, grown) if streak else 0.0, streak=streak + 1)
