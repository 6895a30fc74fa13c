"""Whether a pod is still wanted, and how it is let go: at once, or after what is in flight."""

from __future__ import annotations

from typing import Final

from podman_llm.core import budget, lease
from podman_llm.core.pod import Phase, StopReason
from podman_llm.core.wording import duration
from podman_llm.core.world import Decision, World

DRAIN_LEAST: Final = 2.0
"""Seconds until every proxy worker has certainly seen that no new request may go there."""


def unwanted(world: World) -> Decision | None:
    """The beginning of the end, if money or time is over or the person wants no such pod."""
    record, wish = world.record, world.wish
    if ended := _over(world):
        return ended
    if not wish.is_up and wish.now:
        return world.stop(StopReason.USER, "asked to end now")
    if not wish.is_up:
        return _end_gently(world, StopReason.USER, "asked to end")
    if record.generation != wish.generation:
        return _end_gently(world, StopReason.SUPERSEDED, "something else is wanted")
    return None


def _over(world: World) -> Decision | None:
    if out := budget.exhausted(world.limits.caps, world.spent, world.record, world.now):
        return world.stop(StopReason.BUDGET, out)
    match lease.expiry(world.record, world.now):
        case lease.Expiry.HARD:
            return world.stop(StopReason.EXPIRY, "its hard deadline has passed")
        case lease.Expiry.SOFT:
            return _end_gently(world, StopReason.EXPIRY, "the time asked for is over")
        case None:
            return None


def _end_gently(world: World, reason: StopReason, detail: str) -> Decision:
    """Let requests in flight finish, if any are known of."""
    if world.record.phase is Phase.DRAINING:
        return drain(world)
    serves = world.record.phase in {Phase.READY, Phase.DEGRADED}
    is_busy = world.traffic.is_known and world.traffic.in_flight > 0
    if serves and is_busy and world.limits.drain > 0:
        return start_drain(world, reason, detail)
    return world.stop(reason, detail)


def start_drain(world: World, reason: StopReason, detail: str) -> Decision:
    """Save that nothing new may go there; the proxies follow, then it can be ended."""
    return world.go(
        Phase.DRAINING,
        f"finishing what is in flight: {detail}",
        reason=reason,
        reason_detail=detail,
        draining_at=world.now,
    )


def drain(world: World) -> Decision:
    """Wait for what is in flight, within bounds. Unknown traffic is waited for like any."""
    limits, traffic, drained = world.limits, world.traffic, world.in_phase
    reason = world.record.reason or StopReason.USER
    is_idle = traffic.is_known and traffic.in_flight == 0
    if drained >= limits.drain or (is_idle and drained >= DRAIN_LEAST):
        return world.stop(reason, world.record.reason_detail)
    left = duration(limits.drain - drained)
    what = f"{traffic.in_flight} requests in flight may finish, at most {left} more"
    return world.stay(what, min(1.0, limits.poll))
