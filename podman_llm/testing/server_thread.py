"""Runs an asynchronous double beside synchronous code, on an event loop of its own in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Generic, Protocol, Self, TypeVar

_Answer = TypeVar("_Answer")


class Startable(Protocol):
    """A server that lives on an event loop."""

    @property
    def url(self) -> str:
        """The base URL, known once it has started."""

    async def start(self) -> None:
        """Listen."""

    async def stop(self) -> None:
        """Close the listener and everything that was accepted."""


_Server = TypeVar("_Server", bound=Startable)


class ServerThread(Generic[_Server]):
    """A context in which ``server`` listens.

    The double's own methods must run on its loop: ``call`` takes their coroutine there and waits
    for the answer. What the double raises, on starting too, is raised to the caller.
    """

    def __init__(self, server: _Server, *, timeout: float = 30.0) -> None:
        self.server = server
        self._timeout = timeout
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def url(self) -> str:
        """The server's base URL."""
        return self.server.url

    def call(self, work: Coroutine[Any, Any, _Answer]) -> _Answer:
        """Run ``work`` on the server's loop; at most ``timeout`` seconds."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(self._timeout)

    def start(self) -> None:
        """Start the thread, then the server."""
        self._thread.start()
        try:
            self.call(self.server.start())
        except BaseException:
            self._end_loop()
            raise

    def stop(self) -> None:
        """Stop the server, then the thread; the loop's leftovers are cancelled."""
        try:
            self.call(self.server.stop())
        finally:
            self._end_loop()

    def _end_loop(self) -> None:
        self.call(_cancel_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(self._timeout)
        self._loop.close()

    def __enter__(self) -> Self:
        """Start, and be the running thread."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop, whatever happened inside."""
        self.stop()


async def _cancel_others() -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
