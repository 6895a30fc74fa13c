"""What requests ask of a pod that sleeps, one file per proxy worker, written by that worker.

A file that cannot be read asks for nothing: the next request writes it anew.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from podman_llm.core.demand import Demand
from podman_llm.errors import StateError
from podman_llm.host import files
from podman_llm.state import documents
from podman_llm.state.paths import StatePaths


class WorkerDemand(documents.Document):
    """One worker's. Times are wall seconds.

    ``asked_at`` is when a request last went on without the pod that it wanted, ``held_at`` when one
    was last seen to wait for it.
    """

    version: int = 1
    slot: int
    asked_at: float | None
    held_at: float | None


def save_demand(paths: StatePaths, demand: WorkerDemand) -> None:
    """Replace this slot's file.

    Raises:
        StateError: it cannot be written.
    """
    documents.save(paths.demand_dir / f"worker-{demand.slot}.json", demand)


def load_demand(paths: StatePaths) -> Demand:
    """All workers together. The times say for themselves who is long gone."""
    found = []
    for file in paths.demand_dir.glob("worker-*.json"):
        with suppress(StateError):
            found.append(documents.load(file, WorkerDemand))
    return Demand(
        asked_at=_latest(one.asked_at for one in found if one),
        held_at=_latest(one.held_at for one in found if one),
    )


def demand_stamps(paths: StatePaths) -> tuple[files.Stamp | None, ...]:
    """What changes whenever a worker writes; one stat for each of them."""
    return tuple(files.stamp(file) for file in sorted(paths.demand_dir.glob("worker-*.json")))


def _latest(times: Iterable[float | None]) -> float | None:
    return max((at for at in times if at is not None), default=None)
