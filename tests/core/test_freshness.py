from __future__ import annotations

import math

import pytest

from podman_llm.core.freshness import Freshness, judge_age, rank
from podman_llm.core.routing import NO_DIRECTIVES, Directives

FRESH, STALE, SPARE, SPENT = Freshness
MAX_STALE = Directives(max_stale=10)
ANY_STALE = Directives(max_stale=math.inf)
IN_NEED = Directives(stale_if_error=10)
OLDER = Directives(max_age=5, max_stale=10)


@pytest.mark.parametrize(
    ("age", "directives", "ttl", "good_for"),
    [
        (1e9, NO_DIRECTIVES, None, FRESH),
        (59, NO_DIRECTIVES, 60, FRESH),
        (60, NO_DIRECTIVES, 60, SPENT),
        (4, Directives(max_age=5), 60, FRESH),
        (5, Directives(max_age=5), 60, SPENT),
        (5, Directives(max_age=100), 5, SPENT),
        (0, Directives(max_age=0), None, SPENT),
        (0, Directives(no_cache=True), None, SPENT),
        (70, MAX_STALE, 60, STALE),
        (71, MAX_STALE, 60, SPENT),
        (1e9, ANY_STALE, 60, STALE),
        (15, OLDER, None, STALE),
        (16, OLDER, None, SPENT),
        (0, Directives(no_cache=True, max_stale=10), None, SPENT),
        (59, IN_NEED, 60, FRESH),
        (70, IN_NEED, 60, SPARE),
        (71, IN_NEED, 60, SPENT),
        (10, Directives(no_cache=True, stale_if_error=10), None, SPARE),
        (11, Directives(no_cache=True, stale_if_error=10), None, SPENT),
        (70, Directives(max_stale=5, stale_if_error=10), 60, SPARE),
    ],
)
def test_what_an_answer_is_good_for(
    age: float, directives: Directives, ttl: float | None, good_for: Freshness
) -> None:
    judged = judge_age(age, directives, ttl, is_asked_again=False, is_spare_kept=False)
    assert judged is good_for


@pytest.mark.parametrize(
    ("age", "directives", "ttl", "good_for"),
    [
        (59, NO_DIRECTIVES, 60, FRESH),
        (1e9, NO_DIRECTIVES, 60, SPARE),
        (1e9, MAX_STALE, 60, SPARE),
        (71, IN_NEED, 60, SPARE),
        (65, Directives(max_age=100), 60, SPARE),
        (100, Directives(max_age=100), 60, SPENT),
        (0, Directives(no_cache=True), None, SPENT),
        (61, Directives(only_if_cached=True), 60, SPENT),
    ],
)
def test_the_settings_may_keep_a_spare_for_who_did_not_bound_the_age(
    age: float, directives: Directives, ttl: float | None, good_for: Freshness
) -> None:
    judged = judge_age(age, directives, ttl, is_asked_again=False, is_spare_kept=True)
    assert judged is good_for


@pytest.mark.parametrize(
    ("directives", "good_for"), [(NO_DIRECTIVES, SPENT), (ANY_STALE, SPENT), (IN_NEED, SPARE)]
)
def test_who_asks_again_wants_another_answer(directives: Directives, good_for: Freshness) -> None:
    judged = judge_age(1, directives, None, is_asked_again=True, is_spare_kept=True)
    assert judged is good_for


def test_of_several_the_fresh_one_stands_in_then_the_pods_then_the_newest() -> None:
    fresh = rank(FRESH, is_pod=False, age=50)
    pods = rank(SPARE, is_pod=True, age=900)
    newer, older = (rank(SPARE, is_pod=False, age=age) for age in (60, 70))
    assert sorted([older, newer, pods, fresh]) == [fresh, pods, newer, older]
