from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from podman_llm.core.learning import learn
from podman_llm.core.pod import Phase, PodRecord, RateInterval
from podman_llm.core.sight import Gone
from tests.core.worlds import (
    DOWN,
    NO_LIST,
    START,
    UP,
    listed,
    reading,
    record_in,
    sight_of,
    world_in,
    world_with,
)


def learnt(record: dict[str, Any] | None = None, **world: Any) -> PodRecord:
    return learn(world_in(Phase.BOOTING, record=record, **world))


def test_what_the_provider_tells_is_kept() -> None:
    record = learnt({"endpoint": None, "created_at": None}, after=130)
    assert (record.endpoint, record.created_at) == ("http://pod1", START)
    assert record.container_start == 30.0


def test_what_it_does_not_tell_is_not_forgotten() -> None:
    silent = sight_of(endpoint=None, created_at=None, uptime=None, cost_per_hour=None)
    record = learnt({"container_start": 7.0}, sight=silent)
    assert (record.endpoint, record.created_at) == ("http://pod1", START)
    assert record.container_start == 7.0
    assert record.cost_per_hour == 0.5


def test_a_new_price_counts_from_now_and_a_zero_is_no_price() -> None:
    record = learnt(sight=sight_of(cost_per_hour=0.7), after=60)
    assert record.rates[1:] == (RateInterval(START + 60, 0.7),)
    assert len(learnt(sight=sight_of(cost_per_hour=0.0)).rates) == 1


def test_a_start_that_moved_is_a_restart_but_rounding_is_not() -> None:
    assert learnt({"container_start": 10.0}, after=130).restarts == 1
    assert learnt({"container_start": 28.5}, after=130).restarts == 0
    assert learnt({"container_start": None}, after=130).restarts == 0


def test_a_restart_is_seen_although_the_new_container_is_older_than_the_last_one_was() -> None:
    young = learnt({"container_start": None}, sight=sight_of(uptime=5.0), after=30)
    assert young.container_start == 25.0
    later = learnt({"container_start": 25.0}, sight=sight_of(uptime=8.0), after=60)
    assert (later.restarts, later.container_start) == (1, 52.0)


def test_of_two_estimates_of_one_start_the_earlier_is_kept() -> None:
    assert learnt({"container_start": 29.0}, after=130).container_start == 29.0
    assert learnt({"container_start": 31.0}, after=130).container_start == 30.0


def test_it_is_noted_when_a_valid_list_first_showed_the_pod() -> None:
    fresh = {"listed_at": None}
    assert learnt(fresh, after=9).listed_at == START + 9
    assert learnt(fresh, view=listed()).listed_at is None
    assert learnt(fresh, view=replace(NO_LIST, pods=(sight_of(),))).listed_at is None
    assert learnt(after=9).listed_at == START


def test_a_pod_that_is_seen_was_never_absent() -> None:
    absent = {"absences": ((START, 0),)}
    assert learnt(absent).absences == ()
    assert learnt(absent, sight=Gone()).absences == ((START, 0),)


def test_an_extension_moves_the_soft_deadline_of_its_own_generation() -> None:
    longer = replace(UP, extended_seconds=600.0)
    assert learnt(wish=longer).soft_deadline == START + 4200
    assert learnt(wish=longer, sight=Gone()).soft_deadline == START + 4200
    assert learnt(wish=replace(longer, generation=2)).soft_deadline == START + 3600
    assert learnt(wish=replace(DOWN, extended_seconds=600.0)).soft_deadline == START + 3600


@given(
    looks=st.lists(
        st.tuples(
            st.floats(0, 600),
            st.none() | st.floats(0, 20),
            st.floats(-1e5, 1e5),
            st.floats(-3600, 86400),
        ),
        max_size=12,
    )
)
def test_whatever_is_seen_spending_only_grows_and_the_cap_never_moves(
    looks: list[tuple[float, float | None, float, float]],
) -> None:
    record, after, spent = record_in(Phase.READY), 0.0, 0.0
    for seconds, price, step, granted in looks:
        after += seconds
        wish = replace(UP, extended_seconds=granted)
        now = replace(reading(after), wall=START + after + step)
        world = world_with(record, sight=sight_of(cost_per_hour=price), wish=wish, reading=now)
        steady = replace(world, reading=reading(after))
        seen = learn(steady)
        assert seen.spent(steady.now) >= spent - 1e-9
        spent = seen.spent(steady.now)
        assert learn(world).hard_deadline == record.hard_deadline
        assert record.soft_deadline <= seen.soft_deadline <= record.hard_deadline
        record = seen


def test_a_price_above_the_catalogs_counts_from_the_request_on() -> None:
    record = record_in(Phase.PROVISIONING)
    dear = learn(world_with(record, sight=sight_of(cost_per_hour=0.7), after=60))
    assert dear.rates == (RateInterval(START, 0.7),)
    cheap = learn(world_with(record, sight=sight_of(cost_per_hour=0.3), after=60))
    assert cheap.rates == (RateInterval(START, 0.5), RateInterval(START + 60, 0.3))
