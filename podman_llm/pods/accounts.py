"""The money side of each tick: the ledger brought up to date, and the balance looked at.

Nothing here may keep a pod from being ended: a ledger that cannot be written is a problem that is
told, and what was spent is then unknown, which forbids renting under a budget and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

from podman_llm.core.budget import Spent
from podman_llm.core.charges import PodHours, Stretch, day_of, hours_of, hours_of_orphan
from podman_llm.core.listing import ListView, orphans
from podman_llm.core.pod import PodRecord
from podman_llm.errors import StateError
from podman_llm.providers.base import Provider
from podman_llm.state.store import PodState
from podman_llm.usage.ledger import PodLedger

ACCRUE_EVERY: Final = 60.0
"""Seconds of a running pod's cost that the loss of all other state may lose."""
BALANCE_EVERY: Final = 300.0
"""RunPod's own billing job runs every five minutes."""


class Accounts:
    """What pods of ``owner`` cost, and what is left. A ledger that fails is opened again.

    ``problem`` says why what was spent is unknown; empty when it is known.
    """

    def __init__(
        self, provider: Provider, owner: str, open_ledger: Callable[[], PodLedger]
    ) -> None:
        self._provider = provider
        self._owner = owner
        self._open = open_ledger
        self._ledger: PodLedger | None = None
        self._settled: set[str] = set()
        self._accrued_at = float("-inf")
        self._balance_at = float("-inf")
        self.problem = ""

    def keep(self, state: PodState, now: float, view: ListView | None = None) -> None:
        """Enter what every pod of ours has cost by ``now``.

        ``view`` tells of pods in no record and of those that are gone. What a crash left out is
        entered by the next process, which looks at every closed record once.
        """
        try:
            self._ledger = self._ledger or self._open()
            lines = list(self._of_records(state, now))
            if view is not None:
                lines += self._of_others(self._ledger, lines, state, view, now)
            if lines:
                self._ledger.enter(lines)
        except StateError as err:
            self._ledger, self.problem = None, err.message
            return
        self.problem = ""
        self._settled |= {line.pod_id for line in lines if line.is_settled}
        if any(not line.is_settled for line in lines):
            self._accrued_at = now

    def spent(self, state: PodState, now: float) -> Spent | None:
        """What all pods but the record's cost; None while that is unknown."""
        if self._ledger is None:
            return None
        record = state.current
        try:
            return self._ledger.spent(besides=record.pod_id if record else None, day=day_of(now))
        except StateError as err:
            self._ledger, self.problem = None, err.message
            return None

    def with_balance(self, state: PodState, now: float) -> PodState:
        """The state with the account's balance, asked for now and then while a pod lives."""
        is_due = not 0 <= now - self._balance_at < BALANCE_EVERY
        record = state.current
        lives = record is not None and record.is_open and record.reason is None and record.pod_id
        if not (is_due and lives):
            return state
        self._balance_at = now
        balance = self._provider.account().balance
        return state if balance is None else replace(state, balance=balance, balance_at=now)

    def _of_records(self, state: PodState, now: float) -> Iterator[PodHours]:
        for record in (state.current, *state.closed):
            if record and self._is_due(record, now) and (line := hours_of(record, now)):
                yield line

    def _is_due(self, record: PodRecord, now: float) -> bool:
        if record.is_open:
            return not 0 <= now - self._accrued_at < ACCRUE_EVERY
        return record.pod_id not in self._settled

    def _of_others(
        self,
        ledger: PodLedger,
        lines: Sequence[PodHours],
        state: PodState,
        view: ListView,
        now: float,
    ) -> Iterator[PodHours]:
        """Pods of ours in no open record while they are shown, and the end of those that went."""
        for pod in orphans(view, state.current, self._owner):
            yield hours_of_orphan(pod, now)
        if not view.is_valid:
            return
        kept = {pod.pod_id for pod in view.pods} | {line.pod_id for line in lines}
        if state.current and state.current.is_open and state.current.pod_id:
            kept.add(state.current.pod_id)
        for line in ledger.open_lines():
            if line.pod_id not in kept:
                yield _ended(line, now)


def _ended(line: PodHours, now: float) -> PodHours:
    """When it went is not known; what may have been billed until now is counted."""
    last = line.stretches[-1]
    gap = Stretch(last.until, max(last.until, now), last.micros_per_hour)
    return replace(line, stretches=(*line.stretches, gap), is_settled=True)
