"""A person's orders about circuits, heard by every worker.

What a worker learns of an upstream stays its own: it is old within a minute, and a failure that one
saw and another did not is no reason for either to change its mind. An order is meant for all.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Iterable
from typing import Final, Protocol

from podman_llm.errors import Damaged, StateError
from podman_llm.proxy.activity import Activity
from podman_llm.proxy.circuits import Circuits
from podman_llm.state.orders import Order, load_order, order_file, save_order
from podman_llm.state.paths import StatePaths
from podman_llm.telemetry import names

_log = logging.getLogger(__name__)
_LOOK_SECONDS: Final = 0.25


class Orders(Protocol):
    """Where orders are given and heard."""

    def give(self, name: str, *, is_open: bool) -> None:
        """Order a circuit open or closed. Blocks; raises StateError."""

    def news(self, known: Iterable[str]) -> dict[str, bool]:
        """What was ordered of the ``known`` upstreams since this was last asked; true is open."""


class OwnOrders:
    """Of a proxy without a state directory, which has one worker."""

    def __init__(self) -> None:
        self._news: dict[str, bool] = {}

    def give(self, name: str, *, is_open: bool) -> None:
        """Remember it."""
        self._news[name] = is_open

    def news(self, known: Iterable[str]) -> dict[str, bool]:
        """What was given since."""
        news, self._news = self._news, {}
        return {name: news[name] for name in known if name in news}


class SharedOrders:
    """Of all workers of a state directory: files that each of them looks at."""

    def __init__(self, paths: StatePaths) -> None:
        self._paths = paths
        self._seen: dict[str, tuple[int, int, int]] = {}
        self._trouble: dict[str, str] = {}

    def give(self, name: str, *, is_open: bool) -> None:
        """Write it down, for those that start later too."""
        save_order(self._paths, name, Order(is_open=is_open))

    def news(self, known: Iterable[str]) -> dict[str, bool]:
        """What was written since, by whichever worker."""
        orders = {name: self._read(name) for name in known if self._has_changed(name)}
        return {name: order.is_open for name, order in orders.items() if order is not None}

    def _has_changed(self, name: str) -> bool:
        try:
            found = order_file(self._paths, name).stat()
        except OSError:
            return False
        seen = (found.st_mtime_ns, found.st_ino, found.st_size)
        has_changed = self._seen.get(name) != seen
        self._seen[name] = seen
        return has_changed

    def _read(self, name: str) -> Order | None:
        try:
            return load_order(self._paths, name)
        except StateError as err:
            if not isinstance(err, Damaged):
                del self._seen[name]  # it may be readable at the next look
            if self._trouble.get(name) != str(err):
                self._trouble[name] = str(err)
                _log.warning(names.ORDER_UNREADABLE, extra={"upstream": name, "why": str(err)})
            return None


class Obedience:
    """Keeps the circuits of this worker as they were ordered to be."""

    def __init__(self, orders: Orders, circuits: Circuits, activity: Activity) -> None:
        self._orders = orders
        self._circuits = circuits
        self._activity = activity

    async def order(self, name: str, *, is_open: bool) -> None:
        """Give an order and follow it; the other workers do within a quarter of a second.

        Raises StateError: it cannot be written, and holds for nobody.
        """
        await asyncio.to_thread(self._orders.give, name, is_open=is_open)
        self.heed()

    def heed(self) -> None:
        """Follow what was ordered since."""
        news = self._orders.news(self._circuits.states())
        for name, is_open in news.items():
            self._circuits.force(name, is_open=is_open)
        if news:
            self._activity.changed.set()

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Follow what stands, and then whatever comes, until the block ends."""
        self.heed()
        task = asyncio.create_task(self._keep_heeding())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _keep_heeding(self) -> None:
        # Files that other processes replace: there is nothing to be woken by.
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            self.heed()
