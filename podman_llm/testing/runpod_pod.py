"""A pod in the made-up account: its life by the world's clock, and how REST v2 shows it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from podman_llm.core.sight import PodStatus
from podman_llm.testing.runpod_capacity import Machine
from podman_llm.testing.runpod_clock import rfc3339
from podman_llm.testing.runpod_meter import Meter

ACTIONS: Final[Mapping[PodStatus, tuple[str, ...]]] = {
    PodStatus.PROVISIONING: ("stop", "terminate"),
    PodStatus.STARTING: ("stop", "terminate"),
    PodStatus.RUNNING: ("stop", "restart", "terminate"),
    PodStatus.EXITED: ("start", "terminate"),
    PodStatus.ERROR: ("start", "terminate"),
    PodStatus.TERMINATED: (),
}
"""Which action is legal in which status; everything else is a 409."""


class Fate(StrEnum):
    """What becomes of a pod that was created."""

    HEALTHY = "healthy"
    STUCK_PROVISIONING = "stuck_provisioning"  # bills, and never gets further
    BROKEN_HOST = "broken_host"  # STARTING for ever: the host's driver is too old
    CONTAINER_ERROR = "container_error"  # ends in ERROR
    CRASH_LOOP = "crash_loop"  # RUNNING; the container dies and comes back
    NEVER_SERVES = "never_serves"  # RUNNING; the port never opens
    NO_GPU = "no_gpu"  # RUNNING without its GPUs
    UNGUARDED = "unguarded"  # healthy, but something else than its entrypoint was started


@dataclass(frozen=True)
class Schedule:
    """How long things take, in seconds of the world's clock.

    ``edge`` is how long the per-pod proxy does not know a running pod (404), ``load`` how long the
    model takes from the container's start (502), ``crash`` the life of a container in a crash loop:
    long enough for whoever looks once a second to see its uptime go back.
    """

    provision: float = 1.0
    start: float = 2.0
    edge: float = 0.5
    load: float = 2.0
    crash: float = 6.0


@dataclass
class ContainerSettings:
    """What runs in the pod and with what, however it was asked for."""

    name: str
    image: str
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    args: str = ""
    disk: int | None = None
    env: dict[str, str] = field(default_factory=dict)
    ports: list[str] = field(default_factory=list)
    registry: str | None = None
    mounts: dict[str, Any] = field(default_factory=dict)
    global_networking: bool = False

    def set_args(self, args: str) -> None:
        """One string, split like a shell would, or the JSON form with entrypoint and cmd."""
        self.args = args
        try:
            parsed = json.loads(args)
        except ValueError:
            parsed = None
        if isinstance(parsed, dict):
            self.entrypoint = tuple(parsed.get("entrypoint", ()))
            self.cmd = tuple(parsed.get("cmd", ()))
        else:
            self.cmd = tuple(shlex.split(args))

    def set_command(self, entrypoint: list[str] | None, cmd: list[str] | None) -> None:
        """Exec form, which is stored inside ``args``."""
        self.entrypoint = tuple(entrypoint) if entrypoint is not None else self.entrypoint
        self.cmd = tuple(cmd) if cmd is not None else self.cmd
        self.args = json.dumps({"entrypoint": self.entrypoint, "cmd": self.cmd})

    def disk_rate(self, *, running: bool) -> float:
        """USD per hour of the container's disk and of a persistent volume.

        When the pod is stopped the first is gone, and the second costs twice as much.
        """
        volume = self.mounts.get("persistent", {}).get("size", 0)
        container = (self.disk or 0) if running else 0
        return float((container * 0.10 + volume * (0.10 if running else 0.20)) / 730)


@dataclass
class RentedPod:
    """One pod. Times are wall seconds of the world.

    ``plan`` holds the moves to come, soonest first. ``container_since`` is the start of the
    container that runs now. ``hidden_reads`` and ``lingers`` are the list's lag: how many more
    lists leave the new pod out, and what the list still shows of a terminated one. ``key_status``
    is what its own key gets from the API: 200, or a refusal. ``output`` is what its container wrote
    and when, where a process runs in it; None where that is made up.
    """

    id: str
    number: int
    settings: ContainerSettings
    schedule: Schedule
    machine: Machine
    created_at: float
    fate: Fate = Fate.HEALTHY
    status: PodStatus = PodStatus.PROVISIONING
    plan: list[tuple[float, PodStatus]] = field(default_factory=list)
    meter: Meter = field(default_factory=Meter)
    history: list[tuple[float, str]] = field(default_factory=list)
    started_at: float | None = None
    container_since: float | None = None
    locked: bool = False
    hidden_reads: int = 0
    lingers: tuple[int, dict[str, Any]] | None = None
    key_status: int = 200
    output: list[tuple[float, str]] | None = None

    @property
    def scoped_key(self) -> str:
        """The key that is in its environment, good for this pod alone."""
        return f"rpa_{self.id}_scoped"

    def boot(self, at: float, *, provision: float) -> None:
        """Plan the way to RUNNING from ``at``, or to wherever its fate leads."""
        starting = at + provision
        running = starting + self.schedule.start
        match self.fate:
            case Fate.STUCK_PROVISIONING:
                self.plan = []
            case Fate.BROKEN_HOST:
                self.plan = [(starting, PodStatus.STARTING)]
            case Fate.CONTAINER_ERROR:
                self.plan = [(starting, PodStatus.STARTING), (running, PodStatus.ERROR)]
            case _:
                self.plan = [(starting, PodStatus.STARTING), (running, PodStatus.RUNNING)]

    def enter(self, status: PodStatus, at: float) -> None:
        """Be in ``status`` from ``at`` on, metered accordingly."""
        self.status = status
        self.history.append((at, status.value))
        gone = status is PodStatus.TERMINATED
        running = not gone and status is not PodStatus.EXITED
        compute = self.machine.rate if running else 0.0
        disk = 0.0 if gone else self.settings.disk_rate(running=running)
        if self.meter.rates() != (compute, disk):
            self.meter.charge(at, compute=compute, disk=disk)
        if status is PodStatus.RUNNING:
            self.started_at = self.started_at or at
            self.container_since = at
            if self.fate is Fate.NO_GPU:
                self.machine = replace(self.machine, gpu=None)
        elif status in {PodStatus.EXITED, PodStatus.ERROR, PodStatus.TERMINATED}:
            self.started_at = self.container_since = None
            self.plan = []

    def restart_container(self, at: float, event: str) -> None:
        """Begin a new container in place; the pod stays RUNNING and uptime starts again."""
        self.container_since = at
        self.history.append((at, event))

    def container_started(self, now: float) -> float | None:
        """When the container that runs now began, None when none does."""
        since = self.container_since
        if self.fate is Fate.CRASH_LOOP and since is not None:
            lives = (now - since) // self.schedule.crash
            return since + lives * self.schedule.crash
        return since

    def knows_edge(self, now: float) -> bool:
        """Whether the per-pod proxy has heard of it."""
        return self.started_at is not None and now >= self.started_at + self.schedule.edge

    def has_container(self) -> bool:
        """Whether a container runs in which nothing is wrong with the server."""
        is_well = self.fate in {Fate.HEALTHY, Fate.UNGUARDED}
        return self.status is PodStatus.RUNNING and is_well and self.container_since is not None

    def serves(self, now: float) -> bool:
        """Whether the server in the container has loaded its model."""
        since = self.container_since
        return self.has_container() and since is not None and now >= since + self.schedule.load

    def view(self, now: float) -> dict[str, Any]:
        """The published ``Pod``."""
        settings = self.settings
        shown: dict[str, Any] = {
            "id": self.id,
            "name": settings.name,
            "image": settings.image,
            "args": settings.args,
            "entrypoint": list(settings.entrypoint),
            "cmd": list(settings.cmd),
            "disk": settings.disk,
            "ports": settings.ports,
            "env": settings.env,
            "registry": settings.registry,
            "status": self.status.value,
            "actions": list(ACTIONS[self.status]),
            "mounts": settings.mounts,
            "cloud": self.machine.cloud,
            "dataCenterId": self.machine.data_center,
            "cudaVersion": self.machine.cuda,
            "ssh": self._ssh(),
            "template": None,
            "cost": round(self.meter.rates()[0], 4),
            "locked": self.locked,
            "globalNetworking": self._network(),
            "runtime": self._runtime(now),
            "createdAt": rfc3339(self.created_at),
            "startedAt": rfc3339(self.started_at) if self.started_at else None,
        }
        compute = {"gpu": self.machine.gpu, "cpu": self.machine.cpu}
        return shown | {kind: dict(of) for kind, of in compute.items() if of}

    def ports(self) -> list[dict[str, Any]]:
        """Live port mappings: http ports sit in a private network, tcp ports are public."""
        mappings = []
        for index, entry in enumerate(self.settings.ports):
            private, _, kind = entry.partition("/")
            ip = "100.65.0.101" if kind == "http" else "195.26.233.3"
            public = 30000 + (self.number * 10 + index) % 30000
            mappings.append({"private": int(private), "public": public, "type": kind, "ip": ip})
        return mappings

    def _runtime(self, now: float) -> dict[str, Any] | None:
        began = self.container_started(now)
        if self.status is not PodStatus.RUNNING or began is None:
            return None
        count = (self.machine.gpu or {}).get("count", 0)
        busy = 30 if self.serves(now) else 0
        return {
            "uptime": int(now - began),
            "gpus": [{"util": busy, "memoryUtil": 3 * busy} for _ in range(count)],
            "cpu": {"util": 7},
            "memory": {"util": 12},
            "ports": self.ports(),
        }

    def _network(self) -> dict[str, Any]:
        if not self.settings.global_networking:
            return {"enabled": False}
        return {"enabled": True, "ip": "10.65.1.42", "internalDns": f"{self.id}.runpod.internal"}

    def _ssh(self) -> dict[str, Any]:
        user = f"{self.id}-64411eb2"
        proxy = {"host": "ssh.runpod.io", "port": 22, "username": user}
        proxy["command"] = f"ssh {user}@ssh.runpod.io"
        published = [port for port in self.ports() if port["private"] == 22]  # noqa: PLR2004 - sshd
        if self.status is not PodStatus.RUNNING or not published:
            return {"proxy": proxy, "direct": None}
        host, port = published[0]["ip"], published[0]["public"]
        direct = {"host": host, "port": port, "username": "root"}
        return {"proxy": proxy, "direct": direct | {"command": f"ssh root@{host} -p {port}"}}
