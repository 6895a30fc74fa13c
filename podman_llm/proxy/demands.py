"""Requests that want a pod which sleeps: noted here, told to the control plane, which decides."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Final

from podman_llm.errors import StateError
from podman_llm.host.clock import Clock
from podman_llm.state.demand import WorkerDemand
from podman_llm.telemetry import names

_log = logging.getLogger(__name__)
_RENEW_SECONDS: Final = 1.0


class Demands:
    """What the requests of one worker slot want. ``changed`` is set when there is news of it."""

    def __init__(self, *, slot: int, clock: Clock) -> None:
        self._slot = slot
        self._clock = clock
        self._asked_at: float | None = None
        self._waiting = 0
        self.changed = asyncio.Event()

    @property
    def is_awaited(self) -> bool:
        """Whether a request waits at this moment."""
        return self._waiting > 0

    def ask(self) -> None:
        """A request goes on without the pod that it wants; its client may come again."""
        self._asked_at = self._clock.wall()
        self.changed.set()

    @contextlib.contextmanager
    def hold(self) -> Iterator[None]:
        """Around the time in which a request waits for the pod; who leaves wants nothing."""
        self._waiting += 1
        self.changed.set()
        try:
            yield
        finally:
            self._waiting -= 1
            self.changed.set()

    def snapshot(self) -> WorkerDemand:
        """What is wanted now."""
        return WorkerDemand(
            slot=self._slot,
            asked_at=self._asked_at,
            held_at=self._clock.wall() if self.is_awaited else None,
        )


async def keep_told(demands: Demands, save: Callable[[WorkerDemand], None]) -> None:
    """Write what is wanted at once when it changes, and again each second while requests wait.

    At most once a second, and on cancellation what was not told yet: a worker that is replaced
    loses nobody's wish. ``save`` blocks, so it runs in a thread; should it fail, it is told and
    tried again with the next change.
    """
    try:
        while True:
            await demands.changed.wait()
            demands.changed.clear()
            await asyncio.to_thread(_save, demands.snapshot(), save)
            await asyncio.sleep(_RENEW_SECONDS)
            if demands.is_awaited:
                demands.changed.set()
    finally:
        if demands.changed.is_set():
            _save(demands.snapshot(), save)


def _save(snapshot: WorkerDemand, save: Callable[[WorkerDemand], None]) -> None:
    try:
        save(snapshot)
    except StateError as err:
        _log.warning(names.DEMAND_UNWRITTEN, extra={"why": str(err)})
