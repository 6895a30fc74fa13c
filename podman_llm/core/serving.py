"""A pod with an id, from its container's start until it is let go.

Each look goes through the same questions in the same order: is it ours, is it wanted, is it there,
is it fit; only then what its phase has to do.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from podman_llm.core import lease
from podman_llm.core.absence import absences, is_seen, proof
from podman_llm.core.deeds import Probe
from podman_llm.core.draining import drain, start_drain, unwanted
from podman_llm.core.guard import ARMED_WITHIN
from podman_llm.core.learning import learn
from podman_llm.core.naming import is_foreign
from podman_llm.core.own_end import own_end
from podman_llm.core.pod import Guard, Phase, StopReason
from podman_llm.core.readiness import serving_wait
from podman_llm.core.sight import Gone, PodSight, PodStatus
from podman_llm.core.sleep import falling_asleep
from podman_llm.core.verdicts import not_ours, over_price
from podman_llm.core.wording import duration
from podman_llm.core.world import Decision, World

PRICE_GRACE: Final = 90.0
"""Seconds in which the provider may still not tell the price."""
_PRICE_SLACK = 1.001  # prices are floats that were rounded somewhere


def decide_live(world: World) -> Decision:
    """One look at a pod that is meant to live."""
    had = world.record
    world = world.remember(record=learn(world))
    return (
        disowned(world)
        or unwanted(world)
        or _vanished(world)
        or _unfit(world)
        or _next_step(world, has_restarted=world.record.restarts > had.restarts)
    )


def disowned(world: World) -> Decision | None:
    """A pod of another owner is never touched, whatever our record says."""
    seen = world.sight
    if not (isinstance(seen, PodSight) and is_foreign(seen.env, world.owner)):
        return None
    told = world.remember(verdict=not_ours(world, seen.pod_id))
    return told.go(Phase.DISOWNED, f"pod {seen.pod_id} carries another owner's mark")


def _vanished(world: World) -> Decision | None:
    if not isinstance(world.sight, Gone) or is_seen(world):
        return None
    missing = world.remember(record=replace(world.record, absences=absences(world)))
    if proof(missing) is None:
        return missing.stay("the provider does not show it; making sure")
    if own := own_end(missing):
        return missing.stop(*own)
    return missing.go(
        Phase.LOST,
        "gone, and nobody here asked for that",
        reason=StopReason.LOST,
        reason_detail="it vanished without our doing",
    )


def _unfit(world: World) -> Decision | None:
    record, sight = world.record, world.sight
    if not isinstance(sight, PodSight):
        return None
    if sight.status in {PodStatus.EXITED, PodStatus.ERROR}:
        return world.stop(
            *own_end(world) or (StopReason.EXITED, f"its container is {sight.status}")
        )
    if record.restarts > world.limits.max_restarts:
        detail = f"its container restarted {record.restarts} times while booting"
        return world.stop(StopReason.CRASH_LOOP, detail)
    return _broken(world) or _unguarded(world) or _too_dear(world, sight)


def _broken(world: World) -> Decision | None:
    is_starting = world.record.phase in {Phase.PROVISIONING, Phase.BOOTING}
    if not (world.heard and world.heard.trouble and is_starting):
        return None
    return world.stop(StopReason.BROKEN_HOST, f"its host cannot start it: {world.heard.trouble}")


def _unguarded(world: World) -> Decision | None:
    """A pod that would outlive us and everything of ours is not kept, unless a person wants it."""
    if world.record.guard is not Guard.ABSENT or not world.limits.require_guard:
        return None
    detail = (
        "no guard that ends it at its deadline reported from inside it within "
        f"{duration(ARMED_WITHIN)} of its container's start (pod.require_guard)"
    )
    return world.stop(StopReason.FATAL_CONFIG, detail)


def _too_dear(world: World, sight: PodSight) -> Decision | None:
    record, ceiling, price = world.record, world.limits.max_price, sight.cost_per_hour
    if ceiling is None or record.ready_at is not None:
        return None
    since_sent = lease.elapsed(record.sent or record.intent, world.reading)
    if price is None and since_sent <= PRICE_GRACE:
        return None
    if price is not None and price <= ceiling * _PRICE_SLACK:
        return None
    return world.stop(StopReason.PRICE, over_price(record, price, ceiling))


def _next_step(world: World, *, has_restarted: bool) -> Decision:
    phase = world.record.phase
    if phase is Phase.PROVISIONING:
        return _provision(world)
    if phase is Phase.BOOTING:
        return _boot(world)
    if phase is Phase.DRAINING:
        return drain(world)
    if has_restarted:
        return world.go(Phase.BOOTING, "its container restarted; the model loads again")
    return _serve(world)


def _provision(world: World) -> Decision:
    record, sight = world.record, world.sight
    if isinstance(sight, PodSight) and sight.status is PodStatus.RUNNING:
        running_at = min(world.now, sight.started_at or world.now)
        return world.go(Phase.BOOTING, "its container runs", running_at=running_at)
    waited = lease.elapsed(record.sent or record.intent, world.reading)
    if waited > world.limits.provision_timeout:
        detail = f"its container did not run within {duration(waited)}"
        return world.stop(StopReason.PROVISION_TIMEOUT, detail)
    status = sight.status if isinstance(sight, PodSight) else "not answered for"
    return world.stay(f"waiting for its container ({status})")


def _boot(world: World) -> Decision:
    record, limits = world.record, world.limits
    booted = _boot_time(world)
    if booted > limits.boot_timeout:
        detail = f"its model did not answer within {duration(booted)}"
        return world.stop(StopReason.BOOT_TIMEOUT, detail)
    if booted < limits.initial_wait and record.ready_at is None:
        return world.stay("its container runs", min(limits.poll, limits.initial_wait - booted))
    if record.endpoint is None:
        return world.stay("its container runs, its port is not known yet")
    return world.stay(
        "model not answering yet", deed=_probe(world, deep=True), strikes=world.strikes
    )


def _boot_time(world: World) -> float:
    """Seconds of this boot; one that began before a restart of ours goes on counting.

    A pod that has been ready boots from when it stopped being so, not from its container's start;
    one that was taken over may well have been ready before anybody here knew of it.
    """
    record = world.record
    was_ready = record.ready_at is not None or record.taken_over_at is not None
    if was_ready or record.running_at is None:
        return world.in_phase
    return max(world.in_phase, world.now - record.running_at)


def _serve(world: World) -> Decision:
    record, limits = world.record, world.limits
    idle, limit = (
        lease.idle_seconds(record, world.traffic, world.now),
        lease.idle_limit(record, limits.idle),
    )
    if idle is not None and limit is not None and idle >= limit:
        detail = f"no request reached it for {duration(idle)}"
        return start_drain(falling_asleep(world), StopReason.IDLE, detail)
    if record.phase is Phase.DEGRADED and world.in_phase > limits.boot_timeout:
        detail = f"its model has not answered for {duration(world.in_phase)}"
        return world.stop(StopReason.BOOT_TIMEOUT, detail)
    # A completion costs GPU time: only a pod that does not serve is asked for one.
    probe = _probe(world, deep=record.phase is Phase.DEGRADED)
    return world.stay("serving", serving_wait(world), probe, world.strikes)


def _probe(world: World, *, deep: bool) -> Probe | None:
    record = world.record
    if record.endpoint is None:
        return None
    return Probe(record.endpoint, record.spec.served_names[0], record.name, record.keyed, deep)
