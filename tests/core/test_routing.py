from __future__ import annotations

import math
from dataclasses import replace

import pytest

from podman_llm.core.breaker import Admission
from podman_llm.core.completion import Endpoint
from podman_llm.core.routing import (
    NO_DIRECTIVES,
    POD,
    Alternative,
    Directives,
    Exclusion,
    PodView,
    Policy,
    Refuse,
    Route,
    locate,
    parse_cache_control,
    plan,
    refuse,
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


READY = PodView(is_ready=True)
BOOTING = PodView(is_ready=False, is_coming=True, message="The pod is BOOTING.", retry_after=5)
GONE = PodView(is_ready=False, message="There is no pod.", retry_after=30)
SICK = PodView(is_ready=True, admission=Admission.NO, shut="connection refused", shut_seconds=3.2)
ABLE = [Alternative("bedrock"), Alternative("openai")]
UNABLE = [Alternative("bedrock", lack="lacks images")]


def planned(
    pod: PodView,
    others: list[Alternative],
    policy: Policy = Policy.AUTO,
    *,
    is_stream: bool = False,
) -> tuple[tuple[str, ...], bool]:
    decided = plan(pod, others, policy=policy, is_stream=is_stream)
    return decided.attempts, decided.is_held


@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize("policy", list(Policy))
@pytest.mark.parametrize("others", [ABLE, UNABLE, []])
def test_a_ready_pod_is_asked_first_and_never_waited_for(
    others: list[Alternative], policy: Policy, is_stream: bool
) -> None:
    attempts, is_held = planned(READY, others, policy, is_stream=is_stream)
    assert attempts[0] == POD
    assert not is_held
    assert len(attempts) == (3 if others is ABLE and policy is not Policy.FAIL else 1)


@pytest.mark.parametrize(
    ("pod", "others", "policy", "is_stream", "attempts", "is_held"),
    [
        (BOOTING, ABLE, Policy.AUTO, True, ("bedrock", "openai"), False),
        (BOOTING, UNABLE, Policy.AUTO, True, (), True),
        (BOOTING, [], Policy.AUTO, True, (), True),
        (BOOTING, [], Policy.AUTO, False, (), False),
        (BOOTING, ABLE, Policy.HOLD, True, ("bedrock", "openai"), True),
        (BOOTING, [], Policy.HOLD, False, (), True),
        (BOOTING, [], Policy.FALLBACK, True, (), False),
        (BOOTING, ABLE, Policy.FAIL, True, (), False),
        (GONE, [], Policy.HOLD, True, (), False),
        (GONE, ABLE, Policy.AUTO, True, ("bedrock", "openai"), False),
        (SICK, ABLE, Policy.AUTO, True, ("bedrock", "openai"), False),
        (SICK, [], Policy.HOLD, True, (), False),
    ],
)
def test_without_a_pod_the_policy_decides(
    pod: PodView,
    others: list[Alternative],
    policy: Policy,
    is_stream: bool,
    attempts: tuple[str, ...],
    is_held: bool,
) -> None:
    assert planned(pod, others, policy, is_stream=is_stream) == (attempts, is_held)


@pytest.mark.parametrize(
    "pod", [replace(READY, admission=Admission.BUSY), replace(READY, is_left=True)]
)
def test_a_pod_that_must_prove_itself_first_is_asked_last(pod: PodView) -> None:
    assert planned(pod, ABLE)[0] == ("bedrock", "openai", POD)
    assert planned(pod, [])[0] == (POD,)


def test_everyone_who_is_not_asked_has_a_reason() -> None:
    others = [
        Alternative("a", lack="lacks tools"),
        Alternative("b", admission=Admission.NO, shut="was refused"),
        Alternative("c", admission=Admission.BUSY),
        Alternative("d", admission=Admission.TRY),
    ]
    decided = plan(BOOTING, others, policy=Policy.AUTO, is_stream=False)
    assert decided.attempts == ("d",)
    assert decided.excluded == (
        Exclusion(POD, "The pod is BOOTING."),
        Exclusion("a", "lacks tools"),
        Exclusion("b", "was refused", 0),
        Exclusion("c", "is being tried by another request", 0),
    )
    for unwanted in (ABLE[:1], UNABLE):
        told = plan(GONE, unwanted, policy=Policy.FAIL, is_stream=False).excluded
        assert told[1:] == (Exclusion("bedrock", "is not asked: the policy is fail"),)


@pytest.mark.parametrize(
    ("pod", "others", "refusal"),
    [
        (BOOTING, [], Refuse(503, "The pod is BOOTING.", "pod_not_ready", 5)),
        (
            GONE,
            UNABLE,
            Refuse(503, "There is no pod. bedrock lacks images.", "nobody_can_answer", 30),
        ),
        (SICK, [], Refuse(503, "The pod is not asked: connection refused.", "pod_not_ready", 4)),
        (
            replace(SICK, shut="shut by hand", shut_seconds=math.inf),
            [],
            Refuse(503, "The pod is not asked: shut by hand.", "pod_not_ready", 60),
        ),
        (
            replace(SICK, shut="status 500: It broke."),
            [Alternative("b", "", Admission.NO, "is left alone: It broke too.", shut_seconds=9)],
            Refuse(
                503,
                "The pod is not asked: status 500: It broke. b is left alone: It broke too.",
                "nobody_can_answer",
                4,
            ),
        ),
        (
            replace(SICK, shut_seconds=0.0),
            [],
            Refuse(503, "The pod is not asked: connection refused.", "pod_not_ready", 1),
        ),
    ],
)
def test_when_nobody_may_be_asked_the_answer_says_why_and_when_to_come_back(
    pod: PodView, others: list[Alternative], refusal: Refuse
) -> None:
    decided = plan(pod, others, policy=Policy.AUTO, is_stream=False)
    assert not decided.attempts
    assert refuse(pod, decided) == refusal


OVER = replace(GONE, is_over=True)


@pytest.mark.parametrize(
    ("pod", "other", "policy", "is_final"),
    [
        (OVER, None, Policy.AUTO, True),
        (OVER, Alternative("a", lack="lacks n"), Policy.AUTO, True),
        (OVER, Alternative("a"), Policy.FAIL, True),
        (OVER, Alternative("a", admission=Admission.NO, shut_seconds=math.inf), Policy.AUTO, True),
        (OVER, Alternative("a", admission=Admission.NO, shut_seconds=3.5), Policy.AUTO, False),
        (OVER, Alternative("a", admission=Admission.BUSY), Policy.AUTO, False),
        (GONE, None, Policy.AUTO, False),
        (BOOTING, None, Policy.AUTO, False),
        (SICK, None, Policy.AUTO, False),
    ],
)
def test_a_refusal_is_final_where_only_a_person_makes_anybody_come(
    pod: PodView, other: Alternative | None, policy: Policy, is_final: bool
) -> None:
    decided = plan(pod, [other] if other else [], policy=policy, is_stream=False)
    assert refuse(pod, decided).is_final == is_final


@pytest.mark.parametrize(
    ("other", "policy", "seconds"),
    [
        (Alternative("a", admission=Admission.NO, shut_seconds=3.5), Policy.AUTO, 4),
        (Alternative("a", admission=Admission.BUSY), Policy.AUTO, 1),
        (Alternative("a", admission=Admission.NO, shut_seconds=math.inf), Policy.AUTO, 30),
        (Alternative("a", admission=Admission.NO, shut_seconds=3.5), Policy.FAIL, 30),
        (Alternative("a", lack="lacks n", admission=Admission.NO, shut_seconds=3), Policy.AUTO, 30),
    ],
)
def test_whoever_may_be_asked_first_again_says_when_to_come_back(
    other: Alternative, policy: Policy, seconds: int
) -> None:
    decided = plan(GONE, [other], policy=policy, is_stream=False)
    assert refuse(GONE, decided).retry_after == seconds
