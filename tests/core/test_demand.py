from __future__ import annotations

import pytest

from podman_llm.core.demand import ASKED_COUNTS, HELD_COUNTS, NO_DEMAND, Demand

NOW = 1_000_000.0


@pytest.mark.parametrize(
    ("demand", "is_pressing"),
    [
        (NO_DEMAND, False),
        (Demand(asked_at=NOW), True),
        (Demand(asked_at=NOW - ASKED_COUNTS), True),
        (Demand(asked_at=NOW - ASKED_COUNTS - 1), False),
        (Demand(held_at=NOW - HELD_COUNTS), True),
        (Demand(held_at=NOW - HELD_COUNTS - 1), False),
        (Demand(asked_at=NOW - ASKED_COUNTS - 1, held_at=NOW), True),
        (Demand(asked_at=NOW + 1), False),
    ],
)
def test_demand_counts_while_somebody_may_still_want_it(demand: Demand, is_pressing: bool) -> None:
    assert demand.is_pressing(since=NOW - 1000, now=NOW) is is_pressing


def test_what_came_before_does_not_count() -> None:
    demand = Demand(asked_at=NOW, held_at=NOW)
    assert demand.is_pressing(since=NOW - 0.1, now=NOW)
    assert not demand.is_pressing(since=NOW, now=NOW)
