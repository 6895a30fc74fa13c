"""What one look at a pod adds to its record: price, endpoint, restarts, and extension."""

from __future__ import annotations

from dataclasses import replace

from podman_llm.core import lease
from podman_llm.core.listing import ListView
from podman_llm.core.pod import PodRecord, RateInterval
from podman_llm.core.sight import PodSight
from podman_llm.core.world import World

_UPTIME_SLACK = 2.0  # seconds by which an uptime may go back without a restart: it is rounded


def learn(world: World) -> PodRecord:
    """The record with what this look tells; without a sight only an extension can be new."""
    record, wish, sight = world.record, world.wish, world.sight
    if wish.is_up and wish.generation == record.generation:
        record = replace(record, soft_deadline=lease.extended(record, wish.extended_seconds))
    if not isinstance(sight, PodSight):
        return record
    return replace(
        record,
        endpoint=sight.endpoint or record.endpoint,
        created_at=record.created_at if sight.created_at is None else sight.created_at,
        listed_at=_listed_at(record, world.view),
        rates=_rates(record, sight.cost_per_hour, world.now),
        restarts=record.restarts + _is_restart(record, sight),
        last_uptime=record.last_uptime if sight.uptime is None else sight.uptime,
        absences=(),
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
    return (*record.rates, RateInterval(now, price))


def _is_restart(record: PodRecord, sight: PodSight) -> bool:
    if sight.uptime is None or record.last_uptime is None:
        return False
    return sight.uptime + _UPTIME_SLACK < record.last_uptime
