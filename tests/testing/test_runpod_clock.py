from __future__ import annotations

import pytest

from podman_llm.testing.clock import FakeClock
from podman_llm.testing.runpod_clock import WorldClock, from_rfc3339, rfc3339


def test_the_world_may_run_faster_and_jump_ahead() -> None:
    base = FakeClock(wall=1000.0)
    clock = WorldClock(base, scale=60.0)
    base.advance(2)
    assert clock.wall() == 1120.0
    clock.advance(30)
    assert clock.wall() == 1150.0


def test_times_are_spelt_in_whole_seconds_of_utc() -> None:
    assert rfc3339(1_795_000_000.9) == "2026-11-18T11:06:40Z"
    assert from_rfc3339("2026-11-18T12:06:40+01:00") == 1_795_000_000


@pytest.mark.parametrize("text", ["2h", "2026-11-18T11:06:40", ""])
def test_what_is_no_moment_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        from_rfc3339(text)
