from __future__ import annotations

from podman_llm.testing.clock import FakeClock


def test_time_stands_still_until_told() -> None:
    clock = FakeClock(100.0)
    assert clock.wall() == clock.wall() == 100.0
    clock.sleep(5)
    assert clock.wall() == 105.0


def test_suspend_stops_the_monotonic_clock_alone() -> None:
    clock = FakeClock()
    before, monotonic = clock.reading(), clock.monotonic()
    clock.suspend(60)
    after = clock.reading()
    assert after.wall - before.wall == after.boottime - before.boottime == 60
    assert clock.monotonic() == monotonic


def test_a_step_moves_the_wall_clock_alone() -> None:
    clock = FakeClock()
    before = clock.reading()
    clock.step_wall(-3600)
    after = clock.reading()
    assert after.wall - before.wall == -3600
    assert after.boottime == before.boottime


def test_boottimes_of_two_boots_cannot_be_compared() -> None:
    clock = FakeClock()
    before = clock.reading()
    clock.reboot(30)
    after = clock.reading()
    assert after.boot_id != before.boot_id
    assert after.boottime == 0.0
    assert after.wall - before.wall == 30
