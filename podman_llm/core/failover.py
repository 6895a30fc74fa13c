"""How an attempt ended: whether another upstream is asked, and what its circuit learns of it.

All of this holds while nothing of an answer has gone to the client. After that nobody else is
asked: an answer of two halves is no answer.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final

from podman_llm.core.routing import LONGEST_RETRY_AFTER, POD, Exclusion, Refuse, told
from podman_llm.errors import UpstreamBroke, UpstreamError, UpstreamUnreachable


class Effect(Enum):
    """What a circuit learns."""

    GOOD = "good"
    BAD = "bad"
    GRAVE = "grave"
    """As bad, and the next caller would wait for it too."""
    NONE = "none"


class Outcome(StrEnum):
    """How an attempt ended."""

    ANSWERED = "answered"
    """An answer has begun."""
    REJECTED = "rejected"
    """The request is at fault, and would be anywhere; the client is told in the server's words."""
    MISPLACED = "misplaced"
    """A 4xx about our key, our name for the model or an edge's route, not about the request."""
    OVERLOADED = "overloaded"
    """It works, and has too much to do."""
    ERROR = "error"
    """A 5xx."""
    BROKE = "broke"
    """An answer that stopped, or said that it failed, before its first content."""
    SILENT = "silent"
    """No content in time."""
    UNREACHABLE = "unreachable"
    """Nobody was there."""

    @property
    def fails_over(self) -> bool:
        """Whether another upstream may do better."""
        return self not in _FINAL

    @property
    def effect(self) -> Effect:
        """What the circuit learns."""
        return _EFFECTS[self]


_FINAL: Final = frozenset({Outcome.ANSWERED, Outcome.REJECTED})
_NOT_CHARGED: Final = frozenset({Outcome.REJECTED, Outcome.MISPLACED, Outcome.OVERLOADED})
_EFFECTS: Final = {
    Outcome.ANSWERED: Effect.GOOD,
    Outcome.REJECTED: Effect.NONE,
    Outcome.MISPLACED: Effect.BAD,
    Outcome.OVERLOADED: Effect.NONE,
    Outcome.ERROR: Effect.BAD,
    Outcome.BROKE: Effect.BAD,
    Outcome.SILENT: Effect.BAD,
    Outcome.UNREACHABLE: Effect.GRAVE,
}
_RETRY_SECONDS: Final = 2
_WORDS: Final = 200  # characters of somebody else's message
_OVERLOAD: Final = 429
_SERVER_ERROR: Final = 500
_CLIENT_ERROR: Final = 400
_TIMED_OUT: Final = 408
_WRONG: Final = "the key or the model's name in the settings may be wrong"
_NOT_FOUND: Final = 404
_NOBODY_LISTENS: Final = frozenset({502, 503, 521, 522, 523})
_NO_ANSWER: Final = frozenset({504, 524})
_ABOUT_US: Final = {
    401: _WRONG,
    402: "the account behind the key has no credit",
    403: _WRONG,
    404: _WRONG,
}


def judge_status(status: int, *, is_pod: bool, is_page: bool) -> Outcome:
    """The outcome that a status tells; ``is_page``: it came with HTML.

    A model server speaks JSON. A page is an edge's word that it does not know the pod (RunPod's
    says 404), and a fallback's 401 to 404 are about a key, an account and a name that are ours.
    """
    if status == _OVERLOAD:
        return Outcome.OVERLOADED
    if status >= _SERVER_ERROR or status == _TIMED_OUT:
        return Outcome.ERROR
    if status < _CLIENT_ERROR:
        return Outcome.ANSWERED
    is_about_us = is_page if is_pod else status in _ABOUT_US
    return Outcome.MISPLACED if is_about_us else Outcome.REJECTED


def judge_error(err: UpstreamError) -> Outcome:
    """The outcome of an attempt that gave no answer."""
    match err:
        case UpstreamUnreachable():
            return Outcome.UNREACHABLE
        case UpstreamBroke():
            return Outcome.BROKE
        case _:
            return Outcome.SILENT


def edge_error(status: int, *, is_rented: bool) -> UpstreamError | None:
    """What a page in the model server's place tells of it; None if nothing.

    A model server speaks JSON: a page is the word of RunPod's edge, of Cloudflare before it, or of
    whatever is before a server made by hand, where 404 may be about the path alone. Passed on it
    would tell a client of this endpoint what is true of another one.
    """
    if status in _NOBODY_LISTENS or (status == _NOT_FOUND and is_rented):
        return UpstreamUnreachable(f"its edge says {status}: nobody listens there")
    if status in _NO_ANSWER:
        return UpstreamError(f"its edge says {status}: no answer came in time", status=504)
    return None


def in_full(err: UpstreamError) -> str:
    """What went wrong, and what to do about it where that is known."""
    return f"{err.message} ({err.hint})" if err.hint else err.message


def may_have_arrived(err: UpstreamError) -> bool:
    """Whether a failed attempt's question may have got there."""
    return not isinstance(err, UpstreamUnreachable) or err.was_asked


def status_text(status: int, body: bytes) -> str:
    """What a refusal says, for people: its status, and its own words if they are of use.

    What is said about a key may show part of it.
    """
    if status in _ABOUT_US:
        return f"status {status}: {_ABOUT_US[status]}"
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    error = document.get("error") if isinstance(document, dict) else None
    message = error.get("message") if isinstance(error, dict) else None
    words = f": {message[:_WORDS]}" if isinstance(message, str) else ""
    return f"status {status}{words}"


@dataclass(frozen=True, slots=True)
class Tried:
    """One attempt that was made. ``retry_after`` is what its upstream asked for, in seconds.

    ``micros`` is what it may cost at most, in micro-dollars; ``was_asked`` says whether the
    question may have got there.
    """

    served_by: str
    outcome: Outcome
    why: str = ""
    retry_after: int | None = None
    is_pod: bool = False
    micros: int = 0
    was_asked: bool = True

    @property
    def spent(self) -> int:
        """What its upstream may charge for it although it gave no answer."""
        is_free = not self.was_asked or self.outcome in _NOT_CHARGED
        return 0 if is_free else self.micros


def trail(tried: Sequence[Tried]) -> str:
    """The attempts as a header: a list of names with their outcomes (RFC 9651)."""
    return ", ".join(f"{one.served_by};outcome={one.outcome}" for one in tried)


def fallback_reason(tried: Sequence[Tried], excluded: Sequence[Exclusion]) -> str:
    """Why it was not the pod, as a header."""
    pod = [f"{one.outcome}: {one.why}" for one in tried if one.is_pod]
    pod += [one.why for one in excluded if one.name == POD]
    return header_text(pod[0] if pod else "the pod is being tried by another request")


def header_text(text: str) -> str:
    """The text as a header can carry it."""
    return "".join(character if " " <= character <= "~" else " " for character in text)


def all_failed(tried: Sequence[Tried], excluded: Sequence[Exclusion]) -> Refuse:
    """What to say when all were asked in vain, each with its reason."""
    said = [f"{one.served_by}: {one.why.rstrip('.')}." for one in tried]
    is_overload = bool(tried) and all(one.outcome is Outcome.OVERLOADED for one in tried)
    waits = [one.retry_after for one in tried if one.retry_after is not None]
    wait = min(max(1, *waits), LONGEST_RETRY_AFTER) if waits else _RETRY_SECONDS
    message = " ".join(["Nobody answered.", *said, *told(excluded)])
    return Refuse(_OVERLOAD if is_overload else 503, message, "all_failed", wait)
