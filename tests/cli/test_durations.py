from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podman_llm.cli.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("30m", 1800), ("4h", 14400), ("1h30m", 5400), ("+1h", 3600),
     ("0.5h", 1800), ("2d", 172800), ("0", 0)],
)  # fmt: skip
def test_a_duration_is_read_as_people_write_it(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "4 hours", "-1h", "1x", "1h-2m", "nan", "inf"])
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write for example"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (45, "45s"), (59.6, "1m 00s"), (725, "12m 05s"), (11400, "3h 10m"),
     (187200, "2d 4h"), (-3, "0s")],
)  # fmt: skip
def test_a_duration_is_told_in_at_most_two_units(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(0, 10**6))
def test_what_is_told_can_be_read_again_to_within_its_last_unit(seconds: int) -> None:
    told = format_duration(seconds).replace(" ", "")
    assert abs(parse_duration(told) - seconds) < (3600 if "d" in told else 60)
