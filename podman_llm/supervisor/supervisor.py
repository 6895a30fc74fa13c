"""Keeps N workers running on one listening socket.

Its own thread, because the control plane may wait a minute for the provider while a worker dies.
That thread alone touches the children; the others see reports.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

from podman_llm.core.restart import RestartPolicy, after_end
from podman_llm.host.clock import Clock
from podman_llm.state.report import WorkerReport
from podman_llm.supervisor.child import Child
from podman_llm.telemetry import names

WorkerArgv = Callable[[int, int, int], list[str]]
"""The command of a worker from its slot, the listening socket and the lifeline."""

_LOOK_SECONDS = 0.05
"""How long a worker may be dead before it is noticed; its clients wait in the backlog."""

_LOG = logging.getLogger(__name__)


class Supervisor:
    """Starts the workers, starts them again when they end, stops them.

    Each worker also inherits the read end of a pipe whose write end only this process holds: its
    end of file tells a worker that its supervisor is gone. Stopping gives each worker
    ``grace`` seconds to finish its answers.
    """

    def __init__(
        self,
        *,
        workers: int,
        argv: WorkerArgv,
        listen_fd: int,
        log: Path,
        clock: Clock,
        policy: RestartPolicy,
        grace: float,
    ) -> None:
        self._grace = grace
        self._clock = clock
        self._lifeline, self._lifeline_held = os.pipe()
        self._slots = [
            _Slot(
                number,
                argv=argv(number, listen_fd, self._lifeline),
                pass_fds=(listen_fd, self._lifeline),
                log=log,
                clock=clock,
                policy=policy,
            )
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
        os.close(self._lifeline)
        os.close(self._lifeline_held)

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
        while self._clock.monotonic() < deadline and not all(s.has_ended() for s in self._slots):
            self._clock.sleep(_LOOK_SECONDS / 2)
        for slot in self._slots:
            slot.kill()


class _Slot:
    """One worker's place: the child in it now, or when the next one is due."""

    def __init__(
        self,
        number: int,
        *,
        argv: list[str],
        pass_fds: tuple[int, ...],
        log: Path,
        clock: Clock,
        policy: RestartPolicy,
    ) -> None:
        self._argv = argv
        self._pass_fds = pass_fds
        self._log = log
        self._clock = clock
        self._policy = policy
        self._child: Child | None = None
        self._started_at = self._due = clock.monotonic()
        self._streak = 0
        self._starts = 0
        self.report = WorkerReport(slot=number, pid=None, restarts=0, since=clock.wall())

    def tend(self) -> None:
        """Notice an end, start what is due. Never blocks."""
        if self._child and (how := self._child.ended()):
            self._note_end(f"worker {self.report.slot} {how}")
        if self._child is None and self._clock.monotonic() >= self._due:
            self._start()

    def ask_to_end(self) -> None:
        """Let the worker finish and go."""
        if self._child:
            self._child.ask_to_end()

    def has_ended(self) -> bool:
        """Whether no process is in this place any more."""
        return self._child is None or self._child.ended() is not None

    def kill(self) -> None:
        """End what did not go by itself."""
        if self._child and not self.has_ended():
            _LOG.warning(names.WORKER_KILLED, extra={"slot": self.report.slot})
            self._child.kill()
        self._child = None
        self._tell(pid=None, problem="")

    def _start(self) -> None:
        self._started_at = self._clock.monotonic()
        try:
            self._child = Child(self._argv, pass_fds=self._pass_fds, log=self._log)
        except OSError as err:
            self._note_end(f"worker {self.report.slot} cannot be started: {err.strerror or err}")
            return
        self._starts += 1
        self._tell(pid=self._child.pid, problem="")
        facts = {"slot": self.report.slot, "worker_pid": self._child.pid}
        _LOG.info(names.WORKER_STARTED, extra=facts)

    def _note_end(self, what: str) -> None:
        now = self._clock.monotonic()
        restart = after_end(self._policy, streak=self._streak, lived=now - self._started_at)
        self._child, self._streak, self._due = None, restart.streak, now + restart.delay
        self._tell(
            pid=None, problem=f"{what}; next start in {restart.delay:.1f} s, see {self._log}"
        )
        facts = {"slot": self.report.slot, "problem": what, "delay": restart.delay}
        _LOG.warning(names.WORKER_ENDED, extra=facts)

    def _tell(self, *, pid: int | None, problem: str) -> None:
        self.report = WorkerReport(
            slot=self.report.slot,
            pid=pid,
            restarts=max(0, self._starts - 1),
            since=self._clock.wall(),
            problem=problem,
        )
