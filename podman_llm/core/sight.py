"""What was seen of the provider: values that keep "not there" and "not known" apart.

An error is never read as absence. ``Unknown`` is a type, so that every ``match`` on a sight has to
say what it does when nobody knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class PodStatus(StrEnum):
    """The provider's own word for the container, as RunPod's REST v2 spells it."""

    PROVISIONING = "PROVISIONING"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    EXITED = "EXITED"
    ERROR = "ERROR"
    TERMINATED = "TERMINATED"


@dataclass(frozen=True)
class PodSight:
    """A pod as the provider shows it.

    ``cost_per_hour`` is USD, 0.0 when stopped, None when missing. ``created_at`` and ``started_at``
    are wall seconds. ``uptime`` is the container's, in seconds; a smaller one than before means it
    restarted. ``endpoint`` is the base URL of the serving port without ``/v1``, None until known.
    ``gpu_count`` is 0 for a pod that came back without its GPUs.
    """

    pod_id: str
    name: str
    status: PodStatus
    cost_per_hour: float | None
    created_at: float | None
    started_at: float | None
    uptime: float | None
    endpoint: str | None
    gpu_count: int
    gpu_id: str | None
    cloud: str | None
    data_center_id: str | None
    env: Mapping[str, str]


@dataclass(frozen=True)
class Gone:
    """The provider properly says that there is no such pod (404). Not yet proof of absence."""


@dataclass(frozen=True)
class Unknown:
    """No usable answer. ``why`` is for people."""

    why: str


Sight = PodSight | Gone | Unknown


@dataclass(frozen=True)
class Listing:
    """A complete list of the account's pods: HTTP 200, every page, schema as published."""

    pods: tuple[PodSight, ...]


# What became of the one POST -------------------------------------------------------------------


class Refusal(StrEnum):
    """Why a pod was, for certain, not created."""

    CAPACITY = "capacity"  # try the next candidate
    CANDIDATE = "candidate"  # this candidate is not for this account: the next one
    BALANCE = "balance"  # stop everything
    AUTH = "auth"  # stop everything
    SPEC = "spec"  # our request is wrong: stop, say so
    NOT_SENT = "not_sent"  # the connection was never made: the same candidate again
    RATE = "rate"  # too many requests: the same candidate again, later


@dataclass(frozen=True)
class Created:
    """201 with an id."""

    pod: PodSight


@dataclass(frozen=True)
class NotCreated:
    """Provably nothing was created. ``retry_after`` is seconds, when the provider named them."""

    refusal: Refusal
    message: str
    retry_after: float | None = None


@dataclass(frozen=True)
class Ambiguous:
    """The pod may exist: a lost, cut, late or 5xx answer."""

    why: str


CreateOutcome = Created | NotCreated | Ambiguous


@dataclass(frozen=True)
class Terminated:
    """The provider accepted the order, or says that there is nothing to end. Not yet proof."""

    status: int


@dataclass(frozen=True)
class TerminateFailed:
    """The order did not get through; it is repeated."""

    why: str


TerminateOutcome = Terminated | TerminateFailed


# Readiness -------------------------------------------------------------------------------------


class Rung(StrEnum):
    """How far up the readiness ladder a probe came; the last is the only ready one."""

    UNREACHABLE = "unreachable"  # no HTTP answer, or the provider's edge answered for it
    HEALTHY = "healthy"  # /health is 200
    LISTED = "listed"  # /v1/models lists our name
    ANSWERING = "answering"  # one token came back
    KEY_REFUSED = "key_refused"  # it serves, and does not accept our key
    UNKNOWN = "unknown"  # the probe itself failed here


@dataclass(frozen=True)
class Readiness:
    """What the last probe of the serving port found, and in words."""

    rung: Rung
    detail: str
