"""What a request asks for, by its path and its ``Cache-Control``, and who is asked to answer it.

Editors append their route to whatever base URL was typed, so ``/v1/chat/completions``,
``/chat/completions`` and the same below ``/nocache`` are one route.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from podman_llm.core.breaker import Admission
from podman_llm.core.completion import Endpoint

_BESIDE_V1: Final = frozenset(
    {
        "classify",
        "detokenize",
        "invocations",
        "load",
        "ping",
        "pooling",
        "score",
        "tokenize",
        "tokenizer_info",
        "version",
    }
)
"""What vLLM serves beside ``/v1``; any other path without the prefix means the one below it."""

_NOCACHE: Final = "/nocache"
_V1: Final = "/v1/"
MODELS: Final = "/v1/models"
"""Where the list of models is."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes: ``path`` at the upstream, still encoded.

    ``endpoint`` is None for what is passed through blind. ``bypass`` says that the base was
    ``/nocache``: no answer is taken from the cache or put there.
    """

    path: str
    endpoint: Endpoint | None
    bypass: bool


_ENDPOINTS: Final = {_V1 + endpoint: endpoint for endpoint in Endpoint}


@lru_cache(maxsize=256)  # a handful of routes make up all the traffic
def locate(path: str) -> Route:
    """The route of a request path (encoded, no query string)."""
    bypass = path == _NOCACHE or path.startswith(f"{_NOCACHE}/")
    rest = path.removeprefix(_NOCACHE) if bypass else path
    if not f"{rest}/".startswith(_V1) and rest.strip("/").partition("/")[0] not in _BESIDE_V1:
        rest = _V1 + rest.lstrip("/")
    bare = rest.rstrip("/")
    if bare == MODELS or bare in _ENDPOINTS:
        rest = bare  # a slash at the end of the typed base URL
    return Route(path=rest, endpoint=_ENDPOINTS.get(rest), bypass=bypass)


@dataclass(frozen=True, slots=True)
class Directives:
    """The request's ``Cache-Control``, as far as it concerns us. Ages are in seconds.

    ``max_stale`` and ``stale_if_error`` say how far past its time an answer may be: always, and
    when nobody else can answer. Without a number they stand for any age.
    """

    no_cache: bool = False
    no_store: bool = False
    only_if_cached: bool = False
    max_age: float | None = None
    max_stale: float | None = None
    stale_if_error: float | None = None


NO_DIRECTIVES: Final = Directives()


def parse_cache_control(header: str) -> Directives:
    """Read the header; what is unknown or malformed in it is ignored, as RFC 9111 asks."""
    if not header:
        return NO_DIRECTIVES
    given = {}
    for part in header.split(","):
        name, _, value = part.strip().lower().partition("=")
        given[name] = value.strip('" ')
    return Directives(
        no_cache="no-cache" in given,
        no_store="no-store" in given,
        only_if_cached="only-if-cached" in given,
        max_age=_seconds(given.get("max-age")),
        max_stale=_seconds(given.get("max-stale"), bare=math.inf),
        stale_if_error=_seconds(given.get("stale-if-error"), bare=math.inf),
    )


def _seconds(value: str | None, *, bare: float | None = None) -> float | None:
    """The number of a directive; ``bare`` if it was given without one."""
    if not value:
        return None if value is None else bare
    return float(value) if value.isascii() and value.isdigit() else None


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer ``status`` and say why; ``retry_after`` is in seconds, None if trying is no use.

    ``is_final``: it stays so until a person does something.
    """

    status: int
    message: str
    code: str
    retry_after: int | None = None
    is_final: bool = False


LONGEST_RETRY_AFTER: Final = 60
"""Clients ignore a longer one, or give up at once."""
NOT_CACHED: Final = Refuse(
    504, "No kept answer fits, and only-if-cached forbids to ask.", "not_cached"
)


class Policy(StrEnum):
    """What a request does while the pod cannot answer it."""

    AUTO = "auto"
    """A fallback if one can, else a stream waits for a pod that is coming."""
    HOLD = "hold"
    """Wait for a pod that is coming, then a fallback."""
    FALLBACK = "fallback"
    """A fallback at once, or an error."""
    FAIL = "fail"
    """The pod or an error."""


_UNWANTED: Final = "is not asked: the policy is fail"
POD: Final = "pod"
"""The pod among the attempts; the others go by the names that the settings give them."""


@dataclass(frozen=True, slots=True)
class PodView:
    """The pod as a plan sees it: what is known of its state first, how calls to it fared second.

    ``message`` says what it is doing while it is not ready; ``is_over``: nothing, and only a person
    makes another one come. ``shut`` says why its circuit lets
    nobody pass, for ``shut_seconds`` more. ``is_left``: the conversation went to a fallback and
    stays there while the pod proves itself.
    """

    is_ready: bool
    is_coming: bool = False
    message: str = ""
    is_over: bool = False
    retry_after: int = 1
    admission: Admission = Admission.PASS
    shut: str = ""
    shut_seconds: float = 0.0
    is_left: bool = False


@dataclass(frozen=True, slots=True)
class Alternative:
    """A fallback as a plan sees it. ``lack`` is why it cannot honour the request, or empty.

    ``shut`` says why its circuit lets nobody pass, for ``shut_seconds`` more.
    """

    name: str
    lack: str = ""
    admission: Admission = Admission.PASS
    shut: str = ""
    shut_seconds: float = 0.0

    @property
    def why_not(self) -> str:
        """Why it is not asked; empty if it may be."""
        if self.lack or self.admission in {Admission.PASS, Admission.TRY}:
            return self.lack
        return self.shut or "is being tried by another request"


@dataclass(frozen=True, slots=True)
class Exclusion:
    """Who is not asked, and why: a phrase that follows the name, or a sentence about the pod.

    ``seconds`` is for how long, where that ends by itself.
    """

    name: str
    why: str
    seconds: float = math.inf


@dataclass(frozen=True, slots=True)
class Plan:
    """Whom to ask, in order. ``is_held``: wait for the pod first, and then plan again."""

    attempts: tuple[str, ...]
    excluded: tuple[Exclusion, ...] = ()
    is_held: bool = False


def plan(pod: PodView, others: Sequence[Alternative], *, policy: Policy, is_stream: bool) -> Plan:
    """Whom to ask for what the cache did not answer: the pod, then the fallbacks in their order.

    A pod that is being tried by somebody else, or that the conversation has left, is asked last: a
    fallback is certain, and nobody is refused for the sake of trust.
    """
    whys = {other.name: _UNWANTED if policy is Policy.FAIL else other.why_not for other in others}
    excluded = [_not_pod(pod)] if not _may_ask(pod) else []
    waits = {other.name: _seconds_out(other, policy) for other in others}
    excluded += [Exclusion(name, why, waits[name]) for name, why in whys.items() if why]
    able = [name for name, why in whys.items() if not why]
    wants_hold = policy is Policy.HOLD or (policy is Policy.AUTO and is_stream and not able)
    return Plan(
        attempts=tuple(_in_order(pod, able)),
        excluded=tuple(excluded),
        is_held=wants_hold and pod.is_coming and not pod.is_ready,
    )


def _seconds_out(other: Alternative, policy: Policy) -> float:
    """For how long it is not asked, as far as only its circuit is against it."""
    return math.inf if other.lack or policy is Policy.FAIL else other.shut_seconds


def _may_ask(pod: PodView) -> bool:
    return pod.is_ready and pod.admission is not Admission.NO


def _not_pod(pod: PodView) -> Exclusion:
    if not pod.is_ready:
        return Exclusion(POD, pod.message)
    return Exclusion(POD, f"The pod is not asked: {pod.shut.rstrip('.')}.")


def _in_order(pod: PodView, able: list[str]) -> list[str]:
    if not _may_ask(pod):
        return able
    if pod.admission is Admission.BUSY or pod.is_left:
        return [*able, POD]
    return [POD, *able]


def told(excluded: Sequence[Exclusion]) -> list[str]:
    """Who was not asked and why, a sentence for each."""
    said = (one.why if one.name == POD else f"{one.name} {one.why}" for one in excluded)
    return [f"{sentence.rstrip('.')}." for sentence in said]


def refuse(pod: PodView, decided: Plan) -> Refuse:
    """What to say when nobody may be asked."""
    why = told(decided.excluded)
    wait = pod.shut_seconds if pod.is_ready else float(pod.retry_after)
    back = min(one.seconds for one in decided.excluded)
    return Refuse(
        503,
        " ".join(why),
        "pod_not_ready" if len(why) == 1 else "nobody_can_answer",
        max(1, math.ceil(min(wait, back, LONGEST_RETRY_AFTER))),
        is_final=pod.is_over and back == math.inf,
    )
