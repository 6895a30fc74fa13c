from __future__ import annotations

import math

import pytest

from podman_llm.core.breaker import Admission, BreakerPolicy
from podman_llm.core.failover import Effect
from podman_llm.core.routing import POD
from podman_llm.proxy.circuits import Circuits
from podman_llm.testing.clock import FakeClock


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def circuits(clock: FakeClock) -> Circuits:
    return Circuits(("openai",), policy=BreakerPolicy(), clock=clock, chance=lambda: 0.5)


def break_(circuits: Circuits, name: str = POD) -> None:
    circuits.learn(name, Effect.GRAVE, "connection refused")


def test_each_upstream_has_a_circuit_of_its_own(circuits: Circuits) -> None:
    break_(circuits)
    assert circuits.states() == {POD: "OPEN", "openai": "CLOSED"}
    assert circuits.shut(POD) == ("connection refused", 5.0)
    assert circuits.admission("openai") is Admission.PASS


def test_who_asks_occupies_the_one_place_to_try_until_it_tells(
    circuits: Circuits, clock: FakeClock
) -> None:
    break_(circuits)
    clock.advance(5)
    with circuits.asking(POD) as turn:
        assert circuits.admission(POD) is Admission.BUSY
        assert circuits.is_pod_unproven
        turn.effect = Effect.GOOD
    assert circuits.admission(POD) is Admission.TRY
    assert not circuits.is_pod_unproven


def test_who_leaves_without_a_word_frees_the_place(circuits: Circuits, clock: FakeClock) -> None:
    break_(circuits)
    clock.advance(5)
    with pytest.raises(KeyboardInterrupt), circuits.asking(POD):
        raise KeyboardInterrupt
    assert circuits.states()[POD] == "HALF_OPEN"
    assert circuits.admission(POD) is Admission.TRY


def test_another_pod_starts_with_a_clean_record(circuits: Circuits) -> None:
    circuits.meet_pod("pod/a")
    break_(circuits)
    circuits.meet_pod("pod/a")
    assert circuits.states()[POD] == "OPEN"
    circuits.meet_pod("pod/b")
    assert circuits.states()[POD] == "CLOSED"


def test_a_pod_that_comes_while_others_serve_proves_itself_first(
    circuits: Circuits, clock: FakeClock
) -> None:
    circuits.note_fallback()
    circuits.meet_pod("pod/a")
    assert circuits.states()[POD] == "HALF_OPEN"
    assert not circuits.is_pod_unproven
    settling = []
    for seconds in (0, 29, 1):
        clock.advance(seconds)
        settling.append(circuits.is_pod_settling)
    assert settling == [True, True, False]
    for _ in range(2):
        circuits.learn(POD, Effect.GOOD, "")
    assert circuits.admission(POD) is Admission.PASS


def test_what_a_person_set_outlasts_a_pod(circuits: Circuits) -> None:
    circuits.force(POD, is_open=True)
    circuits.meet_pod("pod/b")
    assert circuits.shut(POD) == ("shut by hand", math.inf)
    circuits.force(POD, is_open=False)
    assert circuits.states()[POD] == "CLOSED"


def test_there_are_no_circuits_of_strangers(circuits: Circuits) -> None:
    with pytest.raises(KeyError):
        circuits.force("claude", is_open=True)
    assert "claude" not in circuits.states()
