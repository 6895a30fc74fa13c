"""What one look at a pod adds to its record: price, endpoint, restarts, guard, and extension."""

from __future__ import annotations

from dataclasses import replace

from podman_llm.core import lease
from podman_llm.core.guard import judged
from podman_llm.core.listing import ListView
from podman_llm.core.pod import PodRecord, RateInterval
from podman_llm.core.sight import PodSight
from podman_llm.core.world import World

_START_SLACK = 2.0  # seconds by which a start may seem to move: uptimes are rounded, answers late


def learn(world: World) -> PodRecord:
    """The record with what this look tells; without a sight only an extension can be new."""
    record, wish, sight = world.record, world.wish, world.sight
    if wish.is_up and wish.generation == record.generation:
        record = replace(record, soft_deadline=lease.extended(record, wish.extended_seconds))
    if not isinstance(sight, PodSight):
        return record
    start = _container_start(world, sight)
    has_restarted = _has_restarted(record, start)
    return replace(
        record,
        endpoint=sight.endpoint or record.endpoint,
        created_at=record.created_at if sight.created_at is None else sight.created_at,
        listed_at=_listed_at(record, world.view),
        rates=_rates(record, sight.cost_per_hour, world.now),
        restarts=record.restarts + has_restarted,
        container_start=start if has_restarted else _earlier(record.container_start, start),
        absences=(),
        guard=judged(record, world.heard, world.now),
    )


def _listed_at(record: PodRecord, view: ListView) -> float | None:
    if record.listed_at is not None or not view.is_valid:
        return record.listed_at
    is_listed = record.pod_id is not None and view.find(record.pod_id) is not None
    return view.at if is_listed else None


def _rates(record: PodRecord, price: float | None, now: float) -> tuple[RateInterval, ...]:
    """The price list with the provider's own word; a 0 is how stopped pods look, not a price."""
    if not price or price == record.cost_per_hour:
        return record.rates
    if record.running_at is None and price > record.cost_per_hour:
        # The catalog's guess was low from the start, not from now on.
        return (*record.rates[:-1], replace(record.rates[-1], usd_per_hour=price))
    return (*record.rates, RateInterval(now, price))


def _container_start(world: World, sight: PodSight) -> float | None:
    """When the container started, in seconds since the pod was asked for.

    The start, not the uptime, is what is compared: a look that comes late after a restart can find
    a longer uptime than the one before.
    """
    if sight.uptime is None:
        return None
    record = world.record
    return lease.elapsed(record.sent or record.intent, world.reading) - sight.uptime


def _has_restarted(record: PodRecord, start: float | None) -> bool:
    if start is None or record.container_start is None:
        return False
    return start > record.container_start + _START_SLACK


def _earlier(known: float | None, start: float | None) -> float | None:
    """Rounding and slow answers only ever make a start look later than it was."""
    return min((at for at in (known, start) if at is not None), default=None)
