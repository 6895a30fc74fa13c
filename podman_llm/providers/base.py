"""The contract of a provider: someone who creates a costly thing and lies about it at times.

Obligations, held by ``tests/contracts/provider.py`` against every adapter:

- ``create`` sends at most one request and never repeats it. It answers ``NotCreated`` only when
  it is certain that nothing was created; whatever is in doubt is ``Ambiguous``. It returns as soon
  as the provider answered; it never waits for the pod.
- ``list_pods`` answers a ``Listing`` only when it is complete; anything less is ``Unknown``.
- ``get`` answers ``Gone`` only for a proper "not found".
- ``terminate`` is idempotent; a pod that is already gone is ``Terminated``. It is an order, not
  proof.
- No third-party exception leaves an adapter. No method but ``logs`` blocks longer than the
  adapter's stated timeouts. Secrets are in no exception, no log line and no return value.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from podman_llm.core.catalog import GpuOffer, ModelEntry
from podman_llm.core.pod import Candidate, PodSpec
from podman_llm.core.sight import (
    CreateOutcome,
    Listing,
    Readiness,
    Sight,
    TerminateOutcome,
    Unknown,
)


@dataclass(frozen=True)
class CreateRequest:
    """One attempt: what, where, under which never-used-before name.

    ``spec.command`` may hold the literal ``{gpu_count}``; the adapter replaces it by
    ``candidate.gpu_count`` in what it sends.
    ``env`` is the spec's environment with the owner markers of this attempt; it is public.
    ``api_key_sha256`` is the hex digest of the key that the pod's server shall demand, or None;
    the key itself never travels to the provider.
    """

    name: str
    spec: PodSpec
    candidate: Candidate
    env: dict[str, str]
    api_key_sha256: str | None


@dataclass(frozen=True)
class LogLine:
    """One line a pod or its host wrote. ``at`` is as the provider spells it."""

    at: str
    source: str
    line: str


@dataclass(frozen=True)
class Account:
    """Money facts, each None where it cannot be read."""

    balance: float | None
    spend_per_hour: float | None


@dataclass(frozen=True)
class Reached:
    """The provider answered us. ``server_time`` is its own wall clock, None if it tells none."""

    server_time: float | None


@dataclass(frozen=True)
class BilledHours:
    """What the provider charged for one pod within one bucket of time, in USD.

    ``disk_usd`` is the part of it that is for disks, None where the bill does not say.
    """

    pod_id: str
    since: float
    until: float
    usd: float
    disk_usd: float | None = None


@dataclass(frozen=True)
class Billing:
    """The provider's own account of a span of time; it may lag behind by an hour."""

    hours: tuple[BilledHours, ...]


class Provider(Protocol):
    """Someone who rents out pods."""

    @property
    def name(self) -> str:
        """Short lower-case name for people and headers: ``runpod``, ``local``."""

    @property
    def keyed(self) -> bool:
        """Whether pods made here demand the per-pod key."""

    @property
    def disk_usd_per_gb_hour(self) -> float | None:
        """What a running container's own disk is billed besides; None where nobody tells."""

    @property
    def guarded(self) -> bool:
        """Whether pods made here end themselves at PLLM_DEADLINE, as they say in their log."""

    def gpus(self) -> Sequence[GpuOffer]:
        """The live GPU catalog.

        Raises:
            ProviderRefused: the key is not accepted.
            ProviderUnreachable: no usable answer.
        """

    def models(self) -> Sequence[ModelEntry]:
        """The account's own model repository; empty where that feature is off.

        Raises:
            ProviderRefused: the key is not accepted.
            ProviderUnreachable: no usable answer.
        """

    def create(self, request: CreateRequest) -> CreateOutcome:
        """Ask once for a pod."""

    def list_pods(self) -> Listing | Unknown:
        """Every pod of the account."""

    def get(self, pod_id: str) -> Sight:
        """One pod."""

    def terminate(self, pod_id: str) -> TerminateOutcome:
        """Order a pod's end."""

    def logs(self, pod_id: str, *, source: str, tail: int, follow: bool) -> Iterator[LogLine]:
        """Log lines, oldest first: the last ``tail``, and with ``follow`` those that come after.

        ``source`` is ``pod`` (what the container wrote) or ``system`` (what its host wrote; empty
        where there is no such thing). Without ``follow`` it ends within a few seconds; with it,
        when the pod is gone or the caller stops reading.

        Raises:
            NotFound: no such pod.
            ProviderUnreachable: no usable answer.
        """

    def account(self) -> Account:
        """Balance and spend rate where the provider tells them; never raises."""

    def billing(self, *, since: float, until: float) -> Billing | Unknown:
        """What was charged per pod and UTC day, for the days that hold this span (wall seconds)."""

    def reach(self) -> Reached:
        """Ask for as little as possible with the key, to see whether it works.

        Raises:
            ProviderRefused: the key is not accepted.
            ProviderUnreachable: no usable answer.
        """


class Prober(Protocol):
    """Climbs the readiness ladder of a serving port."""

    def probe(
        self, endpoint: str, *, served_name: str, api_key: str | None, deep: bool = True
    ) -> Readiness:
        """Try ``/health``, then ``/v1/models``, then a one-token completion.

        Stops at the first rung that fails; takes at most its configured timeout per rung. With
        ``deep`` false it stops after ``/v1/models`` and answers ``LISTED`` at best: a cheap look
        at a pod that has already proved that it answers.
        """
