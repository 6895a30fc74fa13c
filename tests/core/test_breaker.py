from __future__ import annotations

import math

import pytest

from podman_llm.core.breaker import (
    Admission,
    BreakerPolicy,
    Circuit,
    Closed,
    HalfOpen,
    Open,
    abandoned,
    admission,
    admit,
    failed,
    force_close,
    force_open,
    is_settling,
    is_unproven,
    name_of,
    on_probation,
    seconds_shut,
    succeeded,
)

POLICY = BreakerPolicy()


def fail(
    circuit: Circuit, now: float = 0.0, *, grave: bool = False, chance: float = 0.5
) -> Circuit:
    return failed(circuit, now, POLICY, why="refused", is_grave=grave, chance=chance)


def test_a_circuit_opens_after_failures_in_a_row() -> None:
    circuit: Circuit = Closed()
    for _ in range(2):
        circuit = fail(circuit)
        assert admission(circuit, 0.0) is Admission.PASS
    assert fail(circuit) == Open(until=5.0, streak=1, why="refused")


def test_a_good_call_ends_the_row() -> None:
    circuit = succeeded(fail(fail(Closed())), 0.0, POLICY)
    assert isinstance(fail(fail(circuit)), Closed)


def test_nobody_there_opens_at_once() -> None:
    assert isinstance(fail(Closed(), grave=True), Open)


def test_half_the_calls_failing_opens_even_without_a_row() -> None:
    circuit: Circuit = Closed()
    for number in range(9):
        circuit = succeeded(circuit, number, POLICY) if number % 2 else fail(circuit, number)
        assert isinstance(circuit, Closed)
    assert isinstance(fail(succeeded(circuit, 9.0, POLICY), 9.0), Open)


def test_calls_of_long_ago_are_forgotten() -> None:
    circuit: Circuit = Closed()
    for number in range(10):
        circuit = succeeded(circuit, number, POLICY) if number % 2 else fail(circuit, number)
    circuit = Closed(0, circuit.calls if isinstance(circuit, Closed) else ())
    assert isinstance(fail(circuit, 100.0), Closed)


def test_what_is_remembered_is_bounded() -> None:
    circuit: Circuit = Closed()
    for number in range(100):
        circuit = succeeded(circuit, number, POLICY)
    assert isinstance(circuit, Closed)
    assert len(circuit.calls) == 20


def test_while_open_nobody_asks_and_then_one_tries() -> None:
    circuit = fail(Closed(), 10.0, grave=True)
    assert admission(circuit, 14.9) is Admission.NO
    assert seconds_shut(circuit, 12.0) == 3.0
    assert admit(circuit, 14.9) == circuit
    assert admission(circuit, 15.0) is Admission.TRY
    trying = admit(circuit, 15.0)
    assert name_of(trying) == "HALF_OPEN"
    assert admission(trying, 15.0) is Admission.BUSY
    assert admission(abandoned(trying), 15.0) is Admission.TRY
    assert admission(admit(abandoned(trying), 16.0), 16.0) is Admission.BUSY


def test_good_calls_close_it_again() -> None:
    trying = admit(fail(Closed(), grave=True), 5.0)
    once = succeeded(trying, 5.0, POLICY)
    assert admission(once, 5.0) is Admission.TRY
    assert succeeded(once, 6.0, POLICY) == Closed()


def test_each_failed_trial_keeps_it_open_for_longer_up_to_a_bound() -> None:
    circuit, now, waits = fail(Closed(), grave=True), 0.0, []
    for _ in range(4):
        assert isinstance(circuit, Open)
        waits.append(circuit.until - now)
        now = circuit.until
        circuit = fail(admit(circuit, now), now)
    assert waits == [5.0, 20.0, 60.0, 60.0]


@pytest.mark.parametrize(("chance", "wait"), [(0.0, 4.0), (1.0, 6.0)])
def test_chance_spreads_the_return(chance: float, wait: float) -> None:
    assert seconds_shut(fail(Closed(), grave=True, chance=chance), 0.0) == pytest.approx(wait)


def test_a_minute_of_outage_costs_three_calls_whatever_chance_does() -> None:
    circuit, calls = fail(Closed(), 0.0, grave=True, chance=0.0), 1
    for now in range(61):
        if admission(circuit, float(now)) is Admission.TRY:
            calls += 1
            circuit = fail(admit(circuit, float(now)), float(now), chance=0.0)
    assert calls == 3


def test_calls_that_end_late_change_nothing_while_open() -> None:
    circuit = fail(Closed(), grave=True)
    assert fail(circuit, 1.0) == succeeded(circuit, 1.0, POLICY) == abandoned(circuit) == circuit


def test_what_tells_nothing_changes_nothing() -> None:
    circuit = fail(fail(Closed()))
    assert abandoned(circuit) == circuit
    assert admit(circuit, 0.0) == circuit


def test_a_person_has_the_last_word() -> None:
    shut = force_open("maintenance")
    assert isinstance(shut, Open)
    assert shut.is_forced
    assert admission(shut, 1e12) is Admission.NO
    assert math.isinf(seconds_shut(shut, 0.0))
    assert force_close() == Closed()


def test_a_new_upstream_is_trusted_step_by_step() -> None:
    circuit = on_probation(100.0)
    assert admission(circuit, 100.0) is Admission.TRY
    assert is_settling(circuit, 129.0, POLICY)
    assert not is_settling(circuit, 130.0, POLICY)
    assert not is_settling(Closed(), 100.0, POLICY)
    failing = fail(admit(circuit, 100.0), 100.0)
    assert seconds_shut(failing, 100.0) == 5.0


def test_after_an_outage_a_probe_goes_before_the_first_request() -> None:
    shut = fail(Closed(), grave=True)
    probing = admit(shut, 5.0)
    assert is_unproven(shut)
    assert is_unproven(probing)
    assert not is_unproven(succeeded(probing, 5.0, POLICY))
    assert not is_unproven(Closed())
    assert not is_unproven(on_probation(0.0))


@pytest.mark.parametrize(
    ("circuit", "name"),
    [(Closed(), "CLOSED"), (Open(1.0, 1, ""), "OPEN"), (HalfOpen(0.0), "HALF_OPEN")],
)
def test_states_have_names(circuit: Circuit, name: str) -> None:
    assert name_of(circuit) == name
