"""What a decision looks at, and what it answers.

A ``World`` is everything known at one tick. A decision takes it and answers a ``Decision``: what to
remember from now on, what to do about it, and one sentence for people. What is remembered is on
disk before the deed is done.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

from podman_llm.core.budget import NO_CAPS, NOTHING_SPENT, Caps, Spent
from podman_llm.core.deeds import Deed, Nothing
from podman_llm.core.demand import NO_DEMAND, Demand
from podman_llm.core.guard import Heard, warning
from podman_llm.core.lease import Traffic, pod_time
from podman_llm.core.listing import ListView
from podman_llm.core.moves import advance
from podman_llm.core.notices import Notice
from podman_llm.core.pod import (
    Candidate,
    ClockReading,
    Phase,
    PodRecord,
    Sleep,
    StopReason,
    Waiting,
)
from podman_llm.core.sight import Sight
from podman_llm.core.wording import duration, progress

BLIND_ALARM: Final = 600.0
"""Seconds without a valid list after which every line says so, and an ``up`` that holds nothing
gives up. A pod that is known of is kept: its deadlines hold without a list."""


@dataclass(frozen=True)
class Limits:
    """The settings that decisions depend on; seconds and USD per hour. None means without end."""

    runtime: float
    max_extension: float
    idle: float | None
    max_price: float | None
    provision_timeout: float
    initial_wait: float
    boot_timeout: float
    wait_capacity: float
    max_billed_attempts: int
    max_restarts: int
    drain: float
    settle: float
    quarantine: float
    poll: float
    caps: Caps = NO_CAPS
    require_guard: bool = True
    wake: bool = False


@dataclass(frozen=True)
class Wish:
    """What the person wants. ``now`` means without waiting for requests in flight.

    ``adopt`` is the id of a pod of ours to take over instead of making one.
    """

    generation: int
    is_up: bool
    now: bool
    extended_seconds: float
    model: str
    adopt: str = ""


@dataclass(frozen=True)
class Verdict:
    """Why this generation failed, for good; ``hint`` says what to do next."""

    generation: int
    exit_code: int
    message: str
    hint: str
    at: float


@dataclass(frozen=True)
class Book:
    """What is remembered from tick to tick, and on disk.

    ``record`` is the open one, or else the one closed last. ``is_rebuilding`` says that the past
    was lost: pods of ours found now are taken over instead of ended. ``quarantine_until`` (wall)
    forbids creating, because a request of that lost past may still turn into a pod. ``orphan_at``
    is when a pod of ours without a record was last seen. ``notices`` are the warnings given.
    ``sleep`` is set while requests may bring the pod up again, until one is ready.
    """

    record: PodRecord | None = None
    verdict: Verdict | None = None
    waiting: Waiting | None = None
    is_rebuilding: bool = False
    quarantine_until: float | None = None
    orphan_at: float | None = None
    notices: tuple[Notice, ...] = ()
    sleep: Sleep | None = None


@dataclass(frozen=True)
class Decision:
    """``wait`` is seconds until the next tick, ``strikes`` the bad answers in a row so far.

    ``heeds_demand``: new demand is a reason not to wait that long.
    """

    book: Book
    deed: Deed
    note: str
    wait: float
    strikes: int = 0
    is_settled: bool = False
    heeds_demand: bool = False


@dataclass(frozen=True)
class World:
    """Everything known at one tick.

    ``token`` is fresh randomness for one name. ``is_keyed`` says whether pods made now demand the
    key that is derived from their name. ``sight`` is the look by id at the record's pod.
    ``strikes`` counts answers of the same bad kind in a row: probes that were definitely not
    ready, or orders to end that did not get through. ``blind_for`` is how many seconds there has
    been no valid list. ``spent`` is what all pods but the record's cost, None if it is unknown.
    ``is_guarded`` says whether pods made now carry a guard; ``heard`` is what the logs of the
    record's pod told, None when they were not read. ``cold`` are places to avoid for now.
    ``demand`` is what requests ask of a pod that sleeps.
    """

    reading: ClockReading
    owner: str
    token: str
    wish: Wish
    limits: Limits
    book: Book
    view: ListView
    sight: Sight
    traffic: Traffic
    is_keyed: bool = False
    strikes: int = 0
    blind_for: float = 0.0
    spent: Spent | None = NOTHING_SPENT
    is_guarded: bool = False
    heard: Heard | None = None
    cold: tuple[Candidate, ...] = ()
    demand: Demand = NO_DEMAND

    @property
    def record(self) -> PodRecord:
        """The record that a decision about one pod is about.

        Raises:
            ValueError: there is none; such a world belongs to ``core.rest``.
        """
        if self.book.record is None:
            raise ValueError("no record")
        return self.book.record

    @property
    def now(self) -> float:
        """Pod time where there is an open pod, the wall clock otherwise."""
        record = self.book.record
        return pod_time(record, self.reading) if record and record.is_open else self.reading.wall

    @property
    def in_phase(self) -> float:
        """Seconds since the record came into its phase."""
        moves = self.record.transitions
        return max(0.0, self.now - (moves[-1].at if moves else self.record.intent.wall))

    def remember(self, **changes: Any) -> World:  # noqa: ANN401 - fields of Book, as ``replace``
        """This world with something in the book changed."""
        return replace(self, book=replace(self.book, **changes))

    def stay(
        self, what: str, wait: float | None = None, deed: Deed | None = None, strikes: int = 0
    ) -> Decision:
        """The record as it is, one deed perhaps, and a line on what the pod is doing."""
        pause = self.limits.poll if wait is None else wait
        note = progress(self.record, self.now, f"{what}{self._blindness()}{self._danger()}")
        return Decision(self.book, deed or Nothing(), note, pause, strikes)

    def _blindness(self) -> str:
        if self.blind_for <= BLIND_ALARM:
            return ""
        return f" (no usable list of pods for {duration(self.blind_for)}: {self.view.why})"

    def _danger(self) -> str:
        is_up = self.record.phase in {Phase.BOOTING, Phase.READY, Phase.DEGRADED}
        danger = warning(self.record)
        return f" ({danger})" if is_up and danger else ""

    def moved(self, phase: Phase, note: str, **changes: Any) -> World:  # noqa: ANN401 - as above
        """This world with its record advanced."""
        return self.remember(record=advance(self.record, phase, self.now, note, **changes))

    def go(self, phase: Phase, note: str, **changes: Any) -> Decision:  # noqa: ANN401 - as above
        """Advance and look again at once."""
        return self.moved(phase, note, **changes).stay(note, wait=0.0)

    def stop(self, reason: StopReason, detail: str) -> Decision:
        """Begin the end of the pod; there is no way back from here."""
        return self.go(
            Phase.STOPPING,
            f"ending the pod ({reason}): {detail}",
            reason=reason,
            reason_detail=detail,
            stopping_at=self.now,
            absences=(),
        )
