"""Each protective step is taken out in turn, and each time the proof fails."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.proof.explorer import first_failure
from tests.proof.mutants import MUTANTS, Mutant

EACH = pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name for mutant in MUTANTS])


@EACH
def test_without_this_step_the_proof_fails(
    mutant: Mutant,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    schedules = mutant.schedules()
    assert first_failure(schedules) is None, "the schedules are those that the real code survives"
    mutant.apply(monkeypatch)
    if mutant.test is not None:
        with pytest.raises(AssertionError):
            mutant.test()
        record_property("proof", f"mutant found: {mutant.name}, by {mutant.breaks}")
        return
    found = first_failure(schedules)
    assert found is not None, "nothing noticed that this step is missing"
    number, schedule, problems = found
    assert mutant.breaks in problems, schedule
    record_property(
        "proof", f"mutant found: {mutant.name}, in schedule {number} by {mutant.breaks}"
    )
