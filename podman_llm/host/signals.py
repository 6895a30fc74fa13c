"""What the system asks of a long-running process, as flags that its loop reads.

The handlers do nothing but set a flag: whatever takes a lock in a handler can meet itself holding
it.
"""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any, Self


class Signals:
    """While entered: SIGTERM and SIGINT set ``stop``, SIGHUP sets ``poked``. Main thread only.

    SIGHUP means "look again": a terminal that closes must not end what guards the pod.
    """

    def __init__(self) -> None:
        self.stop = False
        self.poked = False
        self._before: dict[int, Any] = {}

    def take_poke(self) -> bool:
        """Whether a poke came since the last call."""
        poked, self.poked = self.poked, False
        return poked

    def __enter__(self) -> Self:
        """Take over the handlers."""
        for number, handler in (
            (signal.SIGTERM, self._on_stop),
            (signal.SIGINT, self._on_stop),
            (signal.SIGHUP, self._on_poke),
        ):
            self._before[number] = signal.signal(number, handler)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the handlers back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stop = True

    def _on_poke(self, _number: int, _frame: FrameType | None) -> None:
        self.poked = True
