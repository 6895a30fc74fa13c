from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from typing import get_args

import pytest

from podman_llm.core.deeds import Deed, LogTail, Nothing, Outcome, PlanFailed, Probe


def test_deeds_and_outcomes_are_values() -> None:
    assert Nothing() == Nothing()
    assert Probe("u", "m", "n", is_keyed=True, deep=True) != Probe(
        "u", "m", "n", is_keyed=True, deep=False
    )
    with pytest.raises(FrozenInstanceError):
        LogTail(("a",)).lines = ()  # type: ignore[misc]


def test_no_deed_is_also_an_outcome() -> None:
    assert not set(get_args(Deed)) & set(get_args(Outcome))


def test_a_failed_plan_is_final_unless_it_says_otherwise() -> None:
    assert PlanFailed(2, "no such model", "try another").cause is None


def test_no_deed_carries_a_key() -> None:
    names = {field.name for deed in get_args(Deed) for field in fields(deed)}
    assert not {name for name in names if "key" in name} - {"is_keyed"}
