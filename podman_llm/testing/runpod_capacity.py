"""Where a pod can be placed right now, and the scripts that say where it cannot."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from podman_llm.testing.runpod_catalog import LEVELS, GpuRow, version
from podman_llm.testing.runpod_problem import Problem, no_capacity


@dataclass(frozen=True)
class Closure:
    """No placement here; None is everywhere. ``denied`` makes it a 403 of the account's own.

    The catalog goes on showing stock: that it lies for minutes is the point.
    """

    gpu: str | None = None
    data_center: str | None = None
    cloud: str | None = None
    denied: bool = False

    def covers(self, gpu: str, data_center: str, cloud: str) -> bool:
        """Whether it speaks of this place."""
        place = ((self.gpu, gpu), (self.data_center, data_center), (self.cloud, cloud))
        return all(mine in {None, theirs} for mine, theirs in place)


@dataclass(frozen=True)
class Wish:
    """Where somebody wants a pod. ``clouds`` is in order of preference.

    ``count`` None is an order that names no count: it matched no machine when that was observed.
    """

    gpu: GpuRow
    count: int | None
    clouds: tuple[str, ...]
    data_centers: tuple[str, ...] = ()
    cuda_allowed: tuple[str, ...] = ()
    cuda_min: str | None = None

    def cuda(self) -> str | None:
        """The newest CUDA version that would do, None for a GPU without CUDA.

        Raises:
            Problem: no host offers what is asked; to the caller that is lack of capacity.
        """
        fitting = [
            offered
            for offered in self.gpu.cuda_versions()
            if (not self.cuda_allowed or offered in self.cuda_allowed)
            and (self.cuda_min is None or version(offered) >= version(self.cuda_min))
        ]
        if not fitting and (self.cuda_allowed or self.cuda_min):
            raise no_capacity()
        return fitting[-1] if fitting else None


@dataclass(frozen=True)
class Machine:
    """Where a pod is, what it has there, and what that costs in USD per hour."""

    cloud: str
    data_center: str
    cuda: str | None
    rate: float
    gpu: dict[str, Any] | None = None
    cpu: dict[str, Any] | None = None


@dataclass
class Capacity:
    """The account's view of free machines."""

    closures: list[Closure] = field(default_factory=list)

    def place(self, wish: Wish) -> Machine:
        """Find a machine.

        Raises:
            Problem: 403 where the account may not go, 400 where nothing is free.
        """
        denied = False
        for cloud in wish.clouds:
            if wish.count is None or wish.count > wish.gpu.most_on(cloud):
                continue
            for data_center in _in_stock(wish):
                closed = self._closed(wish.gpu.id, data_center, cloud)
                if closed is None:
                    return _machine(wish, cloud, data_center)
                denied = denied or closed.denied
        if denied:
            raise Problem(403, "access denied")
        raise no_capacity()

    def is_full(self, machine: Machine) -> bool:
        """Whether a stopped pod would find its host's GPUs taken."""
        gpu = (machine.gpu or {}).get("id", "")
        return self._closed(gpu, machine.data_center, machine.cloud) is not None

    def _closed(self, gpu: str, data_center: str, cloud: str) -> Closure | None:
        covering = (c for c in self.closures if c.covers(gpu, data_center, cloud))
        return next(covering, None)


def _machine(wish: Wish, cloud: str, data_center: str) -> Machine:
    count = wish.count or 1
    rate = wish.gpu.price(cloud) * count
    gpu = {"id": wish.gpu.id, "count": count, "vcpuCount": 8 * count, "memory": 48 * count}
    return Machine(cloud, data_center, wish.cuda(), rate, gpu=gpu)


def _in_stock(wish: Wish) -> list[str]:
    """Data centres with stock, in the caller's order of preference, else the fullest first."""
    levels = {place: level for place, level in wish.gpu.levels().items() if level != "NONE"}
    if wish.data_centers:
        return [place for place in wish.data_centers if place in levels]
    return sorted(levels, key=lambda place: -LEVELS.index(levels[place]))
