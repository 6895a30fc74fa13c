from __future__ import annotations

from podman_llm.core.pod import PodRecord
from podman_llm.core.sight import Gone, PodSight, Unknown
from podman_llm.pods.observe import Observer
from podman_llm.testing.cloud import ListFault
from tests.pods.house import House, ready_house


def observer(house: House) -> Observer:
    return Observer(house.cloud, house.clock)


def record_of(house: House) -> PodRecord:
    return house.record


def test_the_open_pod_is_looked_at_by_id_and_a_closed_one_is_not() -> None:
    house = ready_house()
    look = observer(house).look(house.record, last_nonempty_at=None)
    assert isinstance(look.sight, PodSight)
    house.down()
    house.run_until_settled()
    closed = observer(house).look(house.record, last_nonempty_at=None)
    assert isinstance(closed.sight, Unknown)


def test_without_a_record_there_is_only_the_list() -> None:
    house = House()
    look = observer(house).look(None, last_nonempty_at=None)
    assert look.view.is_valid
    assert isinstance(look.sight, Unknown)


def test_a_closed_pod_is_looked_at_to_confirm_an_empty_list() -> None:
    house = ready_house()
    house.down()
    house.run_until_settled()
    house.cloud.tells_spend = False
    look = observer(house).look(house.record, last_nonempty_at=house.clock.wall())
    assert isinstance(look.sight, Gone)
    assert look.view.is_valid


def test_what_the_account_is_charged_contradicts_an_empty_list() -> None:
    house = ready_house()
    house.cloud.list_faults.append(ListFault.EMPTY)
    look = observer(house).look(None, last_nonempty_at=house.clock.wall())
    assert not look.view.is_valid
    assert "$0.500/h is being charged" in look.view.why


def test_a_sudden_fall_to_none_needs_a_second_list() -> None:
    house = ready_house()
    house.cloud._make(house.cloud.requests[0], 0.0)
    eyes = observer(house)
    eyes.look(None, last_nonempty_at=None)
    for pod in house.cloud.pods:
        house.cloud.end(pod)
    assert not eyes.look(None, last_nonempty_at=None).view.is_valid
    assert eyes.look(None, last_nonempty_at=None).view.is_valid


def test_blindness_is_counted_from_the_first_useless_list() -> None:
    house = House()
    eyes = observer(house)
    house.cloud.deaf = True
    assert eyes.look(None, last_nonempty_at=None).blind_for == 0
    house.clock.advance(30)
    assert eyes.look(None, last_nonempty_at=None).blind_for == 30
    house.cloud.deaf = False
    assert eyes.look(None, last_nonempty_at=None).blind_for == 0


def test_a_pod_that_the_list_shows_outweighs_a_404() -> None:
    house = ready_house()
    house.cloud.hidden_for = 10**6
    look = observer(house).look(house.record, last_nonempty_at=None)
    assert isinstance(look.sight, PodSight)
