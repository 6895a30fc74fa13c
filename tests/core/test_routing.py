from __future__ import annotations

import math

import pytest

from podman_llm.core.completion import Endpoint
from podman_llm.core.routing import (
    NO_DIRECTIVES,
    Directives,
    Forward,
    Refuse,
    Route,
    locate,
    parse_cache_control,
    plan,
)


@pytest.mark.parametrize("endpoint", list(Endpoint))
@pytest.mark.parametrize("base", ["/v1", "", "/nocache/v1", "/nocache"])
def test_an_endpoint_is_known_under_every_base(base: str, endpoint: Endpoint) -> None:
    bypass = base.startswith("/nocache")
    for slash in ("", "/"):
        route = locate(f"{base}/{endpoint}{slash}")
        assert route == Route(f"/v1/{endpoint}", endpoint, bypass)


@pytest.mark.parametrize(
    ("path", "upstream"),
    [
        ("/v1/models", "/v1/models"),
        ("/models/", "/v1/models"),
        ("/v1/responses/resp_1", "/v1/responses/resp_1"),
        ("/responses/resp_1/", "/v1/responses/resp_1/"),
        ("/v1/tokenize", "/v1/tokenize"),
        ("/tokenize", "/tokenize"),
        ("/nocache/tokenize", "/tokenize"),
        ("/v1", "/v1"),
        ("/", "/v1/"),
        ("/nocache", "/v1/"),
        ("/nocached/models", "/v1/nocached/models"),
        ("/v1/chat/completions/chat/completions", "/v1/chat/completions/chat/completions"),
    ],
)
def test_other_paths_are_passed_blind(path: str, upstream: str) -> None:
    assert (locate(path).path, locate(path).endpoint) == (upstream, None)


@pytest.mark.parametrize(
    ("header", "directives"),
    [
        ("", NO_DIRECTIVES),
        ("no-cache", Directives(no_cache=True)),
        ("No-Store , max-age=60", Directives(no_store=True, max_age=60)),
        ('max-age="5", only-if-cached', Directives(max_age=5, only_if_cached=True)),
        ("max-stale=60, stale-if-error=600", Directives(max_stale=60, stale_if_error=600)),
        ("max-stale, stale-if-error", Directives(max_stale=math.inf, stale_if_error=math.inf)),
        ("max-age, max-stale=soon, stale-if-error=-1", NO_DIRECTIVES),
        ("max-age=soon, max-age=-1, no-transform,,=", NO_DIRECTIVES),
        ("max-age=\u0663", NO_DIRECTIVES),
    ],
)
def test_cache_control_is_read_leniently(header: str, directives: Directives) -> None:
    assert parse_cache_control(header) == directives


def test_who_is_ready_is_asked() -> None:
    assert plan(url="http://pod", message="", retry_after=5, directives=NO_DIRECTIVES) == Forward(
        "http://pod"
    )


def test_while_nobody_is_ready_the_answer_says_what_the_pod_does() -> None:
    decided = plan(url=None, message="BOOTING", retry_after=5, directives=NO_DIRECTIVES)
    assert decided == Refuse(503, "BOOTING", "pod_not_ready", 5)


def test_only_if_cached_asks_nobody() -> None:
    decided = plan(
        url="http://pod", message="", retry_after=5, directives=Directives(only_if_cached=True)
    )
    assert isinstance(decided, Refuse)
    assert (decided.status, decided.retry_after) == (504, None)
