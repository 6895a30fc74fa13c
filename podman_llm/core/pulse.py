"""When a child that runs but shows no life counts as hung.

A child that is alive gives a sign about once a second. Silence is what its watcher saw itself, look
by look: a look that comes late, because the watcher was frozen too or the machine is loaded, counts
for no more than ``longest_look``. What stops both, as a closed laptop does, therefore accuses
nobody, and who is late himself is patient.
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class PulsePolicy:
    """Seconds. ``starting`` is for the first sign, ``silent`` for each one after it."""

    starting: float = 60.0
    silent: float = 12.0
    longest_look: float = 0.5


@dataclass(frozen=True)
class Pulse:
    """What is known of one child: whether it ever gave a sign, and the silence since the last."""

    has_begun: bool = False
    silent: float = 0.0


def after_look(policy: PulsePolicy, pulse: Pulse, *, has_beaten: bool, elapsed: float) -> Pulse:
    """What a look tells that came ``elapsed`` seconds after the one before."""
    if has_beaten:
        return Pulse(has_begun=True)
    seen = min(max(elapsed, 0.0), policy.longest_look)
    return replace(pulse, silent=pulse.silent + seen)


def is_hung(policy: PulsePolicy, pulse: Pulse) -> bool:
    """Whether nothing is left but to end it."""
    return pulse.silent >= (policy.silent if pulse.has_begun else policy.starting)
