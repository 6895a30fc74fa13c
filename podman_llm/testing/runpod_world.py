"""The made-up account: its pods, its money, and time passing over both.

Nothing happens in the background. Whoever looks calls ``settle`` first, and everything that was due
since the last look then happens in order and at its own time, which makes each run repeatable.
"""

from __future__ import annotations

import random
import string
from dataclasses import dataclass, field
from typing import Any

from podman_llm.core.sight import PodStatus
from podman_llm.testing.runpod_capacity import Capacity, Machine, Wish
from podman_llm.testing.runpod_catalog import CPUS, REGISTRIES, TEMPLATES, VOLUMES, by_id
from podman_llm.testing.runpod_clock import WorldClock
from podman_llm.testing.runpod_meter import HOUR, Bill, BillLine
from podman_llm.testing.runpod_pod import ACTIONS, ContainerSettings, Fate, RentedPod, Schedule
from podman_llm.testing.runpod_problem import Problem, no_balance, not_found

_ID_LENGTH = 14


@dataclass
class Quirks:
    """Standing oddities, for tests to turn on.

    ``list_lag_reads``: how many lists a new pod is missing from. ``list_linger_reads``: how many
    lists still show a terminated one. ``page_cap``: no page holds more than this, whatever the
    limit. ``graphql_retired``: GraphQL answers 410. ``pod_keys_refused``: the keys inside pods
    made from now on are good for nothing. ``models``: the account's Model Repository, None while
    the feature is off.
    """

    list_lag_reads: int = 0
    list_linger_reads: int = 0
    page_cap: int | None = None
    graphql_retired: bool = False
    pod_keys_refused: bool = False
    models: list[dict[str, Any]] | None = None


@dataclass(frozen=True)
class Order:
    """Everything needed to rent a pod.

    ``wish`` None is a CPU pod, and ``cpu`` then its flavour and vCPU count. ``templated`` orders
    may leave the disk out.
    """

    settings: ContainerSettings
    wish: Wish | None
    cpu: tuple[str, int] = ("cpu3c", 2)
    templated: bool = False


@dataclass
class World:
    """One account. ``credit`` is USD paid in; the balance is what is left of it."""

    clock: WorldClock
    schedule: Schedule = field(default_factory=Schedule)
    credit: float = 25.0
    capacity: Capacity = field(default_factory=Capacity)
    quirks: Quirks = field(default_factory=Quirks)
    templates: dict[str, dict[str, Any]] = field(default_factory=lambda: by_id(TEMPLATES))
    volumes: dict[str, dict[str, Any]] = field(default_factory=lambda: by_id(VOLUMES))
    registries: dict[str, dict[str, Any]] = field(default_factory=lambda: by_id(REGISTRIES))
    ssh_keys: list[str] = field(default_factory=list)
    rented: dict[str, RentedPod] = field(default_factory=dict)
    _random: random.Random = field(default_factory=random.Random)
    _settled_at: float = 0.0

    # Time -------------------------------------------------------------------------------------

    def settle(self) -> float:
        """Let everything that is due happen; the present time."""
        now = self.clock.wall()
        while (at := min(broke := self._broke_at(), planned := self._next_move())) <= now:
            self._settled_at = at
            if broke <= planned:
                self._sweep(at)
            else:
                self._move(at)
        self._settled_at = now
        return now

    def _next_move(self) -> float:
        return min((p.plan[0][0] for p in self.rented.values() if p.plan), default=float("inf"))

    def _move(self, at: float) -> None:
        for pod in self.rented.values():
            if pod.plan and pod.plan[0][0] <= at:
                pod.enter(pod.plan.pop(0)[1], at)

    def _broke_at(self) -> float:
        """When the money runs out, if nothing changes from the last settled moment."""
        computing = sum(pod.meter.rates()[0] for pod in self.rented.values())
        if not computing:
            return float("inf")
        return self._settled_at + max(0.0, self.balance()) / self.spend_per_hour() * HOUR

    def _sweep(self, at: float) -> None:
        """At zero balance pods on a network volume are stopped; the others are destroyed."""
        for pod in self.rented.values():
            if pod.meter.rates()[0]:
                kept = "network" in pod.settings.mounts
                pod.enter(PodStatus.EXITED if kept else PodStatus.TERMINATED, at)

    # Money ------------------------------------------------------------------------------------

    def balance(self) -> float:
        """USD left at the last settled moment."""
        spent = (sum(p.meter.amounts(0.0, self._settled_at)) for p in self.rented.values())
        return self.credit - sum(spent)

    def spend_per_hour(self) -> float:
        """USD per hour, disks of stopped pods included."""
        return sum(sum(pod.meter.rates()) for pod in self.rented.values())

    def bill(self) -> Bill:
        """What was spent, on what, and what still exists."""
        now = self.settle()
        existing = [pod for pod in self.rented.values() if pod.created_at <= now]
        lines = tuple(
            BillLine(
                pod.id,
                pod.settings.name,
                pod.status.value,
                pod.meter.compute_seconds(now),
                sum(pod.meter.amounts(0.0, now)),
            )
            for pod in existing
        )
        live = tuple(pod.id for pod in existing if pod.status is not PodStatus.TERMINATED)
        return Bill(lines, live, self.spend_per_hour(), self.balance())

    # Pods -------------------------------------------------------------------------------------

    def live(self) -> list[RentedPod]:
        """Every pod that exists, newest first."""
        return [
            pod
            for pod in reversed(self.rented.values())
            if pod.status is not PodStatus.TERMINATED and pod.created_at <= self._settled_at
        ]

    def find(self, pod_id: str) -> RentedPod:
        """The live pod with this id.

        Raises:
            Problem: 404.
        """
        pod = self.rented.get(pod_id)
        if pod is None or pod not in self.live():
            raise not_found()
        return pod

    def rent(
        self, order: Order, *, fate: Fate = Fate.HEALTHY, delay: float = 0.0, hidden: int = 0
    ) -> RentedPod:
        """Place and create a pod, which exists ``delay`` seconds from now.

        Raises:
            Problem: no access, no money, no machine, or no disk.
        """
        pod = self._placed(order, self.settle() + delay)
        if self.balance() < pod.machine.rate:
            raise no_balance()
        if order.settings.disk is None and not order.templated:
            raise Problem(
                400, "You must either provide a template id or pod configuration parameters"
            )
        pod.settings.disk = pod.settings.disk or 20
        pod.fate = fate
        pod.key_status = 403 if self.quirks.pod_keys_refused else 200
        pod.hidden_reads = hidden + self.quirks.list_lag_reads
        pod.boot(pod.created_at, provision=self.schedule.provision)
        pod.plan.insert(0, (pod.created_at, PodStatus.PROVISIONING))
        self.rented[pod.id] = pod
        self.settle()
        return pod

    def _placed(self, order: Order, at: float) -> RentedPod:
        pod_id = "".join(self._random.choices(string.ascii_lowercase + string.digits, k=_ID_LENGTH))
        return RentedPod(
            id=pod_id,
            number=len(self.rented) + 1,
            settings=order.settings,
            schedule=self.schedule,
            machine=self.capacity.place(order.wish) if order.wish else _cpu_machine(order.cpu),
            created_at=at,
        )

    def act(self, pod: RentedPod, action: str) -> None:
        """Start, stop, restart or terminate.

        Raises:
            Problem: 409 where the action is not legal, 400 where the host's GPUs are taken.
        """
        at = self.settle()
        if action not in ACTIONS[pod.status] or (pod.locked and action == "stop"):
            raise Problem(409, f"action {action!r} is not valid while the pod is {pod.status}")
        match action:
            case "terminate":
                self._terminate(pod, at)
            case "stop":
                pod.enter(PodStatus.EXITED, at)
            case "restart":
                pod.restart_container(at, "restart")
            case _:
                self._start(pod, at)

    def _start(self, pod: RentedPod, at: float) -> None:
        if self.capacity.is_full(pod.machine):
            raise Problem(
                400, "There are not enough free GPUs on the host machine to start this pod."
            )
        pod.boot(at, provision=0.0)
        self.settle()

    def _terminate(self, pod: RentedPod, at: float) -> None:
        if self.quirks.list_linger_reads:
            pod.lingers = (self.quirks.list_linger_reads, pod.view(at))
        pod.enter(PodStatus.TERMINATED, at)

    def listing(self, *, counts: bool) -> list[tuple[int, dict[str, Any]]]:
        """Numbered pods as the list shows them, newest first, its lag included.

        ``counts`` says whether this look uses up one of the reads that the lag is counted in.
        """
        now = self.settle()
        shown = []
        for pod in reversed(self.rented.values()):
            if pod.status is PodStatus.TERMINATED:
                shown += _lingering(pod, counts=counts)
            elif pod.created_at <= now and pod.hidden_reads <= 0:
                shown.append((pod.number, pod.view(now)))
            elif pod.created_at <= now and counts:
                pod.hidden_reads -= 1
        return shown


def _cpu_machine(cpu: tuple[str, int]) -> Machine:
    flavour, vcpus = cpu
    shape = {"id": flavour, "vcpuCount": vcpus, "memory": 2 * vcpus}
    return Machine("SECURE", "EU-RO-1", None, CPUS[flavour] * vcpus, cpu=shape)


def _lingering(pod: RentedPod, *, counts: bool) -> list[tuple[int, dict[str, Any]]]:
    if pod.lingers is None:
        return []
    left, view = pod.lingers
    if counts:
        pod.lingers = (left - 1, view) if left > 1 else None
    return [(pod.number, view)]
