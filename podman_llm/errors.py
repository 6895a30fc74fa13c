"""The one error tree. A class exists only where some caller acts differently on it.

    PodmanLLMError
    ├── ConfigError            the person must edit something
    ├── StateError             local state unreadable: unknown, never "nothing running"
    │   ├── Damaged            a file of ours is no longer one: it can only be replaced
    │   └── LockHeld           another controller owns the state directory
    ├── NotFound               the thing named does not exist
    ├── RefusedByCap           price, budget or hard deadline says no
    ├── StillBilling           a pod may still cost money; it is named
    ├── WaitExpired            --wait ran out; the pod goes on
    ├── UpstreamError          whoever answers chats did not
    │   ├── UpstreamUnreachable  not one byte of an answer came
    │   └── UpstreamBroke      the answer ended before it was whole
    └── ProviderError
        ├── ProviderRefused    bad key, no balance, bad spec: a person must act
        ├── NoCapacity         nothing free now: later, or elsewhere
        └── ProviderUnreachable  we do not know

Exit codes are printed by ``podman-llm --help``; ``cli.main`` is their only reader.
"""

from __future__ import annotations


class PodmanLLMError(Exception):
    """Something a person should read: what happened, and what to do next.

    ``hint`` is one sentence saying the next step; ``exit_code`` is the process's answer.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(PodmanLLMError):
    """A setting is wrong; the message names its file or origin, key, value and what is allowed."""

    exit_code = 2


class StateError(PodmanLLMError):
    """Local state cannot be read. What runs is unknown, which is not the same as nothing."""

    exit_code = 3


class Damaged(StateError):
    """What is in the file is not what any podman-llm wrote; nothing is lost by replacing it."""


class LockHeld(StateError):
    """Another controller holds the state directory."""

    exit_code = 75


class NotFound(PodmanLLMError):
    """The pod, model or entry named does not exist."""

    exit_code = 4


class RefusedByCap(PodmanLLMError):
    """A price ceiling, a budget or the hard deadline forbids it."""

    exit_code = 8


class StillBilling(PodmanLLMError):
    """A pod may still cost money; the message names it."""

    exit_code = 7


class WaitExpired(PodmanLLMError):
    """The time to wait ran out while the work goes on in the background."""

    exit_code = 124


class ProviderError(PodmanLLMError):
    """The provider did not do what was asked."""


class ProviderRefused(ProviderError):
    """Key, balance or account refused: trying again without a person changes nothing."""

    exit_code = 9


class NoCapacity(ProviderError):
    """No candidate is free now."""

    exit_code = 5


class ProviderUnreachable(ProviderError):
    """No usable answer: the truth is unknown."""

    exit_code = 6

    def __init__(
        self, message: str, *, hint: str = "Check the network, then run the command again."
    ) -> None:
        super().__init__(message, hint=hint)


class UpstreamError(PodmanLLMError):
    """The upstream did not answer as asked; ``status`` is the HTTP status for it (502, 504)."""

    exit_code = 6

    def __init__(self, message: str, *, hint: str = "", status: int = 502) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class UpstreamUnreachable(UpstreamError):
    """No connection, or no byte of an answer: another upstream may be asked unseen.

    ``was_asked``: the question may have arrived all the same, and be paid for.
    """

    def __init__(
        self, message: str, *, hint: str = "", status: int = 502, was_asked: bool = True
    ) -> None:
        super().__init__(message, hint=hint, status=status)
        self.was_asked = was_asked


class UpstreamBroke(UpstreamError):
    """The answer began and is not whole: nothing of it may pose as a complete one."""
