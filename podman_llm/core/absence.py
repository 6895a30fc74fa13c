"""When a pod counts as gone: two valid lists without it, a 404 by id, and time between them.

None of these alone is proof. Lists lag, a fresh pod's id answers 404 for a while, and a 404 after
a delete may only mean that the key cannot see the pod.
"""

from __future__ import annotations

from podman_llm.core.lease import elapsed, steady_time
from podman_llm.core.listing import namesakes
from podman_llm.core.own_end import NEAR
from podman_llm.core.pod import Evidence
from podman_llm.core.sight import Gone, PodSight
from podman_llm.core.world import World

NOT_FOUND = 404


def is_seen(world: World) -> bool:
    """Whether anything shows the pod; a list need not be valid for that."""
    return isinstance(world.sight, PodSight) or find(world) is not None


def find(world: World) -> PodSight | None:
    """The record's pod on the list: by id once there is one, else by name and marks."""
    if world.record.pod_id is not None:
        return world.view.find(world.record.pod_id)
    return next(iter(namesakes(world.view, world.record)), None)


def is_propagated(world: World) -> bool:
    """Whether not finding the pod means anything yet.

    It does once the pod was on a valid list, or when a pod that the request may have made had all
    the time there is to appear.
    """
    record = world.record
    if record.listed_at is not None:
        return True
    return elapsed(record.sent or record.intent, world.reading) >= world.limits.quarantine


def absences(world: World) -> tuple[tuple[float, int], ...]:
    """The first and the latest valid list of an unbroken run of looks that did not find the pod.

    A look that saw it breaks the run; one that could not tell adds nothing.
    """
    record = world.record
    if is_seen(world):
        return ()
    is_gone = record.pod_id is None or isinstance(world.sight, Gone)
    if not (world.view.is_valid and is_gone):
        return record.absences
    latest = (steady_time(record, world.reading), world.view.count or 0)
    # A time that lies ahead was noted before a reboot on a clock that has been set back since.
    first = record.absences[0] if record.absences else latest
    return (first, latest) if record.absences and first[0] <= latest[0] else (latest,)


def proof(world: World) -> Evidence | None:
    """The evidence that the pod is gone, once there is enough of it. Asks for a fresh record."""
    record = world.record
    if not (is_propagated(world) and world.view.is_valid and len(record.absences) > 1):
        return None
    (first, _), (latest, _) = record.absences
    if latest - first < world.limits.settle:
        return None
    return Evidence(
        kind=_kind(world, latest),
        at=world.now,
        list_times=(first, latest),
        list_counts=tuple(count for _, count in record.absences),
        get_status=NOT_FOUND if record.pod_id else None,
    )


def _kind(world: World, latest: float) -> str:
    """Whether there never was a pod, which costs nothing.

    Near its deadline that cannot be told any more: it may have come, and ended itself unseen.
    """
    record = world.record
    is_phantom = record.pod_id is None and latest < record.hard_deadline - NEAR
    return "never_appeared" if is_phantom else "absent"
