"""Keeps N workers running on one listening socket.

Its own thread, because the control plane may wait a minute for the provider while a worker dies.
That thread alone touches the children; the others see reports.
"""

from __future__ import annotations

import threading

from podman_llm.host.clock import Clock
from podman_llm.state.report import WorkerReport
from podman_llm.supervisor.slot import Slot, Upkeep, WorkerArgv

_LOOK_SECONDS = 0.05
"""How long a worker may be dead before it is noticed; its clients wait in the backlog."""


class Supervisor:
    """Starts the workers, starts them again when they end or hang, stops them.

    Stopping gives each worker ``grace`` seconds to finish its answers.
    """

    def __init__(
        self,
        *,
        workers: int,
        argv: WorkerArgv,
        listen_fd: int,
        clock: Clock,
        upkeep: Upkeep,
        grace: float,
    ) -> None:
        self._grace = grace
        self._clock = clock
        self._slots = [
            Slot(number, argv=argv, listen_fd=listen_fd, clock=clock, upkeep=upkeep)
            for number in range(workers)
        ]
        self._stopping = threading.Event()
        self._asked = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor")

    def start(self) -> None:
        """Start every worker now; from then on the thread looks after them."""
        for slot in self._slots:
            slot.tend()
        self._thread.start()

    def ask_to_end(self) -> None:
        """Let every worker finish its answers and go; none is started any more."""
        self._stopping.set()
        self._asked.wait()

    def stop(self) -> None:
        """End every worker and wait for it: none is left, not even a zombie."""
        self._stopping.set()
        self._thread.join()

    def reports(self) -> tuple[WorkerReport, ...]:
        """How each worker fares, by slot."""
        return tuple(slot.report for slot in self._slots)

    def _run(self) -> None:
        while not self._stopping.wait(_LOOK_SECONDS):
            for slot in self._slots:
                slot.tend()
        self._end_all()

    def _end_all(self) -> None:
        for slot in self._slots:
            slot.ask_to_end()
        self._asked.set()
        deadline = self._clock.monotonic() + self._grace
        while self._clock.monotonic() < deadline and not all(s.is_empty for s in self._slots):
            self._clock.sleep(_LOOK_SECONDS / 2)
            for slot in self._slots:
                slot.see_off()
        for slot in self._slots:
            slot.kill()
