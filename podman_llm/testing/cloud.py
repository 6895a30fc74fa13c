"""A provider in memory, on a clock that moves when told: every way a cloud can lie, at once.

It keeps two books. What *is* (``pods``, ``most_live``, ``bill``) is for the test. What is *said* is
for the controller, and may lag, be lost, be cut or be wrong, as the faults ask for. Without faults
it is a well-behaved cloud.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from podman_llm.core.catalog import GpuOffer, ModelEntry
from podman_llm.core.naming import DEADLINE_MARK
from podman_llm.core.sight import (
    Ambiguous,
    Created,
    CreateOutcome,
    Gone,
    Listing,
    NotCreated,
    PodSight,
    PodStatus,
    Readiness,
    Rung,
    Sight,
    Terminated,
    TerminateFailed,
    TerminateOutcome,
    Unknown,
)
from podman_llm.errors import NotFound, ProviderUnreachable
from podman_llm.providers.base import (
    Account,
    BilledHours,
    Billing,
    CreateRequest,
    LogLine,
    Reached,
)


@dataclass(frozen=True)
class Fate:
    """What becomes of one request to create.

    A pod appears ``after`` seconds, never for None. ``answer`` is what the caller is told instead
    of the truth; None tells it the truth.
    """

    after: float | None = 0.0
    answer: NotCreated | Ambiguous | None = None


CREATED: Final = Fate()
LOST: Final = Fate(None, Ambiguous("the connection was reset"))
CREATED_5XX: Final = Fate(0.0, Ambiguous("500 Internal Server Error"))
NOT_5XX: Final = Fate(None, Ambiguous("502 Bad Gateway"))


def late(seconds: float) -> Fate:
    """No answer in time; the pod appears later."""
    return Fate(seconds, Ambiguous("timed out"))


def rejected(answer: NotCreated) -> Fate:
    """An honest refusal."""
    return Fate(None, answer)


class ListFault(Enum):
    """What is wrong with one answer to LIST."""

    EMPTY = auto()  # 200 and no pods
    PARTIAL = auto()  # 200 without the newest pod
    ERROR = auto()  # no usable answer
    NONE = auto()  # nothing


@dataclass
class CloudPod:
    """What is true of one pod. Times are the cloud's own seconds."""

    pod_id: str
    request: CreateRequest
    created_at: float
    price: float
    boots_from: float
    ended_at: float | None = None
    status: PodStatus | None = None
    hears: bool = True
    log: list[str] = field(default_factory=list)

    def lives(self, at: float) -> bool:
        """Whether it bills at that time."""
        return self.created_at <= at and (self.ended_at is None or at < self.ended_at)


@dataclass
class Cloud:
    """A ``Provider`` and ``Prober``. ``now`` is the cloud's true time in seconds.

    ``fates`` are those of the next creates, ``list_faults`` of the next lists; when they run out
    all is well. ``list_lag`` shows lists as of that long ago; ``hidden_for`` answers 404 to a look
    by id for so long after creation. ``failing_deletes`` orders are refused, ``ignored_deletes``
    are accepted and forgotten, and ``denied_for`` answers 404 to an order to end for so long after
    creation, without ending anything. ``deaf`` answers nothing at all. A container runs
    ``starts_after`` seconds after creation, and its model answers ``answers_after`` seconds after
    that; None is never. ``guarded`` lets each container that started end its own pod at the
    deadline in its environment, by a clock that is ``guard_ahead`` seconds ahead; it says in its
    log that its own key was answered ``guard_key``, or nothing at all if that is empty.
    ``host_log`` is what hosts write.
    """

    now: Callable[[], float]
    keyed: bool = True
    name: str = "cloud"
    price: float | None = 0.5
    disk_usd_per_gb_hour: float | None = None
    tells_spend: bool = True
    list_lag: float = 0.0
    hidden_for: float = 0.0
    denied_for: float = 0.0
    failing_deletes: int = 0
    ignored_deletes: int = 0
    deaf: bool = False
    starts_after: float | None = 5.0
    answers_after: float | None = 20.0
    guarded: bool = False
    guard_key: str = "200"
    guard_ahead: float = 0.0
    host_log: tuple[str, ...] = ()
    fates: deque[Fate] = field(default_factory=deque)
    list_faults: deque[ListFault] = field(default_factory=deque)
    pods: list[CloudPod] = field(default_factory=list)
    requests: list[CreateRequest] = field(default_factory=list)
    terminated: list[str] = field(default_factory=list)
    probes: list[bool] = field(default_factory=list)

    # What is true -------------------------------------------------------------------------------

    def live(self) -> list[CloudPod]:
        """The pods that bill now."""
        return [pod for pod in self.pods if pod.lives(self.now())]

    def most_live(self) -> int:
        """The most pods that ever billed at the same time, so far."""
        starts = [pod.created_at for pod in self.pods if pod.created_at <= self.now()]
        return max((sum(pod.lives(at) for pod in self.pods) for at in starts), default=0)

    def bill(self) -> float:
        """USD charged so far."""
        return sum(
            pod.price
            * max(0.0, min(self.now(), pod.ended_at or self.now()) - pod.created_at)
            / 3600
            for pod in self.pods
        )

    def end(self, pod: CloudPod) -> None:
        """End a pod as its host or another person would."""
        pod.ended_at = self.now()

    def restart(self, pod: CloudPod) -> None:
        """Let its container start again from nothing."""
        pod.boots_from = self.now()

    # Provider -----------------------------------------------------------------------------------

    def gpus(self) -> Sequence[GpuOffer]:
        """Nothing: plans come from the test."""
        return ()

    def models(self) -> Sequence[ModelEntry]:
        """Nothing, as for an account without that feature."""
        return ()

    def create(self, request: CreateRequest) -> CreateOutcome:
        """Ask once for a pod; the next fate decides."""
        self.requests.append(request)
        fate = self.fates.popleft() if self.fates else CREATED
        pod = None if fate.after is None else self._make(request, fate.after)
        if fate.answer is not None:
            return fate.answer
        return Created(self._sight(pod)) if pod else Ambiguous("nothing came back")

    def list_pods(self) -> Listing | Unknown:
        """The pods as of ``list_lag`` ago, unless the next fault says otherwise."""
        fault = self.list_faults.popleft() if self.list_faults else ListFault.NONE
        if self.deaf or fault is ListFault.ERROR:
            return Unknown("503 Service Unavailable")
        then = self.now() - self.list_lag
        shown = [self._sight(pod) for pod in self.pods if pod.lives(then)]
        kept = {ListFault.EMPTY: 0, ListFault.PARTIAL: len(shown) - 1}.get(fault, len(shown))
        return Listing(tuple(shown[: max(0, kept)]))

    def get(self, pod_id: str) -> Sight:
        """One pod, if it is old enough to be found."""
        if self.deaf:
            return Unknown("timed out")
        pod = self._find(pod_id)
        is_found = pod and pod.lives(self.now()) and self.now() >= pod.created_at + self.hidden_for
        return self._sight(pod) if pod and is_found else Gone()

    def terminate(self, pod_id: str) -> TerminateOutcome:
        """End a pod, unless this order is one that fails or is forgotten."""
        self.terminated.append(pod_id)
        if self.deaf or self.failing_deletes > 0:
            self.failing_deletes -= not self.deaf
            return TerminateFailed("500 Internal Server Error")
        pod = self._find(pod_id)
        if pod is None or not pod.lives(self.now()):
            return Terminated(404)
        if self.now() < pod.created_at + self.denied_for:
            return Terminated(404)
        if self.ignored_deletes > 0:
            self.ignored_deletes -= 1
        else:
            self.end(pod)
        return Terminated(204)

    def logs(self, pod_id: str, *, source: str, tail: int, follow: bool) -> Iterator[LogLine]:  # noqa: ARG002 - nothing more will be written
        """The guard's word, then what the test wrote into the pod's log; or what its host wrote."""
        pod = self._find(pod_id)
        if pod is None:
            raise NotFound(f"no pod {pod_id}")
        lines = self._written(pod)[-tail:] if source == "pod" else self.host_log
        return iter([LogLine("", source, line) for line in lines])

    def account(self) -> Account:
        """What the live pods cost together, if it tells."""
        spend = sum(pod.price for pod in self.live())
        return Account(balance=25.0, spend_per_hour=spend if self.tells_spend else None)

    def billing(self, *, since: float, until: float) -> Billing | Unknown:
        """Each pod's seconds within the span as one bucket."""
        if self.deaf:
            return Unknown("timed out")
        return Billing(
            tuple(
                BilledHours(pod.pod_id, since, until, pod.price * seconds / 3600)
                for pod in self.pods
                if (seconds := min(until, pod.ended_at or self.now()) - max(since, pod.created_at))
                > 0
            )
        )

    def reach(self) -> Reached:
        """It answers unless it is deaf."""
        if self.deaf:
            raise ProviderUnreachable("timed out")
        return Reached(self.now())

    # Prober -------------------------------------------------------------------------------------

    def probe(
        self, endpoint: str, *, served_name: str, api_key: str | None, deep: bool = True
    ) -> Readiness:
        """How far the model of the pod behind ``endpoint`` is."""
        self.probes.append(deep)
        pod = self._find(endpoint.removeprefix("http://"))
        if pod is None or not self._answers(pod):
            return Readiness(Rung.UNREACHABLE, "/health unreachable")
        digest = hashlib.sha256(api_key.encode()).hexdigest() if api_key else None
        if digest != pod.request.api_key_sha256:
            return Readiness(Rung.KEY_REFUSED, "/v1/models answered 401")
        if served_name not in pod.request.spec.served_names:
            return Readiness(Rung.HEALTHY, f"/v1/models does not list {served_name}")
        if not deep:
            return Readiness(Rung.LISTED, "/v1/models lists it")
        return Readiness(Rung.ANSWERING, "one token came back")

    # Inside -------------------------------------------------------------------------------------

    def _make(self, request: CreateRequest, after: float) -> CloudPod:
        created_at = self.now() + after
        pod_id = f"pod{len(self.pods) + 1}"
        price = self.price or request.candidate.price_per_hour
        pod = CloudPod(pod_id, request, created_at, price, boots_from=created_at)
        pod.ended_at = self._guarded_end(pod)
        self.pods.append(pod)
        return pod

    def _guarded_end(self, pod: CloudPod) -> float | None:
        """When its own guard ends it, if nobody does so earlier."""
        deadline = pod.request.env.get(DEADLINE_MARK)
        if not self.guarded or self.starts_after is None or deadline is None:
            return None
        return max(float(deadline) - self.guard_ahead, pod.created_at + self.starts_after)

    def _written(self, pod: CloudPod) -> list[str]:
        if not (self.guarded and self.guard_key and self._runs(pod)):
            return pod.log
        deadline = pod.request.env.get(DEADLINE_MARK)
        return [f"PLLM-GUARD armed deadline={deadline} selfkey={self.guard_key}", *pod.log]

    def _find(self, pod_id: str) -> CloudPod | None:
        return next((pod for pod in self.pods if pod.pod_id == pod_id), None)

    def _runs(self, pod: CloudPod) -> bool:
        has_started = (
            self.starts_after is not None and self.now() >= pod.boots_from + self.starts_after
        )
        return pod.lives(self.now()) and has_started and pod.status is None

    def _answers(self, pod: CloudPod) -> bool:
        if self.deaf or not pod.hears or not self._runs(pod) or self.answers_after is None:
            return False
        return self.now() >= pod.boots_from + (self.starts_after or 0.0) + self.answers_after

    def _sight(self, pod: CloudPod) -> PodSight:
        request, runs = pod.request, self._runs(pod)
        started_at = pod.boots_from + (self.starts_after or 0.0) if runs else None
        marks = {"PLLM_KEY_SHA256": request.api_key_sha256} if request.api_key_sha256 else {}
        return PodSight(
            pod_id=pod.pod_id,
            name=request.name,
            status=pod.status or (PodStatus.RUNNING if runs else PodStatus.PROVISIONING),
            cost_per_hour=self.price,
            created_at=pod.created_at,
            started_at=started_at,
            uptime=None if started_at is None else self.now() - started_at,
            endpoint=f"http://{pod.pod_id}",
            gpu_count=request.candidate.gpu_count,
            gpu_id=request.candidate.gpu_id,
            cloud=request.candidate.cloud,
            data_center_id=request.candidate.data_center_id,
            env={**request.env, **marks},
        )
