from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from podman_llm.core.listing import ListView
from podman_llm.core.pod import Phase, StopReason
from podman_llm.core.world import Book, Verdict
from podman_llm.pods.book import (
    CLOSED_KEPT,
    book_of,
    is_worth_saving,
    restored,
    with_book,
    with_list,
)
from podman_llm.state.paths import StatePaths
from podman_llm.state.store import Failure, Loaded, PodState, StateStore
from tests.pods.house import House, ready_house


def view(count: int | None, *, at: float = 1000.0, valid: bool = True) -> ListView:
    return ListView((), is_valid=valid, at=at, count=count)


def test_what_is_remembered_goes_to_disk_and_back() -> None:
    house = ready_house()
    verdict = Verdict(3, 5, "nothing free", "later", 1000.0)
    book = Book(record=house.record, verdict=verdict, is_rebuilding=True, orphan_at=7.0)
    state = with_book(PodState(), book)
    assert state.failure == Failure(3, 5, "nothing free", "later", 1000.0)
    assert book_of(state) == book


def test_the_real_store_reads_back_what_a_life_leaves(tmp_path: Path) -> None:
    house = House()
    paths = StatePaths(root=tmp_path / "state")
    paths.ensure()
    house.store = _Recording(StateStore(paths, house.clock))
    house.restart()
    house.up()
    house.run_to(Phase.READY)
    house.restart()
    house.down()
    house.run_until_settled()
    loaded = StateStore(paths, house.clock).load()
    assert loaded.origin == "current"
    assert loaded.state == house.state
    assert loaded.state.current
    assert loaded.state.current.reason is StopReason.USER


class _Recording:
    def __init__(self, store: StateStore) -> None:
        self._store = store
        self.saves: list[PodState] = []

    def load(self) -> Loaded:
        return self._store.load()

    def is_as_left(self) -> bool:
        return self._store.is_as_left()

    def save(self, state: PodState) -> None:
        self._store.save(state)
        self.saves.append(state)


def test_a_closed_record_that_makes_room_is_kept_and_a_cancelled_one_is_not() -> None:
    house = ready_house()
    house.down()
    house.run_until_settled()
    done = house.record
    following = replace(done, name="next", phase=Phase.INTENT, evidence=None)
    kept = with_book(PodState(current=done), Book(record=following))
    assert kept.closed == (done,)
    cancelled = replace(done, phase=Phase.CANCELLED)
    assert with_book(PodState(current=cancelled), Book(record=following)).closed == ()
    full = PodState(current=done, closed=(done,) * CLOSED_KEPT)
    assert len(with_book(full, Book(record=following)).closed) == CLOSED_KEPT


def test_an_open_record_that_changes_its_name_is_not_closed() -> None:
    record = ready_house().record
    renamed = replace(record, name="next")
    assert with_book(PodState(current=record), Book(record=renamed)).closed == ()


def test_looks_alone_are_not_worth_a_save() -> None:
    record = ready_house().record
    saved = PodState(current=record)
    looked = replace(saved, last_list_at=5.0)
    assert not is_worth_saving(saved, looked)
    assert is_worth_saving(None, PodState())
    assert is_worth_saving(saved, replace(saved, orphan_at=1.0))


def test_the_memory_of_a_pods_last_sign_of_life_is_kept_to_the_minute() -> None:
    record = replace(ready_house().record, greeted_at=600.0)
    saved = PodState(current=record)
    later = replace(saved, current=replace(record, greeted_at=659.0))
    assert not is_worth_saving(saved, later)
    assert is_worth_saving(saved, replace(saved, current=replace(record, greeted_at=660.0)))


def test_the_memory_of_a_non_empty_list_is_kept_to_the_hour() -> None:
    state = with_list(PodState(), view(2, at=1000.0))
    assert state.last_nonempty_list_at == 1000.0
    assert with_list(state, view(2, at=2000.0)).last_nonempty_list_at == 1000.0
    assert with_list(state, view(2, at=9000.0)).last_nonempty_list_at == 9000.0
    assert with_list(state, view(2, at=500.0)).last_nonempty_list_at == 500.0
    assert with_list(state, view(0, at=9000.0)).last_nonempty_list_at == 1000.0


def test_only_a_valid_list_counts_as_seen() -> None:
    assert with_list(PodState(), view(0, at=9.0)).last_list_at == 9.0
    assert with_list(PodState(), view(None, at=9.0, valid=False)).last_list_at is None


def test_a_lost_past_is_rebuilt_behind_a_quarantine() -> None:
    house = House()
    reading = house.clock.reading()
    state = restored(Loaded(PodState(), "rebuild"), reading, quarantine=180)
    assert state.is_rebuilding
    assert state.quarantine_until == reading.wall + 180
    assert state.last_nonempty_list_at == reading.wall, "an empty list must be suspect"


def test_a_state_without_an_open_pod_is_taken_as_it_is() -> None:
    house = ready_house()
    reading = house.clock.reading()
    assert restored(Loaded(PodState(), "fresh"), reading, quarantine=1) == PodState()
    house.down()
    house.run_until_settled()
    assert restored(Loaded(house.state, "previous"), reading, quarantine=1) == house.state
