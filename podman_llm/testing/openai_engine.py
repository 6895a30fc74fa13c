"""The engine: how many requests run at once, how fast, and what becomes of them when it ends."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from podman_llm.testing.openai_tally import Tally


class EngineStopped(Exception):
    """The engine no longer answers; what is in flight ends now."""


class EngineAborted(EngineStopped):
    """The server was asked to end: what is in flight finishes with ``abort``."""


class EngineDied(EngineStopped):
    """The engine process was killed: what is in flight gets an error."""


class Engine:
    """Paces answers. Time passes only through ``beat``, which is also where bad news arrives."""

    def __init__(self, tally: Tally, *, slots: int, tokens_per_second: float) -> None:
        self._tally = tally
        self._slots = asyncio.Semaphore(slots)
        self._seconds_per_token = 1 / tokens_per_second if tokens_per_second else 0.0
        self._thawed = asyncio.Event()
        self._thawed.set()
        self._stopped = asyncio.Event()
        self._reason: type[EngineStopped] = EngineAborted

    @property
    def is_healthy(self) -> bool:
        """What /health tells: a frozen engine counts as healthy, a stopped one does not."""
        return not self._stopped.is_set()

    def freeze(self) -> None:
        """Stop the time without a word, as SIGSTOP of the engine or a hung GPU does."""
        self._thawed.clear()

    def thaw(self) -> None:
        """Let the time go on."""
        self._thawed.set()

    def stop(self, reason: type[EngineStopped]) -> None:
        """End everything in flight with ``reason`` at its next beat, which is now."""
        self._reason = reason
        self._stopped.set()
        self._thawed.set()

    @contextlib.asynccontextmanager
    async def occupy(self) -> AsyncIterator[None]:
        """Wait for a slot and hold it."""
        self._tally.change(waiting=1)
        try:
            await self._slots.acquire()
        finally:
            self._tally.change(waiting=-1)
        self._tally.change(running=1)
        try:
            yield
        finally:
            self._slots.release()
            self._tally.change(running=-1)

    async def beat(self, tokens: int) -> None:
        """Let the time of ``tokens`` pass; raises EngineStopped as soon as the engine ends."""
        seconds = tokens * self._seconds_per_token
        if not self._stopped.is_set():
            await self._pass(seconds)
        await self._thawed.wait()
        if self._stopped.is_set():
            raise self._reason

    async def _pass(self, seconds: float) -> None:
        if not seconds:
            await asyncio.sleep(0)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopped.wait()
