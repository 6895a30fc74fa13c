from __future__ import annotations

import pytest

from podman_llm.core.pod import WaitCause, Waiting
from podman_llm.core.waiting import put_off, remaining, unstretched, waiting_line
from tests.core.worlds import LIMITS, START, world_with

ASKED = Waiting(START, 2, START + 90, WaitCause.CAPACITY, "L4: full")


def test_the_first_wait_begins_now() -> None:
    waiting = put_off(world_with(None, after=5), WaitCause.CAPACITY, "full")
    assert waiting == Waiting(START + 5, 1, START + 20, WaitCause.CAPACITY, "full")


@pytest.mark.parametrize(
    ("cause", "pause"), [(WaitCause.CAPACITY, 60), (WaitCause.UNREACHABLE, 4), (WaitCause.RATE, 4)]
)
def test_each_cause_has_its_own_pace(cause: WaitCause, pause: float) -> None:
    waiting = put_off(world_with(None, after=100, book={"waiting": ASKED}), cause, "again")
    assert waiting
    assert waiting.retry_at == START + 100 + pause
    assert (waiting.since, waiting.rounds) == (START, 3)


def test_the_provider_may_ask_for_more_time() -> None:
    waiting = put_off(world_with(None), WaitCause.RATE, "slow down", at_least=77)
    assert waiting
    assert waiting.retry_at == START + 77


def test_the_last_try_comes_at_the_end_of_the_time_to_wait_and_then_no_more() -> None:
    late = world_with(None, after=590, book={"waiting": ASKED})
    waiting = put_off(late, WaitCause.CAPACITY, "full")
    assert waiting
    assert waiting.retry_at == START + 600
    over = world_with(None, after=600, book={"waiting": ASKED})
    assert put_off(over, WaitCause.CAPACITY, "full") is None


def test_nothing_put_off_is_due() -> None:
    assert remaining(world_with(None)) == 0
    assert remaining(world_with(None, after=60, book={"waiting": ASKED})) == 30


def test_the_line_says_what_for_and_until_when() -> None:
    world = world_with(None, after=60, book={"waiting": ASKED})
    assert waiting_line(world, ASKED) == (
        "L4: full; asking again in 30 s (round 3), giving up in 9 min"
    )


def test_a_clock_set_back_stretches_no_wait() -> None:
    ahead = {"quarantine_until": START + 7200, "orphan_at": START + 7200}
    book = unstretched(world_with(None, book=ahead)).book
    assert (book.quarantine_until, book.orphan_at) == (START + LIMITS.quarantine, START)
    fair = {"quarantine_until": START + 10, "orphan_at": START - 10}
    assert unstretched(world_with(None, book=fair)) == world_with(None, book=fair)
    assert unstretched(world_with(None)) == world_with(None)
