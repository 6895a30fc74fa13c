from __future__ import annotations

from dataclasses import replace

import pytest

from podman_llm.core.deeds import Nothing, TerminatePod
from podman_llm.core.pod import Phase, StopReason
from tests.core.worlds import NO_LIST, START, phase_of, reading, world_in, world_with


def test_a_world_without_a_record_is_no_place_to_decide_about_one() -> None:
    with pytest.raises(ValueError, match="no record"):
        _ = world_with(None).record


def test_now_is_pod_time_while_a_pod_is_open() -> None:
    back = replace(reading(60), wall=START - 99)
    assert world_in(Phase.READY, reading=back).now == START + 60
    assert world_in(Phase.DONE, reading=back).now == START - 99
    assert world_with(None, reading=back).now == START - 99


def test_the_time_in_a_phase_counts_from_its_last_move() -> None:
    assert world_in(Phase.READY, after=60).in_phase == 60
    assert world_in(Phase.READY, record={"transitions": ()}, after=60).in_phase == 60
    moved = world_in(Phase.READY, after=60).moved(Phase.DEGRADED, "silent")
    assert moved.in_phase == 0


def test_staying_waits_a_poll_unless_told_otherwise() -> None:
    world = world_in(Phase.READY)
    assert world.stay("serving").wait == 5
    assert world.stay("serving").deed == Nothing()
    decision = world.stay("ending", 0.0, TerminatePod("pod1"), strikes=2)
    assert (decision.wait, decision.deed, decision.strikes) == (0.0, TerminatePod("pod1"), 2)


def test_a_long_blindness_is_said_in_every_line() -> None:
    blind = world_in(Phase.READY, view=NO_LIST, blind_for=720.0)
    assert "no usable list of pods for 12 min: 503 from the provider" in blind.stay("serving").note
    assert "no usable list" not in replace(blind, blind_for=600.0).stay("serving").note


def test_going_on_looks_again_at_once() -> None:
    decision = world_in(Phase.READY, strikes=2).go(Phase.DEGRADED, "silent")
    assert (phase_of(decision), decision.wait, decision.strikes) == (Phase.DEGRADED, 0.0, 0)


def test_stopping_notes_why_and_when() -> None:
    decision = world_in(Phase.READY, after=60).stop(StopReason.IDLE, "nobody came")
    record = decision.book.record
    assert record
    assert (record.reason, record.reason_detail) == (StopReason.IDLE, "nobody came")
    assert record.stopping_at == START + 60
    assert "ending the pod (idle): nobody came" in decision.note
