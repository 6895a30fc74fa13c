from __future__ import annotations

from podman_llm.core.demand import NO_DEMAND, Demand
from podman_llm.state.demand import WorkerDemand, demand_stamps, load_demand, save_demand
from podman_llm.state.paths import StatePaths


def _demand(slot: int, *, asked: float | None = None, held: float | None = None) -> WorkerDemand:
    return WorkerDemand(slot=slot, asked_at=asked, held_at=held)


def test_nobody_asks_for_anything_at_first(paths: StatePaths) -> None:
    assert load_demand(paths) == NO_DEMAND
    assert demand_stamps(paths) == ()


def test_the_latest_of_all_workers_counts(paths: StatePaths) -> None:
    save_demand(paths, _demand(0, asked=50.0, held=40.0))
    save_demand(paths, _demand(1, asked=30.0, held=60.0))
    save_demand(paths, _demand(2))
    assert load_demand(paths) == Demand(asked_at=50.0, held_at=60.0)


def test_a_damaged_file_asks_for_nothing(paths: StatePaths) -> None:
    save_demand(paths, _demand(0, asked=50.0))
    (paths.demand_dir / "worker-1.json").write_bytes(b"\0" * 30)
    assert load_demand(paths) == Demand(asked_at=50.0)


def test_every_writing_shows_even_of_the_same(paths: StatePaths) -> None:
    seen = {demand_stamps(paths)}
    for slot in (0, 1, 1, 0):
        save_demand(paths, _demand(slot, asked=50.0))
        seen.add(demand_stamps(paths))
    assert len(seen) == 5
