"""What ``status`` shows, as one value built from the state files alone: no network, no waiting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from podman_llm.core.notices import Notice
from podman_llm.core.pod import MAY_BILL, Phase, PodRecord, Sleep
from podman_llm.errors import StateError
from podman_llm.host.process import is_alive
from podman_llm.state.activity import ActivitySummary, load_activities, summarise
from podman_llm.state.desired import Desired, load_desired
from podman_llm.state.locks import is_held
from podman_llm.state.orders import shut_by_hand
from podman_llm.state.paths import StatePaths
from podman_llm.state.report import DaemonReport, load_report
from podman_llm.state.store import Failure, PodState, read_pod_state

T = TypeVar("T")


@dataclass(frozen=True)
class View:
    """One look at everything local. Times are wall seconds.

    ``problem`` says why the pod's state or the wish cannot be read, when one cannot: what runs is
    then unknown.
    ``shut_by_hand`` are the upstreams that nobody asks by a person's order.
    """

    now: float
    desired: Desired | None
    daemon: DaemonReport | None
    state: PodState | None
    activity: ActivitySummary
    cache_problems: tuple[str, ...] = ()
    problem: str = ""
    shut_by_hand: tuple[str, ...] = ()

    @property
    def record(self) -> PodRecord | None:
        """The open pod, else the last one."""
        return self.state.current if self.state else None

    @property
    def phase(self) -> Phase | None:
        """The record's phase, None when there never was a pod."""
        return self.record.phase if self.record else None

    @property
    def failure(self) -> Failure | None:
        """Why the last ``up`` failed, while no newer one was asked for."""
        failure = self.state.failure if self.state else None
        if failure is None or self.desired is None:
            return failure
        return failure if failure.generation == self.desired.generation else None

    @property
    def is_current(self) -> bool:
        """Whether the record serves the last ``up``."""
        return (
            self.record is not None
            and self.desired is not None
            and self.record.generation == self.desired.generation
        )

    @property
    def is_billing(self) -> bool:
        """Whether the provider may be charging now."""
        return self.phase in MAY_BILL

    @property
    def spent(self) -> float:
        """USD for this pod so far, every attempt of the same ``up`` included."""
        if self.record is None or self.state is None:
            return 0.0
        same = [r for r in self.state.closed if r.generation == self.record.generation]
        return self.record.spent(self.now) + sum(r.spent(self.now) for r in same)

    @property
    def time_left(self) -> float | None:
        """Seconds to the deadline of an open pod."""
        if self.record is None or not self.record.is_open:
            return None
        return max(0.0, self.record.soft_deadline - self.now)

    @property
    def notices(self) -> tuple[Notice, ...]:
        """The warnings of an open pod, oldest first."""
        if self.state is None or self.record is None or not self.record.is_open:
            return ()
        return tuple(one for one in self.state.notices if one.at >= self.record.intent.wall)

    @property
    def balance(self) -> float | None:
        """The account's USD as the daemon last read it, None where nobody tells it."""
        return self.state.balance if self.state else None

    @property
    def sleep(self) -> Sleep | None:
        """How the pod sleeps, from its end for idleness until it is asked for again."""
        if self.state is None or self.record is None or self.record.is_open:
            return None
        return self.state.sleep

    @property
    def is_told(self) -> bool:
        """Whether somebody says what goes on; before the daemon's first turn nobody does."""
        return self.daemon is not None or bool(self.problem)

    @property
    def is_done(self) -> bool:
        """Whether a daemon that systemd keeps has nothing left to do for what is desired."""
        if self.daemon is None or self.desired is None:
            return False
        return self.daemon.is_done_with(self.desired)

    @property
    def note(self) -> str:
        """What is being done, in one sentence."""
        if self.daemon:
            return self.daemon.problem or self.daemon.note
        if self.problem:
            return self.problem
        if self.is_billing:
            return "No daemon is running; `podman-llm up` takes the pod over again."
        return "Nothing is running."


def look(paths: StatePaths, now: float) -> View:
    """Read the state files.

    Raises:
        StateError: they cannot be read, so what runs is unknown.
    """
    return _view(paths, now, read_pod_state(paths), load_desired(paths))


def glance(paths: StatePaths, now: float) -> View:
    """As ``look``, for those who go on when a file is unreadable: the daemon or they mend it."""
    state, no_state = _attempt(read_pod_state, paths)
    desired, no_wish = _attempt(load_desired, paths)
    return _view(paths, now, state, desired, problem=no_state or no_wish)


def _attempt(read: Callable[[StatePaths], T | None], paths: StatePaths) -> tuple[T | None, str]:
    try:
        return read(paths), ""
    except StateError as err:
        return None, err.message


def _view(
    paths: StatePaths,
    now: float,
    state: PodState | None,
    desired: Desired | None,
    *,
    problem: str = "",
) -> View:
    report, activities = load_report(paths), load_activities(paths)
    alive = report is not None and is_held(paths) and is_alive(report.pid)
    return View(
        now=now,
        desired=desired,
        daemon=report if alive else None,
        state=state,
        activity=summarise(activities, is_alive=is_alive),
        cache_problems=tuple(
            {
                one.cache_problem: None
                for one in activities
                if one.cache_problem and alive and is_alive(one.pid)
            }
        ),
        problem=problem,
        shut_by_hand=shut_by_hand(paths),
    )


def _sleep_as_json(sleep: Sleep | None) -> dict[str, Any] | None:
    if sleep is None:
        return None
    return {"since": sleep.since, "wakes": not sleep.why_not, "why_not": sleep.why_not}


def as_json(view: View) -> dict[str, Any]:
    """The stable shape of ``status --json``; times are wall seconds, money is USD."""
    record, daemon = view.record, view.daemon
    return {
        "state": view.phase.value if view.phase else "ABSENT",
        "note": view.note,
        "wanted": view.desired.want if view.desired else "down",
        "pod_id": record.pod_id if record else None,
        "pod_name": record.name if record else None,
        "model": record.spec.model_store_id if record else None,
        "gpu": record.candidate.gpu_name if record else None,
        "gpu_count": record.candidate.gpu_count if record else None,
        "guard": record.guard.value if record else None,
        "daemon_pid": daemon.pid if daemon else None,
        "proxy_pids": [w.pid for w in daemon.serving] if daemon else [],
        "endpoint": daemon.url if daemon else None,
        "deadline": record.soft_deadline if record and record.is_open else None,
        "hard_deadline": record.hard_deadline if record and record.is_open else None,
        "time_left": view.time_left,
        "cost_per_hour": record.cost_per_hour if record and view.is_billing else 0.0,
        "spent": round(view.spent, 6),
        "is_billing": view.is_billing,
        "sleep": _sleep_as_json(view.sleep),
        "reason": record.reason.value if record and record.reason else None,
        "evidence": asdict(record.evidence) if record and record.evidence else None,
        "requests": view.activity.requests,
        "hits": view.activity.hits,
        "misses": view.activity.misses,
        "hit_rate": view.activity.hit_rate,
        "in_flight": view.activity.in_flight,
        "failed_attempts": view.activity.failed_attempts,
        "fallback_answers": view.activity.fallbacks,
        "circuits": dict(view.activity.circuits),
        "last_detour": detour.model_dump() if (detour := view.activity.detour) else None,
        "shut_by_hand": list(view.shut_by_hand),
        "problems": list(view.cache_problems),
        "notices": [asdict(notice) for notice in view.notices],
        "balance": view.balance,
        "balance_at": view.state.balance_at if view.state else None,
        "failure": asdict(view.failure) if view.failure else None,
    }
