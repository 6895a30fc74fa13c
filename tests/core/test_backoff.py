from __future__ import annotations

import pytest

from podman_llm.core.backoff import UNRESOLVED_OFFSETS, exponential, until_next_look


@pytest.mark.parametrize(
    ("tries", "wait"), [(0, 15), (1, 15), (2, 30), (3, 60), (5, 240), (6, 300), (5000, 300)]
)
def test_waits_double_up_to_a_most(tries: int, wait: float) -> None:
    assert exponential(tries, first=15, most=300) == wait


def test_the_looks_for_a_lost_pod_come_early_then_steadily() -> None:
    looks, elapsed = [0.0], 0.0
    for _ in range(10):
        elapsed += until_next_look(elapsed)
        looks.append(elapsed)
    assert looks == [0, 0.25, 0.5, 1, 2, 4, 8, 16, 31, 46, 61]


def test_a_late_look_is_followed_by_the_next_on_the_list() -> None:
    assert until_next_look(5.0) == 3.0
    assert until_next_look(UNRESOLVED_OFFSETS[-1]) == 15.0
