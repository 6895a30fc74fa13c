"""Whether a pod that ended without our order ended itself, as its guard is there to do.

The guard goes by the clock of the pod's host, we by ours, so that a pod may well be gone before we
think it is time. That is no loss: it was asked for until then, and nobody wants another one.
"""

from __future__ import annotations

import math
from typing import Final

from podman_llm.core.guard import GRACE
from podman_llm.core.lease import Traffic
from podman_llm.core.naming import LEASE_MARK
from podman_llm.core.pod import PodRecord, StopReason
from podman_llm.core.world import World

NEAR: Final = 60.0
"""Seconds by which clocks of two hosts may differ, beyond what the creation time tells of them."""


def own_end(world: World) -> tuple[StopReason, str] | None:
    """Why the record's pod ended itself, if that is what it did; else it was lost, or broke.

    It was gone when a list first lacked it, or else is seen to be now. One that was never found
    may have come at any time, and gone just now.
    """
    record = world.record
    is_missed = record.absences and record.pod_id is not None
    gone_at = record.absences[0][0] if is_missed else world.now
    if gone_at >= record.hard_deadline - _lead(record) - NEAR:
        return StopReason.EXPIRY, "it ended itself at its hard deadline, as its own clock has it"
    if gone_at >= _lease_end(record, world.traffic) - NEAR:
        return StopReason.LEASE, "it ended itself, as nobody here came by for its whole lease"
    return None


def _lead(record: PodRecord) -> float:
    """Seconds that the provider's clock is certain to be ahead of ours, the answer's way included.

    One that is behind ends nothing early.
    """
    if record.sent is None or record.created_at is None:
        return 0.0
    return max(0.0, record.created_at - record.sent.wall)


def _lease_end(record: PodRecord, traffic: Traffic) -> float:
    """When the guard gives up on us; infinite without a lease. It follows ``guard.Lease``."""
    seconds = float(record.spec.env.get(LEASE_MARK, "0"))
    if not seconds or record.running_at is None:
        return math.inf
    came_by = (record.greeted_at, traffic.last_counted_at, traffic.busy_at)
    times = [at for at in came_by if at is not None and at >= record.running_at]
    return max(times) + seconds if times else record.running_at + max(GRACE, seconds)
