from __future__ import annotations

from podman_llm.state.activity import (
    Detour,
    WorkerActivity,
    load_activities,
    save_activity,
    summarise,
)
from podman_llm.state.paths import StatePaths


def _activity(slot: int, **fields: object) -> WorkerActivity:
    defaults: dict[str, object] = {
        "pid": 100 + slot,
        "at": 50.0,
        "in_flight": 1,
        "last_counted_at": 40.0 + slot,
        "requests": 10,
        "hits": 3,
        "misses": 6,
        "bypassed": 1,
        "errors": 0,
    }
    return WorkerActivity.model_validate({"slot": slot} | defaults | fields)


def test_each_slot_has_its_file_and_slots_come_in_order(paths: StatePaths) -> None:
    for slot in (10, 2):
        save_activity(paths, _activity(slot))
    assert [one.slot for one in load_activities(paths)] == [2, 10]


def test_a_damaged_file_is_left_out(paths: StatePaths) -> None:
    save_activity(paths, _activity(0))
    (paths.activity_dir / "worker-1.json").write_bytes(b"\0" * 30)
    assert [one.slot for one in load_activities(paths)] == [0]


def test_the_dead_keep_their_totals_but_have_nothing_in_flight() -> None:
    summary = summarise([_activity(0), _activity(1)], is_alive=lambda pid: pid == 100)
    assert (summary.in_flight, summary.requests, summary.hits) == (1, 20, 6)
    assert summary.last_counted_at == 41.0
    assert summary.hit_rate == 6 / 18
    assert summary.known


def test_the_last_detour_of_all_is_told() -> None:
    detours = [
        Detour(at=at, status=200, served_by=f"at-{at}", attempts="", why="") for at in (7.0, 9.0)
    ]
    workers = [_activity(0, detour=detours[1]), _activity(1, detour=detours[0]), _activity(2)]
    assert summarise(workers, is_alive=lambda _pid: False).detour == detours[1]


def test_with_no_live_worker_nothing_is_known() -> None:
    assert not summarise([_activity(0)], is_alive=lambda pid: False).known
    empty = summarise([], is_alive=lambda pid: True)
    assert not empty.known
    assert empty.hit_rate is None
    assert empty.last_counted_at is None
