"""What a request asks for, by its path and its ``Cache-Control``, and what is done with it.

Editors append their route to whatever base URL was typed, so ``/v1/chat/completions``,
``/chat/completions`` and the same below ``/nocache`` are one route.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

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
class Forward:
    """Ask the upstream at ``url`` (its base, without ``/v1``)."""

    url: str


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer ``status`` and say why; ``retry_after`` is in seconds, None if trying is no use."""

    status: int
    message: str
    code: str
    retry_after: int | None = None


def plan(
    *, url: str | None, message: str, retry_after: int, directives: Directives
) -> Forward | Refuse:
    """What to do with a request that the cache did not answer.

    ``url`` is None while nobody can serve; ``message`` then says what the pod is doing.
    """
    if directives.only_if_cached:
        return Refuse(504, "No kept answer fits, and only-if-cached forbids to ask.", "not_cached")
    if url is None:
        return Refuse(503, message, "pod_not_ready", retry_after)
    return Forward(url)
