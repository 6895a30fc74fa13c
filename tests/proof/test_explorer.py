"""Death at every point of every life: one pod at most, none left, and DONE only when it is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.proof.explorer import FAMILIES, WOKEN, Family, Life, Schedule, explore, live, points

SEED = 20261121


@pytest.mark.timeout(300)  # seconds of work for one core, on machines that do other things too
@pytest.mark.parametrize("family", FAMILIES, ids=[family.title for family in FAMILIES])
def test_no_death_breaks_an_invariant(
    family: Family, record_property: Callable[[str, object], None]
) -> None:
    tally = explore(family.schedules(SEED, family.count))
    record_property("proof", f"{family.title} (seed {SEED}): {tally}")
    unexpected = [one for one in tally.failures if not family.expected.issuperset(one[1])]
    assert unexpected == []
    assert tally.schedules > 100
    assert tally.deaths > tally.schedules / 2
    assert bool(tally.failures) == bool(family.expected), "what cannot hold would hold"


@pytest.mark.parametrize(
    "schedule",
    [
        Schedule("created", "only empty lists", "down", (80, 19), 400.0, "all"),
        Schedule("refused", "only empty lists", "down and up again", (77, 12), 400.0, "all"),
    ],
    ids=["ended", "wanted again"],
)
def test_an_empty_list_is_not_believed_after_all_state_was_lost(schedule: Schedule) -> None:
    """Found by scripts/proof, seed 4242."""
    assert live(schedule).problems == ()


def test_a_schedule_is_played_the_same_every_time() -> None:
    schedule = Schedule("late", "empty lists", "expiry", kills=(40, 11), delay=30.0)
    assert live(schedule) == live(schedule)


def test_in_a_life_that_is_woken_there_is_a_second_pod() -> None:
    life = Life(Schedule(ending=WOKEN))
    life.play()
    assert len(life.cloud.pods) == 2
    assert life.left_at
    assert life.house.demand.asked_at
    assert life.house.demand.asked_at > life.left_at


def test_a_life_has_a_point_before_and_after_each_call_and_save() -> None:
    assert points(Schedule()) > 100
    assert points(Schedule(ending="down and up again")) > points(Schedule()) + 50
