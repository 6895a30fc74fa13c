"""What a probe of the model's port changes."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from podman_llm.core.naming import LEASE_MARK
from podman_llm.core.pod import Phase, StopReason
from podman_llm.core.sight import PodSight, Readiness, Rung
from podman_llm.core.wording import duration
from podman_llm.core.world import Decision, World

READY_POLL: Final = 15.0
"""Seconds between looks at a pod that serves."""
STRIKES_MAX: Final = 3
"""Bad probes in a row before they count: one may be a hiccup of the network."""

_KEY_TAKEN: Final = frozenset({Rung.LISTED, Rung.ANSWERING})


def conclude_probe(world: World, readiness: Readiness) -> Decision:
    """What the model's port answered."""
    if readiness.rung in _KEY_TAKEN and LEASE_MARK in world.record.spec.env:
        world = world.remember(record=replace(world.record, greeted_at=world.now))
    if world.record.phase is Phase.READY:
        return _conclude_ready(world, readiness)
    if readiness.rung is Rung.ANSWERING:
        return _ready(world)
    strikes = world.strikes + 1 if readiness.rung is Rung.KEY_REFUSED else 0
    if strikes >= STRIKES_MAX:
        return world.stop(StopReason.KEY_REFUSED, "its server refuses the key made for it")
    what = f"model not answering yet ({readiness.detail})"
    return world.stay(what, strikes=strikes)


def _ready(world: World) -> Decision:
    record = world.record
    first = record.ready_at is None
    ready_at = world.now if record.ready_at is None else record.ready_at
    took = duration(world.now - (record.sent or record.intent).wall)
    note = (
        f"the model answers, {took} after it was asked for" if first else "the model answers again"
    )
    awake = world.moved(Phase.READY, note, ready_at=ready_at, restarts=0).remember(sleep=None)
    return awake.stay(note, READY_POLL)


def _conclude_ready(world: World, readiness: Readiness) -> Decision:
    if readiness.rung in _KEY_TAKEN:
        left = duration(world.record.soft_deadline - world.now)
        return world.stay(f"serving, {left} left", serving_wait(replace(world, strikes=0)))
    if not _is_definite(world, readiness):
        what = f"serving as far as is known ({readiness.detail})"
        return world.stay(what, strikes=world.strikes)
    strikes = world.strikes + 1
    if strikes >= STRIKES_MAX:
        return world.go(Phase.DEGRADED, f"the model stopped answering ({readiness.detail})")
    return world.stay(f"probe failed ({readiness.detail})", strikes=strikes)


def _is_definite(world: World, readiness: Readiness) -> bool:
    """Whether a bad probe says something about the pod rather than about our own network.

    A port that cannot be reached while the provider cannot either is most likely our network.
    """
    if readiness.rung is Rung.UNKNOWN:
        return False
    return readiness.rung is not Rung.UNREACHABLE or isinstance(world.sight, PodSight)


def serving_wait(world: World) -> float:
    """Seconds to the next look at a pod that serves; sooner while in doubt or near its end."""
    if world.strikes or world.record.phase is Phase.DEGRADED:
        return world.limits.poll
    return max(0.0, min(READY_POLL, world.record.soft_deadline - world.now))
