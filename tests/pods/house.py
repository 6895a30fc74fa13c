"""The real controller over a cloud in memory and a disk in memory, on one made-up clock.

``Fuse`` ends the process at its n-th save or call, before or after it takes effect, as ``kill -9``
would; ``House.restart`` is the next process over the same disk.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from typing import Any

from podman_llm.config.models import Settings
from podman_llm.core.demand import NO_DEMAND, Demand
from podman_llm.core.pod import Candidate, Phase, PodRecord, PodSpec
from podman_llm.errors import PodmanLLMError
from podman_llm.pods.accounts import Accounts
from podman_llm.pods.controller import Controller, Tick
from podman_llm.pods.planning import Plan
from podman_llm.state.activity import ActivitySummary
from podman_llm.state.desired import Desired
from podman_llm.state.owner import Owner
from podman_llm.state.store import Loaded, PodState
from podman_llm.testing.clock import FakeClock
from podman_llm.testing.cloud import Cloud
from podman_llm.usage.ledger import PodLedger, prepared

OWNER = Owner(id="abc234", secret="5" * 64)
SPEC = PodSpec(
    model_store_id="tiny",
    hf_id="tiny/llama-random",
    revision="main",
    served_names=("tiny", "podman-llm"),
    context=512,
    image="vllm/vllm-openai:v0.32.0",
    command=("vllm", "serve", "tiny/llama-random"),
    port=8000,
    disk_gb=40,
    min_cuda="12.8",
    env={"HF_HUB_OFFLINE": "0"},
    template_id=None,
    network_volume_id=None,
)
L4 = Candidate("NVIDIA L4", "NVIDIA L4", 1, "SECURE", None, 0.5, 24.0, "HIGH")
L40S = Candidate("NVIDIA L40S", "NVIDIA L40S", 1, "SECURE", "EU-RO-1", 0.8, 48.0, "LOW")
QUIET = ActivitySummary(0, None, 0, 0, 0, 0, 0, None, known=True)


class Crash(BaseException):
    """The process is gone; nothing in it may catch this."""


class Fuse:
    """Knows the points at which a process can die, and burns at one: the n-th, or one by name."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.label = ""

    def has_burnt(self) -> bool:
        return self.left is None and not self.label

    def point(self, label: str) -> None:
        if self.left == 0 or (self.label and label == self.label):
            self.left, self.label = None, ""
            raise Crash
        if self.left is not None:
            self.left -= 1


class MemoryStore:
    """The disk: what is saved survives every process."""

    def __init__(self, fuse: Fuse) -> None:
        self.saves: list[PodState] = []
        self.origin: Any = "fresh"
        self.is_harmed = False
        self._fuse = fuse

    def load(self) -> Loaded:
        state = self.saves[-1] if self.saves else PodState()
        return Loaded(state, "current" if self.saves and self.origin == "fresh" else self.origin)

    def is_as_left(self) -> bool:
        return not self.is_harmed

    def save(self, state: PodState) -> None:
        phase = state.current.phase if state.current else "nothing"
        self._fuse.point(f"before save {phase}")
        self.saves.append(state)
        self.is_harmed = False
        self.origin = "fresh"
        self._fuse.point(f"after save {phase}")


class Wire:
    """The cloud as the controller reaches it, over a process that may die at either end."""

    CALLS = frozenset({"create", "terminate", "list_pods", "get", "account", "logs", "probe"})

    def __init__(self, cloud: Cloud, fuse: Fuse) -> None:
        self._cloud = cloud
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._cloud, name)
        if name not in self.CALLS:
            return found

        def call(*args: Any, **named: Any) -> Any:
            self._fuse.point(f"before {name}")
            answer = found(*args, **named)
            self._fuse.point(f"after {name}")
            return answer

        return call


class House:
    def __init__(self, **settings: Any) -> None:
        self.clock = FakeClock()
        self.skew = 0.0
        self.cloud = Cloud(now=self.true_time)
        self.fuse = Fuse()
        self.store: Any = MemoryStore(self.fuse)
        self.activity = QUIET
        self.demand = NO_DEMAND
        self.candidates: tuple[Candidate, ...] = (L4, L40S)
        self.plan_errors: list[PodmanLLMError] = []
        self.plans = 0
        self.settings = Settings(modelStoreId="tiny").model_copy(update=settings)
        self.desired: Desired | None = None
        self.notes: list[str] = []
        self.told: list[str] = []
        self.ledger = PodLedger(prepared(sqlite3.connect(":memory:", isolation_level=None)))
        self._tokens = count()
        self.restart()

    def true_time(self) -> float:
        return self.clock.wall() - self.skew

    def step_wall(self, seconds: float) -> None:
        self.clock.step_wall(seconds)
        self.skew += seconds

    def restart(self) -> None:
        wire: Any = Wire(self.cloud, self.fuse)
        self.controller = Controller(
            provider=wire,
            prober=wire,
            store=self.store,
            owner=OWNER,
            clock=self.clock,
            token=lambda length: f"{next(self._tokens):0{length}d}",
            planner=self._plan,
            activity=lambda: self.activity,
            demand=lambda: self.demand,
            accounts=Accounts(wire, OWNER.id, lambda: self.ledger),
            announce=lambda notice, _: self.told.append(notice.text),
        )

    def _plan(self, settings: Settings) -> Plan:
        self.plans += 1
        if self.plan_errors:
            raise self.plan_errors.pop(0)
        return Plan(replace(SPEC, model_store_id=settings.modelStoreId), self.candidates, ())

    def configure(self, **groups: Any) -> None:
        """Change settings by group: ``pod={"idle_seconds": 60}`` or a flat value."""
        for name, value in groups.items():
            group = getattr(self.settings, name)
            new = group.model_copy(update=value) if isinstance(value, dict) else value
            self.settings = self.settings.model_copy(update={name: new})

    # Wishes

    def up(self, **extra: Any) -> None:
        generation = self.desired.generation + 1 if self.desired else 1
        self._wish(generation=generation, want="up", **extra)

    def down(self, *, now: bool = False) -> None:
        self._wish(generation=self.desired.generation if self.desired else 1, want="down", now=now)

    def extend(self, seconds: float) -> None:
        assert self.desired
        self.desired = self.desired.model_copy(update={"extended_seconds": seconds})

    def ask(self) -> None:
        """A request wants the pod and goes on without it."""
        self.demand = Demand(asked_at=self.clock.wall())

    def _wish(self, **fields: Any) -> None:
        self.desired = Desired(settings={}, requested_at=self.clock.wall(), **fields)

    # Time

    def tick(self) -> Tick:
        assert self.desired
        tick = self.controller.tick(self.desired, self.settings)
        self.notes.append(tick.note)
        return tick

    def run(self, holds: Callable[[], bool], *, within: float = 4000.0) -> Tick:
        """Tick until it holds, sleeping as long as each tick says."""
        until = self.clock.monotonic() + within
        while True:
            tick = self.tick()
            if holds():
                return tick
            assert self.clock.monotonic() < until, self.notes[-5:]
            self.clock.advance(max(tick.wait_seconds, 0.01))

    def run_until_settled(self, *, within: float = 4000.0) -> Tick:
        until = self.clock.monotonic() + within
        while not (tick := self.tick()).settled:
            assert self.clock.monotonic() < until, self.notes[-5:]
            self.clock.advance(max(tick.wait_seconds, 0.01))
        return tick

    def run_for(self, seconds: float) -> None:
        until = self.clock.monotonic() + seconds
        while self.clock.monotonic() < until:
            self.clock.advance(max(self.tick().wait_seconds, 0.01))

    def run_to(self, phase: Phase, *, within: float = 4000.0) -> Tick:
        return self.run(lambda: self.phase is phase, within=within)

    # Looks

    @property
    def state(self) -> PodState:
        saved: PodState = self.store.saves[-1]
        return saved

    @property
    def record(self) -> PodRecord:
        assert self.state.current
        return self.state.current

    @property
    def phase(self) -> Phase | None:
        current = self.store.saves[-1].current if self.store.saves else None
        return current.phase if current else None

    def phases(self) -> list[Phase]:
        return [move.phase for move in self.record.transitions]


def ready_house(**settings: Any) -> House:
    house = House(**settings)
    house.up()
    house.run_to(Phase.READY)
    return house
