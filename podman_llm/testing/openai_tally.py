"""What a test may ask the double about: what arrived, what runs, who left early."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from podman_llm.testing.transcripts import RecordedRequest


class Tally:
    """Counts and lists that only grow, except ``running`` and ``waiting``; and who waits for them.

    Belongs to the double's event loop: other threads may read a number, but only the loop waits.
    """

    def __init__(self) -> None:
        self.requests: list[RecordedRequest] = []
        self.running = 0
        self.waiting = 0
        self.completions = 0
        self.cancelled = 0
        self.prompt_tokens = 0
        self.generation_tokens = 0
        self._changed = asyncio.Event()

    def change(self, **steps: int) -> None:
        """Add to the numbers named and wake whoever waits."""
        for name, step in steps.items():
            setattr(self, name, getattr(self, name) + step)
        self._wake()

    def receive(self, request: RecordedRequest) -> None:
        """Note a request."""
        self.requests.append(request)
        self._wake()

    async def wait_until(self, holds: Callable[[], bool]) -> None:
        """Return as soon as ``holds``, which is asked after every change."""
        while not holds():
            await self._changed.wait()

    def summary(self) -> dict[str, int]:
        """The numbers, for the admin route."""
        numbers = {name: value for name, value in vars(self).items() if isinstance(value, int)}
        return {**numbers, "requests": len(self.requests)}

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
