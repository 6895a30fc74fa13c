from __future__ import annotations

import pytest

from podman_llm.core.pulse import Pulse, PulsePolicy, after_look, is_hung

_POLICY = PulsePolicy(starting=60.0, silent=12.0, longest_look=0.5)
_ALIVE = Pulse(has_begun=True)


def _watched(pulse: Pulse, *looks: float) -> Pulse:
    for elapsed in looks:
        pulse = after_look(_POLICY, pulse, has_beaten=False, elapsed=elapsed)
    return pulse


def test_silence_adds_up_over_the_looks_until_it_is_too_long() -> None:
    assert not is_hung(_POLICY, _watched(_ALIVE, *[0.25] * 47))
    assert is_hung(_POLICY, _watched(_ALIVE, *[0.25] * 48))


def test_one_that_is_busy_for_some_seconds_is_left_alone_however_often() -> None:
    pulse = _ALIVE
    for _ in range(100):
        pulse = _watched(pulse, *[0.05] * 100)
        assert not is_hung(_POLICY, pulse)
        pulse = after_look(_POLICY, pulse, has_beaten=True, elapsed=0.05)
    assert pulse == _ALIVE


def test_the_first_sign_may_take_longer_than_any_other() -> None:
    assert not is_hung(_POLICY, _watched(Pulse(), *[0.5] * 119))
    assert is_hung(_POLICY, _watched(Pulse(), *[0.5] * 120))


@pytest.mark.parametrize("frozen", [30.0, 3600.0, 1e9])
def test_a_look_that_comes_late_accuses_nobody(frozen: float) -> None:
    assert _watched(_ALIVE, 0.25, frozen, 0.25) == Pulse(has_begun=True, silent=1.0)


def test_a_watcher_that_is_always_late_waits_the_longer() -> None:
    assert not is_hung(_POLICY, _watched(_ALIVE, *[3.0] * 23))
    assert is_hung(_POLICY, _watched(_ALIVE, *[3.0] * 24))


def test_time_that_goes_back_is_no_sign_and_no_silence() -> None:
    assert _watched(_ALIVE, 0.5, -5.0) == Pulse(has_begun=True, silent=0.5)
