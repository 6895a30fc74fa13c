from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from podman_llm.core.naming import LEASE_MARK
from podman_llm.core.pod import Phase, StopReason
from podman_llm.core.readiness import READY_POLL, STRIKES_MAX, conclude_probe, serving_wait
from podman_llm.core.sight import Readiness, Rung, Unknown
from podman_llm.core.world import Decision
from tests.core.worlds import SPEC, START, phase_of, world_in

STARTING = {Phase.BOOTING: "booting", Phase.DEGRADED: "degraded"}
NOT_READY = [Rung.UNREACHABLE, Rung.HEALTHY, Rung.LISTED, Rung.UNKNOWN]


def probed(phase: Phase, rung: Rung, **world: Any) -> Decision:
    return conclude_probe(world_in(phase, **world), Readiness(rung, f"found {rung}"))


@pytest.mark.parametrize("phase", STARTING)
def test_only_a_completion_makes_a_pod_ready(phase: Phase) -> None:
    assert phase_of(probed(phase, Rung.ANSWERING)) is Phase.READY
    for rung in NOT_READY:
        decision = probed(phase, rung)
        assert phase_of(decision) is phase
        assert f"found {rung}" in decision.note


@pytest.mark.parametrize("phase", [*STARTING, Phase.READY])
@pytest.mark.parametrize("rung", Rung)
def test_with_a_lease_it_is_remembered_when_our_key_was_taken(phase: Phase, rung: Rung) -> None:
    leased = {"spec": replace(SPEC, env={LEASE_MARK: "1800"})}
    record = probed(phase, rung, record=leased, after=80).book.record
    without = probed(phase, rung, after=80).book.record
    assert record
    assert without
    is_taken = rung in {Rung.LISTED, Rung.ANSWERING}
    assert record.greeted_at == (START + 80 if is_taken else None)
    assert without.greeted_at is None


def test_the_first_time_ready_is_kept_and_restarts_are_forgiven() -> None:
    first = probed(Phase.BOOTING, Rung.ANSWERING, record={"restarts": 2}, after=80)
    assert first.book.record
    assert (first.book.record.ready_at, first.book.record.restarts) == (START + 80, 0)
    assert "80 s after it was asked for" in first.note
    again = probed(Phase.DEGRADED, Rung.ANSWERING, after=90)
    assert again.book.record
    assert again.book.record.ready_at == START
    assert "answers again" in again.note


@pytest.mark.parametrize("phase", STARTING)
def test_a_refused_key_counts_when_it_is_refused_again_and_again(phase: Phase) -> None:
    early = probed(phase, Rung.KEY_REFUSED, strikes=STRIKES_MAX - 2)
    assert phase_of(early) is phase
    assert early.strikes == STRIKES_MAX - 1
    last = probed(phase, Rung.KEY_REFUSED, strikes=STRIKES_MAX - 1)
    assert last.book.record
    assert last.book.record.reason is StopReason.KEY_REFUSED
    assert probed(phase, Rung.HEALTHY, strikes=2).strikes == 0


@pytest.mark.parametrize("rung", [Rung.LISTED, Rung.ANSWERING])
def test_a_serving_pod_goes_on_serving(rung: Rung) -> None:
    decision = probed(Phase.READY, rung, strikes=2, after=600)
    assert phase_of(decision) is Phase.READY
    assert (decision.strikes, decision.wait) == (0, READY_POLL)
    assert "50 min left" in decision.note


@pytest.mark.parametrize("rung", [Rung.UNREACHABLE, Rung.HEALTHY, Rung.KEY_REFUSED])
def test_definitely_not_ready_three_times_is_degraded(rung: Rung) -> None:
    first = probed(Phase.READY, rung)
    assert phase_of(first) is Phase.READY
    assert (first.strikes, first.wait) == (1, 5.0)
    last = probed(Phase.READY, rung, strikes=STRIKES_MAX - 1)
    assert phase_of(last) is Phase.DEGRADED
    assert last.strikes == 0


def test_what_is_unknown_never_degrades() -> None:
    for world in (
        {"rung": Rung.UNKNOWN},
        {"rung": Rung.UNREACHABLE, "sight": Unknown("no network here")},
    ):
        decision = probed(Phase.READY, strikes=2, **world)
        assert phase_of(decision) is Phase.READY
        assert decision.strikes == 2


def test_a_serving_pod_is_looked_at_seldom_but_in_time_for_its_end() -> None:
    assert serving_wait(world_in(Phase.READY)) == READY_POLL
    assert serving_wait(world_in(Phase.READY, after=3594)) == 6
    assert serving_wait(world_in(Phase.READY, after=3700)) == 0
    assert serving_wait(world_in(Phase.READY, strikes=1)) == 5
    assert serving_wait(world_in(Phase.DEGRADED)) == 5
