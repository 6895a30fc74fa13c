"""One worker's place: the child in it now, or when the next one is due.

Used from one thread at a time, which alone touches the child; others read the report.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from podman_llm.core.pulse import Pulse, PulsePolicy, after_look, is_hung
from podman_llm.core.restart import RestartPolicy, after_end
from podman_llm.host.clock import Clock
from podman_llm.state.report import WorkerReport
from podman_llm.supervisor.child import Child
from podman_llm.supervisor.lifeline import Lifeline
from podman_llm.telemetry import names

WorkerArgv = Callable[[int, int, int], list[str]]
"""The command of a worker from its slot, the listening socket and its end of the lifeline."""

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Upkeep:
    """What holds for every worker: when it is started again, when it counts as hung, its log."""

    restart: RestartPolicy
    pulse: PulsePolicy
    log: Path


@dataclass
class _Worker:
    """A child and what is known of its life. ``verdict`` is why we killed it, if we did."""

    child: Child
    lifeline: Lifeline
    looked_at: float
    pulse: Pulse = field(default_factory=Pulse)
    verdict: str = ""


class Slot:
    """Starts a worker, starts another one when it ended or hangs, lets it go.

    Its number is that of the worker's files: no two processes may have the same at one time.
    """

    def __init__(
        self, number: int, *, argv: WorkerArgv, listen_fd: int, clock: Clock, upkeep: Upkeep
    ) -> None:
        self._argv = argv
        self._listen_fd = listen_fd
        self._clock = clock
        self._upkeep = upkeep
        self._worker: _Worker | None = None
        self._started_at = self._due = clock.monotonic()
        self._streak = 0
        self._starts = 0
        self.report = WorkerReport(slot=number, pid=None, restarts=0, since=clock.wall())

    @property
    def is_serving(self) -> bool:
        """Whether a worker is here that has begun to accept clients."""
        return self._worker is not None and self._worker.pulse.has_begun

    @property
    def is_empty(self) -> bool:
        """Whether no process is in this place."""
        return self._worker is None

    def tend(self) -> None:
        """Notice an end, end what hangs, start what is due. Never blocks."""
        if how := self._how_it_ended():
            self._note_end(f"worker {self.report.slot} {how}")
        if self._worker is None and self._clock.monotonic() >= self._due:
            self._start()

    def ask_to_end(self) -> None:
        """Let the worker finish and go."""
        if self._worker:
            self._worker.child.ask_to_end()
            self.report = self.report.model_copy(update={"is_leaving": True})

    def see_off(self) -> None:
        """Notice an end, end what hangs; nothing is started in its place. Never blocks."""
        if self._how_it_ended():
            self._leave_empty()

    def kill(self) -> None:
        """End what did not go by itself."""
        self.see_off()
        if self._worker:
            _LOG.warning(names.WORKER_KILLED, extra={"slot": self.report.slot})
            self._worker.child.kill()
        self._leave_empty()

    def _how_it_ended(self) -> str | None:
        """How the worker here did, in words; None while it lives or where none is."""
        if self._worker is None:
            return None
        how = self._worker.child.ended()
        if how is None:
            self._feel_pulse(self._worker)
            return None
        self._worker.lifeline.close()
        return self._worker.verdict or how

    def _feel_pulse(self, worker: _Worker) -> None:
        now, policy = self._clock.monotonic(), self._upkeep.pulse
        elapsed, worker.looked_at = now - worker.looked_at, now
        beaten = worker.lifeline.has_beaten()
        worker.pulse = after_look(policy, worker.pulse, has_beaten=beaten, elapsed=elapsed)
        if not worker.verdict and is_hung(policy, worker.pulse):
            worker.verdict = f"hung: it gave no sign of life for {worker.pulse.silent:.0f} s"
            facts = {"slot": self.report.slot, "worker_pid": worker.child.pid}
            _LOG.error(names.WORKER_HUNG, extra=facts)
            worker.child.strike()

    def _start(self) -> None:
        self._started_at = self._clock.monotonic()
        try:
            self._worker = self._new_worker()
        except OSError as err:
            self._note_end(f"worker {self.report.slot} cannot be started: {err.strerror or err}")
            return
        self._starts += 1
        self._tell(pid=self._worker.child.pid, problem="")
        facts = {"slot": self.report.slot, "worker_pid": self._worker.child.pid}
        _LOG.info(names.WORKER_STARTED, extra=facts)

    def _new_worker(self) -> _Worker:
        lifeline = Lifeline()
        fds = (self._listen_fd, lifeline.descriptor)
        try:
            child = Child(self._argv(self.report.slot, *fds), pass_fds=fds, log=self._upkeep.log)
        except OSError:
            lifeline.close()
            raise
        lifeline.hand_over()
        return _Worker(child, lifeline, self._started_at)

    def _note_end(self, what: str) -> None:
        now = self._clock.monotonic()
        lived = now - self._started_at
        restart = after_end(self._upkeep.restart, streak=self._streak, lived=lived)
        self._worker, self._streak, self._due = None, restart.streak, now + restart.delay
        when = f"next start in {restart.delay:.1f} s, see {self._upkeep.log}"
        self._tell(pid=None, problem=f"{what}; {when}")
        facts = {"slot": self.report.slot, "problem": what, "delay": restart.delay}
        _LOG.warning(names.WORKER_ENDED, extra=facts)

    def _leave_empty(self) -> None:
        if self._worker:
            self._worker.lifeline.close()
        self._worker = None
        self._tell(pid=None, problem="")

    def _tell(self, *, pid: int | None, problem: str) -> None:
        self.report = WorkerReport(
            slot=self.report.slot,
            pid=pid,
            restarts=max(0, self._starts - 1),
            since=self._clock.wall(),
            problem=problem,
        )
