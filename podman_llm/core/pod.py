"""What a pod is to us: its phases, the closed table of moves between them, and its record.

Everything that decides whether one phase may follow another lives in ``ALLOWED`` in this file and
nowhere else. The table is the one of the write-ahead protocol: INTENT and SENT are on disk before
the one POST, STOPPING never goes back, DONE needs evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from podman_llm.core.sight import Refusal


class Phase(StrEnum):
    """Where a pod is in its life, as we believe it."""

    INTENT = "INTENT"  # decided and saved, nothing sent
    SENT = "SENT"  # the fence: the POST may have left
    UNRESOLVED = "UNRESOLVED"  # the POST's answer is lost; the pod may exist
    PROVISIONING = "PROVISIONING"  # has an id, not yet running
    BOOTING = "BOOTING"  # the container runs, the model does not answer yet
    READY = "READY"  # the model answered a completion
    DEGRADED = "DEGRADED"  # was ready, is definitely not now
    DRAINING = "DRAINING"  # takes no new requests, finishes those in flight
    STOPPING = "STOPPING"  # being terminated; never comes back
    VERIFYING = "VERIFYING"  # terminate accepted, absence not yet proved
    LOST = "LOST"  # absent by valid evidence although nobody asked
    DONE = "DONE"  # absence proved and recorded
    CANCELLED = "CANCELLED"  # was never sent
    DISOWNED = "DISOWNED"  # carries a foreign owner marker; never touched again


class StopReason(StrEnum):
    """Why a pod is ended. Stored once, when STOPPING is first decided."""

    USER = "user"
    EXPIRY = "expiry"
    IDLE = "idle"
    LEASE = "lease"
    BUDGET = "budget"
    PRICE = "price"
    PROVISION_TIMEOUT = "provision_timeout"
    BOOT_TIMEOUT = "boot_timeout"
    CRASH_LOOP = "crash_loop"
    EXITED = "exited"
    KEY_REFUSED = "key_refused"
    BROKEN_HOST = "broken_host"
    SUPERSEDED = "superseded"
    ORPHAN = "orphan"
    FATAL_CONFIG = "fatal_config"
    LOST = "lost"


class Guard(StrEnum):
    """What is known of the guard inside the pod, which ends it at its hard deadline without us."""

    NONE = "none"  # pods of this provider have none
    AWAITED = "awaited"  # it has not reported yet
    ARMED = "armed"  # it reported, and its key works
    KEY_REFUSED = "key_refused"  # it reported, and its key may not even look at the pod
    KEY_UNTRIED = "key_untried"  # it reported, and could not find out whether its key works
    ABSENT = "absent"  # it did not report in time, and its log is whole
    UNSEEN = "unseen"  # its log was read too late to tell


_P = Phase

ALLOWED: Final[Mapping[Phase, frozenset[Phase]]] = MappingProxyType(
    {
        _P.INTENT: frozenset({_P.SENT, _P.CANCELLED, _P.STOPPING}),
        _P.SENT: frozenset({_P.PROVISIONING, _P.UNRESOLVED, _P.INTENT, _P.STOPPING, _P.DISOWNED}),
        _P.UNRESOLVED: frozenset({_P.PROVISIONING, _P.INTENT, _P.STOPPING, _P.DISOWNED}),
        _P.PROVISIONING: frozenset({_P.BOOTING, _P.STOPPING, _P.LOST, _P.DISOWNED}),
        _P.BOOTING: frozenset({_P.READY, _P.STOPPING, _P.LOST, _P.DISOWNED}),
        _P.READY: frozenset(
            {_P.DEGRADED, _P.BOOTING, _P.DRAINING, _P.STOPPING, _P.LOST, _P.DISOWNED}
        ),
        _P.DEGRADED: frozenset(
            {_P.READY, _P.BOOTING, _P.DRAINING, _P.STOPPING, _P.LOST, _P.DISOWNED}
        ),
        _P.DRAINING: frozenset({_P.STOPPING, _P.LOST, _P.DISOWNED}),
        _P.STOPPING: frozenset({_P.VERIFYING, _P.DISOWNED}),
        _P.VERIFYING: frozenset({_P.STOPPING, _P.DONE, _P.DISOWNED}),
        _P.LOST: frozenset({_P.VERIFYING, _P.DISOWNED}),
        _P.DONE: frozenset(),
        _P.CANCELLED: frozenset(),
        _P.DISOWNED: frozenset(),
    }
)

CLOSED: Final = frozenset({_P.DONE, _P.CANCELLED, _P.DISOWNED})
"""Phases that owe nothing more; a record in any other phase is open."""

MAY_BILL: Final = frozenset(_P) - CLOSED - {_P.INTENT}
"""Phases in which the provider may be charging."""


class IllegalMove(Exception):
    """A move that is not in the table was tried; the record is unchanged."""


@dataclass(frozen=True)
class ClockReading:
    """One look at all clocks of this host.

    ``wall`` is UTC seconds since 1970; ``boottime`` seconds since boot, counting suspend;
    ``boot_id`` tells whether two boottimes may be compared.
    """

    wall: float
    boottime: float
    boot_id: str


@dataclass(frozen=True)
class Candidate:
    """One place a pod could be asked for.

    ``price_per_hour`` is USD for all its GPUs, ``disk_per_hour`` USD for the container's own disk,
    which providers bill besides; None where nobody tells.
    """

    gpu_id: str
    gpu_name: str
    gpu_count: int
    cloud: str
    data_center_id: str | None
    price_per_hour: float
    vram_gb: float
    availability: str
    disk_per_hour: float | None = None

    @property
    def billed_per_hour(self) -> float:
        """USD, the disk included as far as its price is known."""
        return self.price_per_hour + (self.disk_per_hour or 0.0)


@dataclass(frozen=True)
class PodSpec:
    """What the pod shall run; everything the provider needs that is not placement.

    ``command`` is the serving command as argv (``["vllm", "serve", …]``). Where it depends on the
    candidate it holds the literal ``{gpu_count}``, which the provider fills in when it creates.
    ``context`` is 0 where the server picks the window itself. ``env`` holds nothing secret:
    providers return it in clear to every key holder.
    """

    model_store_id: str
    hf_id: str
    revision: str
    served_names: tuple[str, ...]
    context: int
    image: str
    command: tuple[str, ...]
    port: int
    disk_gb: int
    min_cuda: str | None
    env: Mapping[str, str]
    template_id: str | None
    network_volume_id: str | None

    @property
    def model_tag(self) -> str:
        """Names the exact weights, for cache keys: two tags differ when answers may."""
        return f"{self.hf_id}@{self.revision}"


@dataclass(frozen=True)
class Transition:
    """One move, for people and for the proof."""

    phase: Phase
    at: float
    note: str


@dataclass(frozen=True)
class Evidence:
    """Why we say that a pod is gone.

    ``list_times`` are the wall times of valid lists without it, ``list_counts`` how many pods each
    held, ``get_status`` what a GET by id said (404), or None where there was never an id to ask.
    """

    kind: str
    at: float
    list_times: tuple[float, ...]
    list_counts: tuple[int, ...]
    get_status: int | None


@dataclass(frozen=True)
class RateInterval:
    """The pod cost ``usd_per_hour`` from ``since`` (wall) until the next interval begins."""

    since: float
    usd_per_hour: float


class WaitCause(StrEnum):
    """Why asking for a pod is put off."""

    CAPACITY = "capacity"  # nothing is free
    UNREACHABLE = "unreachable"  # the provider could not be asked
    RATE = "rate"  # the provider wants fewer requests


@dataclass(frozen=True)
class Waiting:
    """Asking is put off until ``retry_at``; ``since`` is when this generation began to wait.

    ``rounds`` counts how often everything was refused; it paces the next round. ``has_plan`` says
    that the places to ask were worked out anew since. Waiting costs nothing.
    """

    since: float
    rounds: int
    retry_at: float
    cause: WaitCause
    detail: str
    has_plan: bool = False


@dataclass(frozen=True)
class Sleep:
    """The pod of this ``generation`` was ended for idleness, and requests may bring it up again.

    From ``since`` (wall) on requests count. ``lease_began`` is when the time asked for began.
    ``cold_start`` is how many seconds the pod took to become ready. ``why_not`` says why no request
    wakes it; empty if one does. It lasts until a pod is ready again, or the person wishes for
    something else.
    """

    generation: int
    since: float
    lease_began: ClockReading
    cold_start: float
    why_not: str = ""


@dataclass(frozen=True)
class PodRecord:
    """What we believe of one pod: one attempt to rent it, from intent to evidence.

    All times are wall seconds unless they are a ``ClockReading``. ``generation`` is that of the
    desired state it serves: one ``up`` is one generation, so an expired pod is not made again.
    ``name`` is unique per attempt and never used again. ``candidates`` are those not yet tried,
    best first; ``candidate`` is the one of this attempt. ``rates`` is the basis of ``spent``; it
    starts at ``sent``, because boot time is billed, with the catalog's price until the provider
    tells its own. ``container_start`` is in seconds after ``sent``.

    ``asked_model`` is the ``modelStoreId`` of the wish it was made for. ``first_deadline`` is the
    soft deadline before any extension. ``listed_at`` is when a valid list first showed it: from
    then on its absence means something. ``absences`` are the times and sizes of the first and the
    latest of an unbroken run of valid lists without it. ``billed_before`` counts earlier attempts
    of this generation that may have cost money. ``refusals`` says what the candidates tried so far
    in this round answered. ``is_cut_short`` says that a budget ends it before the time asked for.
    ``taken_over_at`` is when a pod that was in no record was found; what it did before is unknown.
    ``greeted_at`` is when its server last took our key, known only of pods with a lease.
    ``lease_began`` is when its time began, where that was not with its intent: a pod that was
    woken, or replaces one that served and was lost, has what is left of the time asked for.
    """

    name: str
    owner: str
    generation: int
    phase: Phase
    spec: PodSpec
    attempt: int
    candidate: Candidate
    candidates: tuple[Candidate, ...]
    intent: ClockReading
    soft_deadline: float
    hard_deadline: float
    keyed: bool = False
    sent: ClockReading | None = None
    pod_id: str | None = None
    endpoint: str | None = None
    created_at: float | None = None
    running_at: float | None = None
    ready_at: float | None = None
    stopping_at: float | None = None
    draining_at: float | None = None
    rates: tuple[RateInterval, ...] = ()
    restarts: int = 0
    container_start: float | None = None
    reason: StopReason | None = None
    reason_detail: str = ""
    log_tail: tuple[str, ...] = ()
    absences: tuple[tuple[float, int], ...] = ()
    asked_model: str = ""
    first_deadline: float | None = None
    listed_at: float | None = None
    billed_before: int = 0
    refusals: tuple[tuple[Refusal, str], ...] = ()
    evidence: Evidence | None = None
    transitions: tuple[Transition, ...] = field(default=())
    is_cut_short: bool = False
    taken_over_at: float | None = None
    guard: Guard = Guard.NONE
    greeted_at: float | None = None
    lease_began: ClockReading | None = None

    @property
    def is_open(self) -> bool:
        """Whether this record still owes work or proof."""
        return self.phase not in CLOSED

    @property
    def cost_per_hour(self) -> float:
        """The rate in force, USD per hour; 0 before anything was sent."""
        return self.rates[-1].usd_per_hour if self.rates else 0.0

    def spent(self, now: float) -> float:
        """USD from the POST until ``now``, or until proof of absence once there is one.

        A request that is proved to have made no pod cost nothing.
        """
        until = self.evidence.at if self.evidence else now
        is_phantom = self.evidence is not None and self.evidence.kind == "never_appeared"
        if self.phase is Phase.CANCELLED or is_phantom or not self.rates:
            return 0.0
        ends = [interval.since for interval in self.rates[1:]] + [until]
        return sum(
            interval.usd_per_hour * max(0.0, end - interval.since) / 3600
            for interval, end in zip(self.rates, ends, strict=True)
        )
