"""How old an answer may be: what who asks allows, what the settings allow, and in need."""

from __future__ import annotations

import math
from enum import Enum

from podman_llm.core.routing import Directives


class Freshness(Enum):
    """What a kept answer is good for."""

    FRESH = "fresh"
    """It answers."""
    STALE = "stale"
    """It is past its time, and who asks takes it all the same."""
    SPARE = "spare"
    """It answers if nobody else can."""
    SPENT = "spent"
    """It is of no use to who asks."""


def judge_age(
    age: float,
    directives: Directives,
    ttl: float | None,
    *,
    is_asked_again: bool,
    is_spare_kept: bool,
) -> Freshness:
    """What an answer of ``age`` seconds is good for; ``ttl`` is how long it is fresh.

    ``is_asked_again``: the same session asked the same question at another time, which people do
    when they did not like the answer. ``is_spare_kept``: the settings give an answer past its
    ``ttl`` to whom nobody else answers. What a request says of its own accord counts for more: one
    that bounds the age gets nothing older for that, one with ``stale-if-error`` gets what it says.
    """
    wants_another = directives.no_cache or is_asked_again
    limits = (ttl, directives.max_age)
    lifetime = min((limit for limit in limits if limit is not None), default=math.inf)
    overdue = age if wants_another else age - lifetime
    if overdue < 0 and not wants_another:
        return Freshness.FRESH
    if not wants_another and _is_within(overdue, directives.max_stale):
        return Freshness.STALE
    if _is_within(overdue, directives.stale_if_error):
        return Freshness.SPARE
    is_young_enough = directives.max_age is None or age < directives.max_age
    may_ask = not directives.only_if_cached  # else nobody is asked who could fail
    if is_spare_kept and is_young_enough and may_ask and not wants_another:
        return Freshness.SPARE
    return Freshness.SPENT


def rank(good_for: Freshness, *, is_pod: bool, age: float) -> tuple[bool, bool, float]:
    """Which of several kept answers stands in when nobody gives a new one: the least.

    One that is still fresh before any that is past its time, then the pod's, whose model was asked
    for, before a fallback's, then the newer one.
    """
    return good_for is not Freshness.FRESH, not is_pod, age


def _is_within(overdue: float, allowed: float | None) -> bool:
    return allowed is not None and overdue <= allowed
