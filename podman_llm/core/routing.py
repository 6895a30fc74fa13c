"""What a request asks for, by its path and its ``Cache-Control``, and what is done with it.

Editors append their route to whatever base URL was typed, so ``/v1/chat/completions``,
``/chat/completions`` and the same below ``/nocache`` are one route.
"""

from __future__ import annotations

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
    """The request's ``Cache-Control``, as far as it concerns us. ``max_age`` is in seconds."""

    no_cache: bool = False
    no_store: bool = False
    only_if_cached: bool = False
    max_age: int | None = None


NO_DIRECTIVES: Final = Directives()


def parse_cache_control(header: str) -> Directives:
    """Read the header; what is unknown or malformed in it is ignored, as RFC 9111 asks."""
    if not header:
        return NO_DIRECTIVES
    given = {}
    for part in header.split(","):
        name, _, value = part.strip().lower().partition("=")
        given[name] = value.strip('" ')
    age = given.get("max-age", "")
    return Directives(
        no_cache="no-cache" in given,
        no_store="no-store" in given,
        only_if_cached="only-if-cached" in given,
        max_age=int(age) if age.isascii() and age.isdigit() else None,
    )


def is_fresh(
    age: float, directives: Directives, ttl: float | None, *, is_asked_again: bool
) -> bool:
    """Whether a kept answer of ``age`` seconds may serve.

    ``is_asked_again``: the same session asked the same question at another time, which people do
    when they did not like the answer.
    """
    if directives.no_cache or is_asked_again:
        return False
    limits = [limit for limit in (ttl, directives.max_age) if limit is not None]
    return all(age < limit for limit in limits)


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
