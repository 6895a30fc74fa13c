from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from multidict import CIMultiDict

from podman_llm.core.abilities import Needs
from podman_llm.core.routing import NO_DIRECTIVES, Directives, Policy, locate
from podman_llm.proxy.envelope import Refusal
from podman_llm.proxy.inquiry import (
    CEILING_HEADER,
    POLICY_HEADER,
    Inquiry,
    asked_ceiling,
    asked_policy,
)
from podman_llm.proxy.questions import BLIND, Ask
from podman_llm.proxy.targets import FixedTarget

GIVEN = {
    "Authorization": "Bearer sk-mine",
    "Content-Type": "application/json",
    "X-Session-Id": "ses_1",
    "Cookie": "a=b",
    POLICY_HEADER: "hold",
    CEILING_HEADER: "0.05",
}


def an_inquiry(key: str | None = None, method: str = "POST", query: str = "") -> Inquiry:
    ask = Ask(locate("/chat/completions"), query, b"{}", BLIND, NO_DIRECTIVES, "")
    target = FixedTarget("http://pod:8000/v1", api_key=key).snapshot()
    return Inquiry(method, CIMultiDict(GIVEN), ask, None, "MISS", "req-1", target)


def test_the_pod_gets_the_request_as_it_came_with_its_own_key() -> None:
    call = an_inquiry("pllm-1", query="beta=true").to_pod(keeps_credentials=True)
    headers = dict(call.headers)
    assert call.url == "http://pod:8000/v1/chat/completions?beta=true"
    assert headers["Authorization"] == "Bearer pllm-1"
    assert headers["X-Session-Id"] == "ses_1"
    assert headers["X-Request-Id"] == "req-1"
    assert not {"Cookie", POLICY_HEADER, CEILING_HEADER} & headers.keys()


@pytest.mark.parametrize("keeps", [True, False])
def test_without_a_key_the_clients_own_may_be_passed_on(keeps: bool) -> None:
    headers = dict(an_inquiry().to_pod(keeps_credentials=keeps).headers)
    assert headers.get("Authorization") == ("Bearer sk-mine" if keeps else None)


def test_a_service_learns_nothing_of_the_client_but_what_is_asked() -> None:
    call = an_inquiry("pllm-1").to_service("https://other", "sk-ours", b"reworded")
    assert (call.url, call.body) == ("https://other/v1/chat/completions", b"reworded")
    assert dict(call.headers) == {
        "content-type": "application/json",
        "User-Agent": "podman-llm",
        "X-Request-Id": "req-1",
        "Authorization": "Bearer sk-ours",
    }
    assert "Authorization" not in dict(an_inquiry().to_service("u", None, b"").headers)


@pytest.mark.parametrize(("method", "is_probe"), [("POST", False), ("GET", True), ("HEAD", True)])
def test_looking_is_no_use_of_the_pod(method: str, is_probe: bool) -> None:
    assert an_inquiry(method=method).is_probe is is_probe


@pytest.mark.parametrize(
    ("headers", "policy"),
    [
        ({}, Policy.FAIL),
        ({POLICY_HEADER: "hold"}, Policy.HOLD),
        ({POLICY_HEADER: " FALLBACK"}, Policy.FALLBACK),
    ],
)
def test_a_request_may_say_what_it_wants_while_the_pod_cannot(
    headers: dict[str, Any], policy: Policy
) -> None:
    assert asked_policy(CIMultiDict(headers), Policy.FAIL) is policy


def test_a_policy_that_there_is_not_is_named_with_those_that_are() -> None:
    with pytest.raises(Refusal, match="'wait'; it may be auto, hold, fallback, fail") as caught:
        asked_policy(CIMultiDict({POLICY_HEADER: "wait"}), Policy.AUTO)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("given", "allowed", "ceiling"),
    [
        (None, None, None),
        (None, 7, 7),
        ("0.05", None, 50_000),
        (" 0.05 ", 60_000, 50_000),
        ("0.05", 40_000, 40_000),
        ("0", 40_000, 0),
        ("1", None, 1_000_000),
        ("0.0000019", None, 1),
    ],
)
def test_a_request_may_lower_what_it_may_cost(
    given: str | None, allowed: int | None, ceiling: int | None
) -> None:
    headers = {CEILING_HEADER: given} if given is not None else {}
    assert asked_ceiling(CIMultiDict(headers), allowed) == ceiling


@pytest.mark.parametrize("given", ["", "-1", "$1", "1e3", ".5", "nan", "1,5", "\u0663"])
def test_what_is_no_amount_is_refused(given: str) -> None:
    with pytest.raises(Refusal) as refused:
        asked_ceiling({CEILING_HEADER: given}, None)
    assert (refused.value.status, refused.value.param) == (400, CEILING_HEADER)
    assert "such as 0.05" in refused.value.message


@pytest.mark.parametrize(
    ("path", "method", "policy", "directives", "model", "wakes"),
    [
        ("/chat/completions", "POST", Policy.AUTO, NO_DIRECTIVES, "podman-llm", True),
        ("/embeddings", "POST", Policy.HOLD, NO_DIRECTIVES, "", True),
        ("/chat/completions", "POST", Policy.AUTO, Directives(no_cache=True), "m", True),
        ("/chat/completions", "POST", Policy.AUTO, NO_DIRECTIVES, "unheard-of", False),
        ("/chat/completions", "POST", Policy.FALLBACK, NO_DIRECTIVES, "m", False),
        ("/chat/completions", "POST", Policy.FAIL, NO_DIRECTIVES, "m", False),
        ("/chat/completions", "POST", Policy.AUTO, Directives(only_if_cached=True), "m", False),
        ("/chat/completions", "GET", Policy.AUTO, NO_DIRECTIVES, "m", False),
        ("/models", "GET", Policy.AUTO, NO_DIRECTIVES, "", False),
        ("/tokenize", "POST", Policy.AUTO, NO_DIRECTIVES, "", False),
    ],
)
def test_a_request_wakes_a_pod_that_it_may_wait_for_and_could_use(
    path: str, method: str, policy: Policy, directives: Directives, model: str, wakes: bool
) -> None:
    inquiry = an_inquiry(method=method)
    route = locate(path)
    question = replace(BLIND, needs=Needs(endpoint=route.endpoint, model=model))
    ask = replace(inquiry.ask, route=route, directives=directives, question=question)
    target = replace(inquiry.target, url=None, wakes="It sleeps.", served_names=("m", "podman-llm"))
    asleep = replace(inquiry, ask=ask, policy=policy, target=target)
    assert asleep.wakes is wakes
    assert not replace(asleep, target=replace(target, wakes="")).wakes
