"""Faults of the Bedrock double on demand: which one, how often, and where it strikes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from podman_llm.testing.openai_errors import Json


class BedrockFaultKind(StrEnum):
    """What goes wrong. The first group strikes before an answer, the second within a stream."""

    EXCEPTION = "exception"
    """The exception ``name``, with its status."""
    HTML = "html"
    """``status`` with a page of some proxy in between."""
    DELAY = "delay"
    """``seconds`` pass before the headers; then all is well."""
    HANG_UP = "hang_up"
    """The connection is closed without a byte."""

    STREAM_EXCEPTION = "stream_exception"
    """The exception ``name`` as an event; the status was 200."""
    STREAM_ERROR = "stream_error"
    """An error ``name`` that no model describes, as an event."""
    EARLY_END = "early_end"
    """A clean end without ``messageStop``."""
    RESET = "reset"
    """The connection is reset. It also strikes within a document."""
    BAD_CHECKSUM = "bad_checksum"
    """An event whose checksum is wrong."""
    HALF_EVENT = "half_event"
    """A clean end in the middle of an event."""
    FREEZE = "freeze"
    """Nothing more comes, and the connection stays open."""


@dataclass(frozen=True)
class BedrockFault:
    """One fault, for the next ``times`` requests it can strike."""

    kind: BedrockFaultKind
    times: int = 1
    name: str = "ThrottlingException"
    message: str = ""
    """Empty: what Bedrock says for ``name``."""
    after_events: int = 3
    """Events that pass before it strikes within a stream; 0 is before all of them."""
    seconds: float = 0.0
    status: int = 502
    retry_after: int | None = None
    original_status: int | None = None
    """The status of the model's own server, in exceptions that tell it."""

    @property
    def is_inner(self) -> bool:
        """Whether it strikes within an answer."""
        return self.kind in _INNER

    @property
    def fields(self) -> Json:
        """The further members of the exception."""
        return {} if self.original_status is None else {"originalStatusCode": self.original_status}


_INNER = frozenset(
    {
        *(BedrockFaultKind.STREAM_EXCEPTION, BedrockFaultKind.STREAM_ERROR),
        *(BedrockFaultKind.EARLY_END, BedrockFaultKind.RESET, BedrockFaultKind.BAD_CHECKSUM),
        *(BedrockFaultKind.HALF_EVENT, BedrockFaultKind.FREEZE),
    }
)


class BedrockFaultQueue:
    """Faults in the order in which they were asked for; each request takes at most one."""

    def __init__(self) -> None:
        self._queue: list[BedrockFault] = []

    def add(self, fault: BedrockFault) -> None:
        """Queue ``fault``."""
        self._queue.append(fault)

    def clear(self) -> None:
        """Forget all that have not struck."""
        self._queue.clear()

    def take(self, *, is_stream: bool) -> BedrockFault | None:
        """The first fault that can strike such a request, if there is one."""
        for index, fault in enumerate(self._queue):
            if is_stream or not fault.is_inner or fault.kind is BedrockFaultKind.RESET:
                remaining = replace(fault, times=fault.times - 1)
                self._queue[index : index + 1] = [remaining] if remaining.times else []
                return fault
        return None


def fault_from(document: object) -> BedrockFault:
    """A fault from the admin route's JSON; raises ValueError."""
    if not isinstance(document, dict):
        raise ValueError(f"a fault is an object, not {document!r}")  # noqa: TRY004 - for the asker
    try:
        return BedrockFault(**{**document, "kind": BedrockFaultKind(str(document.get("kind")))})
    except TypeError as err:
        raise ValueError(f"not a fault: {err}") from err
