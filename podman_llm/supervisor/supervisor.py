"""Keeps workers running on one listening socket.

Its own thread, because the control plane may wait a minute for the provider while a worker dies.
That thread alone touches the children; the others see reports.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable

from podman_llm.host.clock import Clock
from podman_llm.state.report import WorkerReport
from podman_llm.supervisor.slot import Slot, Upkeep, WorkerArgv

_LOOK_SECONDS = 0.05
"""How long a worker may be dead before it is noticed; its clients wait in the backlog."""


class Supervisor:
    """Starts the workers, starts them again when they end or hang, stops them.

    It has a hold of its own on ``listener`` for as long as workers may be started on it.
    ``once_serving`` is called, from its thread, when for the first time every worker accepts
    clients. Stopping gives each worker ``grace`` seconds to finish its answers.
    """

    def __init__(
        self,
        *,
        slots: Iterable[int],
        argv: WorkerArgv,
        listener: socket.socket,
        clock: Clock,
        upkeep: Upkeep,
        grace: float,
        once_serving: Callable[[], None],
    ) -> None:
        self.grace = grace
        self._has_served = False
        self._clock = clock
        self._listener = listener.dup()
        self._once_serving = once_serving
        listen_fd = self._listener.fileno()
        self._slots = [
            Slot(number, argv=argv, listen_fd=listen_fd, clock=clock, upkeep=upkeep)
            for number in slots
        ]
        self._stopping = threading.Event()
        self._asked = threading.Event()
        self._thread = threading.Thread(target=self._run, name="supervisor")

    def start(self) -> None:
        """Start every worker now; from then on the thread looks after them."""
        for slot in self._slots:
            slot.tend()
        self._thread.start()

    @property
    def slots(self) -> frozenset[int]:
        """The numbers that nobody else may use until it is over."""
        return frozenset(slot.report.slot for slot in self._slots)

    @property
    def is_serving(self) -> bool:
        """Whether every worker has accepted clients, and they may go on to."""
        return self._has_served and not self._stopping.is_set()

    @property
    def is_over(self) -> bool:
        """Whether its last worker has gone."""
        return self._asked.is_set() and not self._thread.is_alive()

    def ask_to_end(self) -> None:
        """Let every worker finish its answers and go; none is started any more."""
        self._stopping.set()
        self._asked.wait()

    def stop(self) -> None:
        """End every worker and wait for it: none is left, not even a zombie."""
        self._stopping.set()
        self._thread.join()

    def reports(self) -> tuple[WorkerReport, ...]:
        """How each worker fares, by slot; once they were asked to end, those still there."""
        reports = tuple(slot.report for slot in self._slots)
        return tuple(one for one in reports if one.pid) if self._asked.is_set() else reports

    def _run(self) -> None:
        while not self._stopping.wait(_LOOK_SECONDS):
            for slot in self._slots:
                slot.tend()
            if not self._has_served and all(slot.is_serving for slot in self._slots):
                self._has_served = True
                self._once_serving()
        self._end_all()

    def _end_all(self) -> None:
        for slot in self._slots:
            slot.ask_to_end()
        self._listener.close()
        self._asked.set()
        deadline = self._clock.monotonic() + self.grace
        while self._clock.monotonic() < deadline and not all(s.is_empty for s in self._slots):
            self._clock.sleep(_LOOK_SECONDS / 2)
            for slot in self._slots:
                slot.see_off()
        for slot in self._slots:
            slot.kill()
