"""The strings by which tests, and the admin routes, pull at the made-up RunPod.

Each may be called from any thread: what it does is done on the server's loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

from podman_llm.core.sight import PodStatus
from podman_llm.testing.runpod_capacity import Closure
from podman_llm.testing.runpod_containers import Container, Containers
from podman_llm.testing.runpod_faults import Fault, Faults
from podman_llm.testing.runpod_meter import Bill
from podman_llm.testing.runpod_world import Quirks, World

_Result = TypeVar("_Result")


class Controls:
    """Faults, capacity, time, money, and the fate of pods."""

    def __init__(self, world: World, containers: Containers, faults: Faults) -> None:
        self._world = world
        self._containers = containers
        self._faults = faults
        self._loop: asyncio.AbstractEventLoop | None = None

    def fault(self, on: str, fault: str, **details: Any) -> None:  # noqa: ANN401 - fields of a Fault
        """Queue a fault; see ``runpod_faults``.

        Raises:
            ValueError: there is no such fault or detail.
        """
        order = Fault.parse({"on": on, "fault": fault, **details})
        self._there(lambda: self._faults.queue.append(order))

    def clear_faults(self) -> None:
        """Nothing goes wrong any more."""
        self._there(self._faults.queue.clear)

    def quirk(self, **values: Any) -> None:  # noqa: ANN401 - fields of Quirks
        """Set standing oddities; see ``Quirks``.

        Raises:
            ValueError: there is no such quirk.
        """
        unknown = values.keys() - {field.name for field in fields(Quirks)}
        if unknown:
            raise ValueError(f"no such quirk: {', '.join(sorted(unknown))}")
        self._there(lambda: vars(self._world.quirks).update(values))

    def close_capacity(
        self,
        *,
        gpu: str | None = None,
        data_center: str | None = None,
        cloud: str | None = None,
        denied: bool = False,
    ) -> None:
        """No pod can be placed there from now on; None is everywhere. ``denied`` makes it a 403."""
        closure = Closure(gpu, data_center, cloud, denied)
        self._there(lambda: self._world.capacity.closures.append(closure))

    def open_capacity(self) -> None:
        """Every closure is lifted."""
        self._there(self._world.capacity.closures.clear)

    def advance(self, seconds: float) -> float:
        """Let this world's time jump ahead; its new wall time."""

        def jump() -> float:
            self._world.clock.advance(seconds)
            return self._world.settle()

        return self._there(jump)

    def now(self) -> float:
        """This world's wall time."""
        return self._there(self._world.settle)

    def set_balance(self, usd: float) -> None:
        """The account has exactly this much left."""

        def pay() -> None:
            self._world.settle()
            self._world.credit += usd - self._world.balance()

        self._there(pay)

    def bill(self) -> Bill:
        """What was spent and what still exists; the API's lags do not apply."""
        return self._there(self._world.bill)

    def pods(self) -> list[dict[str, Any]]:
        """Every pod there ever was, as REST v2 would show it, oldest first."""

        def views() -> list[dict[str, Any]]:
            now = self._world.settle()
            return [pod.view(now) for pod in self._world.rented.values() if pod.created_at <= now]

        return self._there(views)

    def exit_pod(self, pod_id: str) -> None:
        """The pod is EXITED, as after a stop in the console."""
        self._enter(pod_id, PodStatus.EXITED)

    def fail_pod(self, pod_id: str) -> None:
        """The pod is in ERROR, as after an unrecoverable container error."""
        self._enter(pod_id, PodStatus.ERROR)

    def vanish(self, pod_id: str) -> None:
        """The pod is gone although nobody asked for it through this API."""
        self._enter(pod_id, PodStatus.TERMINATED)

    async def kill_container(self, pod_id: str) -> None:
        """The server in the pod dies at once, and comes back as a new container."""
        self._world.find(pod_id).restart_container(self._world.settle(), "killed")
        await self._containers.kill(pod_id)

    def container(self, pod_id: str) -> Container | None:
        """The server in the pod, None while none listens; with the defaults the vLLM double."""
        return self._there(lambda: self._containers.server(pod_id))

    def _enter(self, pod_id: str, status: PodStatus) -> None:
        self._there(lambda: self._world.find(pod_id).enter(status, self._world.settle()))

    def _there(self, work: Callable[[], _Result]) -> _Result:
        """Do ``work`` on the server's loop, or here if there is none or this is it."""
        if self._loop is None or self._loop is _running_loop():
            return work()

        async def done() -> _Result:
            return work()

        return asyncio.run_coroutine_threadsafe(done(), self._loop).result(timeout=10)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
