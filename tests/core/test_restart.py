from __future__ import annotations

import pytest

from podman_llm.core.restart import Restart, RestartPolicy, after_end

_POLICY = RestartPolicy(base=0.5, factor=2.0, ceiling=5.0, stable=10.0)


def _delays(*lives: float) -> list[float]:
    streak, delays = 0, []
    for lived in lives:
        answer = after_end(_POLICY, streak=streak, lived=lived)
        streak = answer.streak
        delays.append(answer.delay)
    return delays


def test_the_first_restart_is_at_once_and_then_each_waits_twice_as_long_up_to_the_ceiling() -> None:
    assert _delays(0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1) == [0.0, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0]


def test_a_stable_life_forgives_all_earlier_ends() -> None:
    assert _delays(0.1, 0.1, 0.1, 10.0, 0.1, 0.1) == [0.0, 0.5, 1.0, 0.0, 0.0, 0.5]


def test_a_worker_that_lives_stably_is_always_replaced_at_once() -> None:
    assert set(_delays(*[10.0] * 20)) == {0.0}


@pytest.mark.parametrize("streak", [64, 10_000, 10**9])
def test_however_long_it_goes_on_the_delay_is_the_ceiling(streak: int) -> None:
    assert after_end(_POLICY, streak=streak, lived=0) == Restart(5.0, streak + 1)
