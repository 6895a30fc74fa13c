"""Who serves now: the pod as the control plane last recorded it, or one fixed endpoint."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol
from urllib.parse import urlsplit

from podman_llm.core.pod import Phase, PodRecord, Sleep, StopReason
from podman_llm.errors import StateError
from podman_llm.host.clock import Clock
from podman_llm.state.owner import Owner, load_owner, pod_key
from podman_llm.state.paths import StatePaths
from podman_llm.state.store import Failure, PodState, read_pod_state

_STARTING_SECONDS: Final = 5
_ENDED_SECONDS: Final = 30
_LOOK_SECONDS: Final = 0.1
_EXTERNAL: Final = "EXTERNAL"
_START_HINT: Final = "start one with `podman-llm up`"


@dataclass(frozen=True, slots=True)
class Target:
    """Whoever may answer at this moment.

    ``url`` is the base without ``/v1``; None while nobody is ready, and ``message`` then says what
    the pod is doing, ``retry_after`` (seconds) when to ask again. ``model_tag`` names the exact
    weights; empty means unknown, so that nothing is looked up under it. ``served_names`` are the
    model names that will be served, for an editor that asks before the pod can tell. ``deadline``
    is wall seconds. ``is_coming``: it will be ready, if all goes well; worth waiting for.
    ``wakes``: it sleeps, or is being woken for as long as somebody wants it; this is then what to
    tell a request that does. Empty where no request makes it come. ``is_over``: only a person makes
    another one come.
    """

    pod_state: str
    url: str | None
    api_key: str | None
    model_tag: str
    served_by: str
    deadline: float | None
    message: str
    retry_after: int
    served_names: tuple[str, ...] = ()
    is_coming: bool = False
    wakes: str = ""
    is_over: bool = False

    @property
    def is_rented(self) -> bool:
        """Whether it is a pod, and not a server made by hand."""
        return self.pod_state != _EXTERNAL


class Targets(Protocol):
    """Where to look."""

    def snapshot(self) -> Target:
        """Who serves now; called for every request, so it must cost next to nothing."""


class FixedTarget:
    """One server made by hand, always taken to be there."""

    def __init__(self, url: str, *, api_key: str | None = None) -> None:
        base = url.rstrip("/").removesuffix("/v1")
        self._target = Target(
            pod_state=_EXTERNAL,
            url=base,
            api_key=api_key,
            # Nobody tells which weights it serves; another endpoint may serve others.
            model_tag=base,
            served_by=f"endpoint/{urlsplit(base).netloc.rpartition('@')[2]}",
            deadline=None,
            message="",
            retry_after=_STARTING_SECONDS,
        )

    def snapshot(self) -> Target:
        """The same each time."""
        return self._target


class RecordTargets:
    """The pod of ``pod_state.json``.

    The file is looked at ten times a second at most, and read only when it has changed.
    """

    def __init__(self, paths: StatePaths, clock: Clock) -> None:
        self._paths = paths
        self._clock = clock
        self._owner: Owner | None = None
        self._looked_at = float("-inf")
        self._seen: tuple[int, int, int] | None = None
        self._describe: Callable[[float], Target] = _describe_nothing

    def snapshot(self) -> Target:
        """Who serves, by the record."""
        now = self._clock.monotonic()
        if now - self._looked_at >= _LOOK_SECONDS:
            self._looked_at = now
            self._look()
        return self._describe(self._clock.wall())

    def _look(self) -> None:
        try:
            found = self._paths.pod_state.stat()
            seen = (found.st_mtime_ns, found.st_ino, found.st_size)
        except OSError:
            seen = None
        if seen is not None and seen == self._seen:
            return
        self._seen = seen
        try:
            self._describe = self._read()
        except StateError as err:
            self._seen = None  # look again next time: the writer may just be repairing it
            self._describe = _fixed(_nobody("UNKNOWN", f"The state of the pod is unknown: {err}"))

    def _read(self) -> Callable[[float], Target]:
        state = read_pod_state(self._paths)
        record = state.current if state else None
        if state is None or record is None:
            return _fixed(_failed(state)) if state and state.failure else _describe_nothing
        if record.phase is Phase.READY and record.endpoint:
            return _fixed(_serving(record, self._key(record)))
        if state.sleep and not state.sleep.why_not:
            return _sleeping(record, state.sleep, state.failure)
        if not record.is_open and state.failure:
            return _fixed(
                replace(_waiting(record, 0), message=_failure_message(state), is_over=True)
            )
        return lambda now: _waiting(record, now)

    def _key(self, record: PodRecord) -> str | None:
        if not record.keyed:
            return None
        self._owner = self._owner or load_owner(self._paths)
        return pod_key(self._owner, record.name) if self._owner else None


def _fixed(target: Target) -> Callable[[float], Target]:
    return lambda _now: target


def _nobody(pod_state: str, message: str) -> Target:
    return Target(
        pod_state=pod_state,
        url=None,
        api_key=None,
        model_tag="",
        served_by="podman-llm",
        deadline=None,
        message=message,
        retry_after=_ENDED_SECONDS,
    )


def _describe_nothing(_now: float) -> Target:
    return replace(_nobody("NONE", f"There is no pod; {_START_HINT}."), is_over=True)


def _failure_message(state: PodState) -> str:
    failure = state.failure
    return f"The last `up` failed: {failure.message} {failure.hint}".strip() if failure else ""


def _failed(state: PodState) -> Target:
    return replace(_nobody("NONE", _failure_message(state)), is_over=True)


def _serving(record: PodRecord, key: str | None) -> Target:
    return Target(
        pod_state=record.phase,
        url=(record.endpoint or "").rstrip("/"),
        api_key=key,
        model_tag=record.spec.model_tag,
        served_by=f"pod/{record.pod_id}",
        deadline=record.soft_deadline,
        message="",
        retry_after=_STARTING_SECONDS,
        served_names=record.spec.served_names,
    )


_DOING: Final = {
    Phase.INTENT: "about to be asked for",
    Phase.SENT: "being asked for",
    Phase.UNRESOLVED: "being looked for, the provider's answer was lost",
    Phase.PROVISIONING: "waiting for its container to run",
    Phase.BOOTING: "model not answering yet",
    Phase.READY: "its endpoint is not known yet",
    Phase.DEGRADED: "it was ready and does not answer now",
    Phase.DRAINING: "finishing its last requests",
    Phase.STOPPING: "being ended",
    Phase.VERIFYING: "being ended",
    Phase.LOST: "it disappeared without being asked to",
}
_GOES_FOR_GOOD: Final = frozenset(
    {StopReason.USER, StopReason.EXPIRY, StopReason.LEASE, StopReason.IDLE, StopReason.BUDGET}
)
_COMING_UP: Final = frozenset(
    {Phase.INTENT, Phase.SENT, Phase.UNRESOLVED, Phase.PROVISIONING, Phase.BOOTING, Phase.READY}
)


def _sleeping(
    record: PodRecord, sleep: Sleep, failure: Failure | None
) -> Callable[[float], Target]:
    """It was ended for idleness: who wants it makes it come, also while it is still being ended."""

    def describe(now: float) -> Target:
        waiting = _waiting(record, now)
        if waiting.is_coming:
            return replace(waiting, wakes=waiting.message)
        doing = f" ({_DOING[record.phase]})" if record.is_open else ""
        again = f"was not to be had ({failure.message}) and is tried again" if failure else ""
        return replace(
            waiting,
            is_over=False,
            message=f"The pod sleeps{doing}; a request for it starts it.",
            wakes=f"The pod sleeps{doing}; it {again or 'is being started'} for this request.",
            retry_after=max(_STARTING_SECONDS, math.ceil(sleep.cold_start)),
        )

    return describe


def _waiting(record: PodRecord, now: float) -> Target:
    """Nobody serves: say what the pod is doing, and since when."""
    is_coming = record.phase in _COMING_UP or record.phase is Phase.DEGRADED
    retry_after = _STARTING_SECONDS if is_coming else _ENDED_SECONDS
    if not record.is_open:
        why = f" ({record.reason})" if record.reason else ""
        message = f"The pod is {record.phase}{why}; {_START_HINT}."
    elif record.reason in _GOES_FOR_GOOD:
        message = f"The pod is {record.phase} ({_DOING[record.phase]}); {_START_HINT}."
    else:
        since = f", {max(0, now - record.intent.wall):.0f} s so far" if is_coming else ""
        doing = f"({_DOING[record.phase]}){since}"
        message = f"The pod is {record.phase} {doing}; try again in {retry_after} s."
    return replace(
        _nobody(record.phase, message),
        model_tag=record.spec.model_tag,
        deadline=record.soft_deadline,
        retry_after=retry_after,
        served_names=record.spec.served_names,
        is_coming=is_coming,
        is_over=record.reason in _GOES_FOR_GOOD,
    )
