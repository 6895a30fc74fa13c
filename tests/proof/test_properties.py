"""Anything, in any order: the invariants hold, and in the end nothing bills."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.proof.machine import COUNTS, PodMachine, spends_no_time_on_flushing

EXAMPLES = 80
STEPS = 30


@pytest.mark.timeout(300)
def test_whatever_happens_the_invariants_hold(
    monkeypatch: pytest.MonkeyPatch, record_property: Callable[[str, object], None]
) -> None:
    monkeypatch.setattr(os, "fsync", spends_no_time_on_flushing)
    COUNTS.clear()
    run_state_machine_as_test(
        PodMachine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    told = ", ".join(f"{what} {count}" for what, count in sorted(COUNTS.items()))
    record_property("proof", f"properties: {EXAMPLES} lives of up to {STEPS} events: {told}")
    assert {
        "up",
        "down",
        "two CLIs",
        "crash",
        "state wiped",
        "clock jump",
        "woken",
    } <= COUNTS.keys()
