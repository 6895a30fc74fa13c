"""Whether an upstream is asked at all, judged by how it fared: values and transitions.

A circuit is CLOSED while its upstream is asked. Failures open it: nobody asks then, so that an
outage costs the first caller a wait and the others nothing. When its time is up one caller tries
while it is HALF_OPEN, and some good calls in a row close it again. Times are seconds of any clock
that does not go back.

A caller that leaves and an answer that blames the request say nothing of the upstream: these are
``abandoned``. What is known to be ending or starting is not asked, and so never gets here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Literal

_CALLS_REMEMBERED: Final = 20


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """When a circuit opens, for how long, and what closes it.

    It opens after ``consecutive`` failures, or when of at least ``at_least`` calls within
    ``window_seconds`` the share ``ratio`` failed. It stays open for ``first_open`` seconds, which
    grow by ``growth`` with every trial that fails, up to ``longest_open``, each time by chance
    ``jitter`` (a share) more or less, lest all callers come back together. With the defaults three
    calls at most reach an upstream that is down for a minute.

    Conversations that went elsewhere stay there until ``settle_seconds`` after it became half open.
    """

    consecutive: int = 3
    ratio: float = 0.5
    at_least: int = 10
    window_seconds: float = 60.0
    first_open: float = 5.0
    growth: float = 4.0
    longest_open: float = 60.0
    jitter: float = 0.2
    good_calls: int = 2
    settle_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Closed:
    """Asked. ``failures`` are those in a row; ``calls`` the last ones, as time and success."""

    failures: int = 0
    calls: tuple[tuple[float, bool], ...] = ()


@dataclass(frozen=True, slots=True)
class Open:
    """Not asked before ``until``; ``streak`` is how often it opened without closing between."""

    until: float
    streak: int
    why: str

    @property
    def is_forced(self) -> bool:
        """Whether a person opened it; only a person closes it then."""
        return math.isinf(self.until)


@dataclass(frozen=True, slots=True)
class HalfOpen:
    """Tried by one caller at a time, since ``since``; ``good`` calls went well so far."""

    since: float
    streak: int = 0
    good: int = 0
    is_trying: bool = False


Circuit = Closed | Open | HalfOpen
CircuitState = Literal["CLOSED", "HALF_OPEN", "OPEN"]


class Admission(StrEnum):
    """What a circuit says to one more caller."""

    PASS = "pass"  # noqa: S105 - what a gate says, no password
    """Ask."""
    TRY = "try"
    """Ask, as the one who tries."""
    BUSY = "busy"
    """Somebody else is trying."""
    NO = "no"
    """Do not ask."""


def name_of(circuit: Circuit) -> CircuitState:
    """The state's name, for people and programs."""
    match circuit:
        case Closed():
            return "CLOSED"
        case Open():
            return "OPEN"
        case HalfOpen():
            return "HALF_OPEN"


def admission(circuit: Circuit, now: float) -> Admission:
    """What a caller would be told now. Asking changes nothing; see ``admit``."""
    match circuit:
        case Closed():
            return Admission.PASS
        case Open(until=until):
            return Admission.TRY if now >= until else Admission.NO
        case HalfOpen(is_trying=is_trying):
            return Admission.BUSY if is_trying else Admission.TRY


def is_unproven(circuit: Circuit) -> bool:
    """Whether nothing has gone well since it opened; a probe then goes first, not a request."""
    match circuit:
        case Open():
            return True
        case HalfOpen(streak=streak, good=good):
            return streak > 0 and good == 0
        case Closed():
            return False


def seconds_shut(circuit: Circuit, now: float) -> float:
    """How long nobody will be asked, as far as is known; infinite for a forced one."""
    return max(0.0, circuit.until - now) if isinstance(circuit, Open) else 0.0


def is_settling(circuit: Circuit, now: float, policy: BreakerPolicy) -> bool:
    """Whether conversations that went elsewhere stay there for now."""
    return isinstance(circuit, HalfOpen) and now - circuit.since < policy.settle_seconds


def admit(circuit: Circuit, now: float) -> Circuit:
    """A caller goes; it must report ``succeeded``, ``failed`` or ``abandoned``."""
    match circuit:
        case Open(until=until, streak=streak) if now >= until:
            return HalfOpen(since=now, streak=streak, is_trying=True)
        case HalfOpen():
            return replace(circuit, is_trying=True)
        case _:
            return circuit


def succeeded(circuit: Circuit, now: float, policy: BreakerPolicy) -> Circuit:
    """A call went well. One that began before the circuit opened does not close it."""
    match circuit:
        case Closed(calls=calls):
            return Closed(0, _noted(calls, now, is_good=True))
        case HalfOpen(good=good) if good + 1 >= policy.good_calls:
            return Closed()
        case HalfOpen(good=good):
            return replace(circuit, good=good + 1, is_trying=False)
        case Open():
            return circuit


def failed(
    circuit: Circuit, now: float, policy: BreakerPolicy, *, why: str, is_grave: bool, chance: float
) -> Circuit:
    """A call failed for the upstream's fault; ``chance`` is a random number from 0 to 1.

    ``is_grave``: nobody was there. That opens at once, for the next caller would wait as long.
    """
    match circuit:
        case Closed(failures=failures, calls=calls):
            known = Closed(failures + 1, _noted(calls, now, is_good=False))
            if is_grave or known.failures >= policy.consecutive or _is_bad(known, now, policy):
                return _opened(now, policy, streak=1, why=why, chance=chance)
            return known
        case HalfOpen(streak=streak):
            return _opened(now, policy, streak=streak + 1, why=why, chance=chance)
        case Open():
            return circuit


def abandoned(circuit: Circuit) -> Circuit:
    """A call ended and tells nothing; another may try."""
    return replace(circuit, is_trying=False) if isinstance(circuit, HalfOpen) else circuit


def on_probation(now: float) -> Circuit:
    """Of an upstream that is new while others serve: some good calls before all go there."""
    return HalfOpen(since=now)


def force_open(why: str) -> Circuit:
    """Shut by a person, until ``force_close``."""
    return Open(until=math.inf, streak=0, why=why)


def force_close() -> Circuit:
    """Trusted by a person, whatever was."""
    return Closed()


def _noted(
    calls: tuple[tuple[float, bool], ...], now: float, *, is_good: bool
) -> tuple[tuple[float, bool], ...]:
    return (*calls[1 - _CALLS_REMEMBERED :], (now, is_good))


def _is_bad(circuit: Closed, now: float, policy: BreakerPolicy) -> bool:
    recent = [is_good for at, is_good in circuit.calls if now - at <= policy.window_seconds]
    bad = len(recent) - sum(recent)
    return len(recent) >= policy.at_least and bad >= policy.ratio * len(recent)


def _opened(now: float, policy: BreakerPolicy, *, streak: int, why: str, chance: float) -> Open:
    # The exponent stays small enough for a float however long the outage is.
    grown = min(policy.longest_open, policy.first_open * policy.growth ** min(streak - 1, 16))
    return Open(now + grown * (1 + policy.jitter * (2 * chance - 1)), streak, why)
