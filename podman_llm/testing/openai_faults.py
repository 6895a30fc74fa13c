"""Faults on demand: which one, how often, and where in an answer it strikes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from types import UnionType

from podman_llm.testing.openai_errors import Json, envelope


class BadFault(ValueError):
    """A fault was ordered that does not exist; the message names what is wrong and known."""


class FaultKind(StrEnum):
    """What goes wrong. The first group strikes before an answer, the second within it."""

    STATUS = "status"
    """Another status: JSON as vLLM's, or a gateway's HTML page from 502 on, except 503."""
    DELAY = "delay"
    """``seconds`` pass before the headers; then all is well."""
    HANG_UP = "hang_up"
    """The connection is closed without a byte, as a pooled connection found dead."""
    CLOSE_AFTER = "close_after"
    """A whole answer, then the connection is closed although it was to be kept."""
    JSON_FOR_STREAM = "json_for_stream"
    """A JSON document although events were asked for."""

    ABORT = "abort"
    """Finish reason ``abort`` and a clean end, as vLLM on SIGTERM."""
    ENGINE_ERROR = "engine_error"
    """An error within a 200 and a clean end, as vLLM whose engine died."""
    RESET = "reset"
    """The connection is reset."""
    TRUNCATE = "truncate"
    """The connection is closed before the last chunk."""
    EARLY_END = "early_end"
    """A clean end without a finish reason and without ``[DONE]``."""
    FREEZE = "freeze"
    """Nothing more comes, and the connection stays open."""


@dataclass(frozen=True)
class Fault:
    """One fault, for the next ``times`` requests it is meant for."""

    kind: FaultKind
    times: int = 1
    path: str = ""
    """Start of the paths it is meant for; empty is every path that generates."""
    after_events: int = 3
    """Events of a stream that pass before it strikes; never the one that finishes the answer."""
    seconds: float = 0.0
    status: int = 500
    retry_after: int | None = None

    @property
    def is_inner(self) -> bool:
        """Whether it strikes within an answer."""
        return self.kind in _INNER


_INNER = frozenset(
    {
        *(FaultKind.ABORT, FaultKind.ENGINE_ERROR, FaultKind.RESET),
        *(FaultKind.TRUNCATE, FaultKind.EARLY_END, FaultKind.FREEZE),
    }
)


class FaultQueue:
    """Faults in the order in which they were asked for; each request takes at most one."""

    def __init__(self) -> None:
        self._queue: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Queue ``fault``."""
        self._queue.append(fault)

    def clear(self) -> None:
        """Forget all that have not struck."""
        self._queue.clear()

    def pending(self) -> tuple[Fault, ...]:
        """Those that have not struck, with the times that remain."""
        return tuple(self._queue)

    def take(self, path: str, *, generates: bool) -> Fault | None:
        """The first fault meant for ``path``, if there is one."""
        for index, fault in enumerate(self._queue):
            is_meant = path.startswith(fault.path) if fault.path else generates
            if is_meant:
                remaining = replace(fault, times=fault.times - 1)
                self._queue[index : index + 1] = [remaining] if remaining.times else []
                return fault
        return None


def fault_from(document: object) -> Fault:
    """A fault from the admin route's JSON; raises BadFault."""
    if not isinstance(document, dict):
        raise BadFault(f"a fault is an object, not {document!r}")
    for name, value in document.items():
        if name not in _TYPES:
            raise BadFault(f"unknown {name}; known are {', '.join(_TYPES)}")
        if not isinstance(value, _TYPES[name]):
            raise BadFault(f"{name} is {value!r}; expected {_TYPES[name]}")
    kinds = ", ".join(FaultKind)
    if document.get("kind") not in list(FaultKind):
        raise BadFault(f"kind is {document.get('kind')!r}; known are {kinds}")
    return Fault(**{**document, "kind": FaultKind(document["kind"])})


_TYPES: dict[str, UnionType | type] = {
    "kind": str,
    "times": int,
    "path": str,
    "after_events": int,
    "seconds": int | float,
    "status": int,
    "retry_after": int | None,
}


def status_page(status: int) -> tuple[str, str | Json]:
    """Content type and body of a fault's status: who would answer it decides how it looks."""
    if status in _VLLM_STATUSES:
        message, kind = _VLLM_STATUSES[status]
        return "application/json", envelope(status, message, kind)
    title = f"{status}: {_GATEWAY_TITLES.get(status, 'Error')}"
    page = f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1>"
    return "text/html", f"{page}</body></html>\n"


_VLLM_STATUSES = {
    429: ("Too many requests. Please retry later.", "TooManyRequestsError"),
    500: ("Internal server error.", "InternalServerError"),
    503: ("The server is overloaded. Please retry later.", "ServiceUnavailableError"),
}
_GATEWAY_TITLES = {502: "Bad gateway", 504: "Gateway time-out", 524: "A timeout occurred"}
