from __future__ import annotations

import errno
import os
import pickle
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from podman_llm.cache.base import Entry
from podman_llm.cache.disk import DiskStore, open_disk_cache
from podman_llm.errors import ConfigError
from podman_llm.testing.clock import FakeClock
from tests.contracts.cache import ENTRY, entry, key

LARGE = entry(b"x" * 200_000)  # beyond what SQLite holds itself, so it lies in a file


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def store(directory: Path, clock: FakeClock) -> Iterator[DiskStore]:
    store = _open(directory, clock)
    yield store
    store.close()


def _open(directory: Path, clock: FakeClock, max_bytes: int = 10_000_000) -> DiskStore:
    return open_disk_cache(directory, max_entries=1000, max_bytes=max_bytes, clock=clock)


def _sql(directory: Path, statement: str, *values: object) -> list[tuple[object, ...]]:
    database = sqlite3.connect(directory / "cache.db")
    try:
        with database:
            return database.execute(statement, values).fetchall()
    finally:
        database.close()


def _raise_full() -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def _values(directory: Path) -> list[Path]:
    return list(directory.glob("*/*/*.val"))


@pytest.mark.parametrize("kept", [ENTRY, LARGE], ids=["small", "large"])
def test_entries_survive_the_store(
    store: DiskStore, directory: Path, clock: FakeClock, kept: Entry
) -> None:
    store.write(key(1), kept)
    store.close()
    again = _open(directory, clock)
    assert again.read(key(1)) == kept
    again.close()


def test_asking_how_full_it_is_makes_no_directory(store: DiskStore, directory: Path) -> None:
    assert store.stats().entries == 0
    assert store.read(key(1)) is None
    assert store.clear() == 0
    assert not directory.exists()


def test_preparing_makes_it_private(store: DiskStore, directory: Path) -> None:
    store.prepare()
    assert directory.stat().st_mode & 0o777 == 0o700
    assert store.stats().healthy


def test_an_unsafe_directory_is_refused_at_once(directory: Path, clock: FakeClock) -> None:
    directory.mkdir()
    directory.chmod(0o777)
    with pytest.raises(ConfigError, match="written by others"):
        _open(directory, clock)


def test_what_is_kept_is_listed_without_its_answers(store: DiskStore) -> None:
    assert store.kept() == []
    store.write(key(1), replace(LARGE, model="large@1"))
    store.write(key(2), ENTRY)
    large, small = sorted(store.kept(), key=lambda one: one.key)
    assert (large.key, large.model, small.model) == (key(1), "large@1", "")
    assert large.size > 200_000 > small.size
    assert (small.served_by, small.stored_at) == (ENTRY.served_by, ENTRY.stored_at)


def test_what_lost_its_file_is_listed_and_can_be_dropped(store: DiskStore, directory: Path) -> None:
    store.write(key(1), LARGE)
    _values(directory)[0].unlink()
    assert [one.stored_at for one in store.kept()] == [0.0]
    assert store.drop([key(1)]) == 1


def test_dropping_some_leaves_the_others_and_is_heard_of(store: DiskStore, directory: Path) -> None:
    assert store.drop([key(1)]) == 0
    for number in range(3):
        store.write(key(number), LARGE)
    before = store.generation()
    assert store.drop([key(0), key(2), key(9)]) == 2
    assert [one.key for one in store.kept()] == [key(1)]
    assert len(_values(directory)) == 1
    assert store.generation() != before


def test_files_go_with_their_entries(store: DiskStore, directory: Path) -> None:
    store.write(key(1), LARGE)
    store.write(key(1), LARGE)
    assert len(_values(directory)) == 1
    store.clear()
    assert _values(directory) == []


def test_what_was_read_before_closing_counts_as_used_for_the_next(
    store: DiskStore, directory: Path, clock: FakeClock
) -> None:
    for number in range(3):
        store.write(key(number), entry(b"x" * 20_000))
    store.read(key(0))
    store.close()
    smaller = _open(directory, clock, max_bytes=70_000)
    smaller.write(key(3), entry(b"x" * 20_000))
    assert [n for n in range(4) if smaller.read(key(n))] == [0, 2, 3]
    smaller.close()


def test_touched_entries_are_evicted_last(directory: Path, clock: FakeClock) -> None:
    store = _open(directory, clock, max_bytes=70_000)
    for number in range(3):
        store.write(key(number), entry(b"x" * 20_000))
    store.touch([key(0)])
    store.write(key(3), entry(b"x" * 20_000))
    assert [n for n in range(4) if store.read(key(n))] == [0, 2, 3]
    store.close()


def test_which_keys_there_may_be_is_known_to_all_at_once_and_after_a_restart(
    store: DiskStore, directory: Path, clock: FakeClock
) -> None:
    assert store.may_have(key(1))  # nothing was looked at yet
    store.prepare()
    assert not store.may_have(key(1))
    other = _open(directory, clock)
    other.prepare()
    store.write(key(1), ENTRY)
    assert store.may_have(key(1))
    assert other.may_have(key(1))
    (directory / "keys").write_bytes(b"")  # a lost file costs answers, until the next start
    assert not store.may_have(key(1))
    again = _open(directory, clock)
    again.prepare()
    assert again.may_have(key(1))
    assert again.clear() == 1
    assert not again.may_have(key(1))
    assert not store.may_have(key(1))


# never pickle -----------------------------------------------------------------------------------


class _Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os._exit, (42,)  # type: ignore[return-value] # what a pickle may do


@pytest.mark.parametrize("mode", [1, 2, 3, 4, 99])
def test_a_planted_pickle_is_never_opened(store: DiskStore, directory: Path, mode: int) -> None:
    store.write(key(1), ENTRY)
    _sql(directory, "UPDATE Cache SET mode = ?, value = ?", mode, pickle.dumps(_Bomb()))
    assert store.read(key(1)) is None
    assert store.stats().entries == 0


def test_a_planted_pickle_in_a_file_is_never_opened(store: DiskStore, directory: Path) -> None:
    store.write(key(1), LARGE)
    _values(directory)[0].write_bytes(pickle.dumps(_Bomb()))
    _sql(directory, "UPDATE Cache SET mode = 4")
    assert store.read(key(1)) is None


def test_a_planted_pickled_key_is_never_opened(store: DiskStore, directory: Path) -> None:
    store.write(key(1), ENTRY)
    _sql(directory, "UPDATE Cache SET key = ?, raw = 0", pickle.dumps(_Bomb()))
    assert store.read(key(1)) is None
    assert store._shelf is not None
    with pytest.raises(TypeError, match="not text"):
        list(store._shelf)
    assert store.clear() == 1


def test_a_row_that_names_another_file_neither_reads_nor_removes_it(
    store: DiskStore, directory: Path
) -> None:
    diary = directory.parent / "diary.txt"
    diary.write_text("dear diary")
    store.write(key(1), LARGE)
    _sql(directory, "UPDATE Cache SET filename = ?", "../diary.txt")
    assert store.read(key(1)) is None
    assert store.stats().entries == 0
    assert diary.read_text() == "dear diary"


def test_only_text_keys_and_bytes_are_taken(store: DiskStore) -> None:
    store.prepare()
    shelf = store._shelf
    assert shelf is not None
    shelf.set("a", b"bytes")
    assert list(shelf) == ["a"]
    for bad_key in (b"bytes", 1, ("a",)):
        with pytest.raises(TypeError, match="cache key"):
            shelf.set(bad_key, b"")
    for bad_value in ("text", 1, None, [b""]):
        with pytest.raises(TypeError, match="cache value"):
            shelf.set("a", bad_value)


# damage and faults ------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", [b"", b"x", None], ids=["emptied", "overwritten", "removed"])
def test_a_damaged_file_is_no_entry_and_is_gone(
    store: DiskStore, directory: Path, damage: bytes | None
) -> None:
    store.write(key(1), LARGE)
    store.write(key(2), ENTRY)
    (value,) = _values(directory)
    value.unlink() if damage is None else value.write_bytes(damage)
    assert store.read(key(1)) is None
    assert store.stats().entries == 1
    assert store.read(key(2)) == ENTRY


def test_a_database_that_is_none_is_thrown_away_and_begun_anew(
    store: DiskStore, directory: Path, clock: FakeClock
) -> None:
    store.write(key(1), LARGE)
    store.close()
    for path in directory.glob("cache.db*"):
        path.write_bytes(b"this is not a database" * 1000)
    again = _open(directory, clock)
    assert again.read(key(1)) is None
    assert not again.stats().healthy
    clock.advance(6)
    again.write(key(2), ENTRY)
    assert again.read(key(2)) == ENTRY
    assert again.stats().healthy
    assert _values(directory) == []
    again.close()


def test_a_damaged_database_is_told_until_it_works_again(
    store: DiskStore, directory: Path, clock: FakeClock
) -> None:
    directory.mkdir(mode=0o700)
    (directory / "cache.db").write_bytes(b"this is not a database" * 1000)
    store.prepare()
    assert "is damaged" in store.stats().problem
    clock.advance(6)
    store.prepare()
    assert store.stats().healthy


def test_a_directory_removed_underneath_is_made_again(store: DiskStore, directory: Path) -> None:
    store.write(key(1), LARGE)
    directory.rename(directory.with_name("elsewhere"))
    assert store.read(key(1)) is None
    store.write(key(2), ENTRY)
    assert store.read(key(2)) == ENTRY
    assert store.stats().entries == 1


def test_a_full_disk_is_told_and_tried_again_later(
    store: DiskStore, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(key(1), ENTRY)

    with monkeypatch.context() as full:
        full.setattr("diskcache.Disk._write", lambda *_: _raise_full())
        store.write(key(2), LARGE)
    stats = store.stats()
    assert not stats.healthy
    assert stats.problem.endswith("is full")
    assert store.read(key(1)) is None  # it rests
    clock.advance(6)
    store.write(key(2), LARGE)
    assert store.read(key(2)) == LARGE
    assert store.read(key(1)) == ENTRY
    assert store.stats().healthy


def test_a_database_that_may_not_grow_is_a_full_disk(store: DiskStore, clock: FakeClock) -> None:
    store.write(key(1), ENTRY)
    assert store._shelf is not None
    store._shelf._con.execute("PRAGMA max_page_count = 1")
    store.write(key(2), entry(b"x" * 30_000))
    assert store.stats().problem.endswith("is full")
    clock.advance(6)
    assert store.read(key(1)) == ENTRY


def test_a_half_written_file_does_not_stay(
    store: DiskStore, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(self: object, path: str, *_: object) -> None:
        Path(path).parent.mkdir(parents=True)
        Path(path).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("diskcache.Disk._write", half)
    store.write(key(1), LARGE)
    assert _values(directory) == []


def test_a_place_that_cannot_be_made_is_told(tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / "file").touch()
    store = _open(tmp_path / "file" / "cache", clock)
    store.write(key(1), ENTRY)
    assert store.read(key(1)) is None
    assert "cannot be used" in store.stats().problem


def test_a_locked_database_is_read_all_the_same_and_writing_is_given_up_soon(
    store: DiskStore, directory: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("podman_llm.cache.disk._LOCK_SECONDS", 0.05)
    store.write(key(1), ENTRY)
    other = sqlite3.connect(directory / "cache.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert store.read(key(1)) == ENTRY
    store.write(key(2), ENTRY)
    assert "is locked" in store.stats().problem
    other.execute("COMMIT")
    other.close()
    clock.advance(6)
    assert store.read(key(1)) == ENTRY
    assert store.read(key(2)) is None


def test_values_that_a_killed_writer_left_are_swept_once_they_are_old(
    store: DiskStore, directory: Path, clock: FakeClock
) -> None:
    store.write(key(1), LARGE)
    orphan = directory / "ab" / "cd" / f"{'e' * 28}.val"
    orphan.parent.mkdir(parents=True, exist_ok=True)
    orphan.write_bytes(b"half")
    os.utime(orphan, (clock.wall(), clock.wall()))
    _open(directory, clock).prepare()
    assert orphan.exists()  # its writer may still be at it
    clock.advance(1000)
    _open(directory, clock).prepare()
    assert not orphan.exists()
    assert store.read(key(1)) == LARGE


def test_a_batch_is_kept_whole_or_not_at_all(
    store: DiskStore, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(key(0), ENTRY)
    with monkeypatch.context() as full:
        full.setattr("diskcache.Disk._write", lambda *_: _raise_full())
        store.write_all({key(1): ENTRY, key(2): LARGE})
    clock.advance(6)
    assert store.read(key(0)) == ENTRY
    assert store.read(key(1)) is None
    store.write_all({key(1): ENTRY, key(2): LARGE})
    assert store.read(key(1)) == ENTRY
    assert store.read(key(2)) == LARGE


# several processes ------------------------------------------------------------------------------

_WRITER = """
import sys
from pathlib import Path
from podman_llm.cache.disk import open_disk_cache
from podman_llm.host.clock import SystemClock
from tests.contracts.cache import entry, key

store = open_disk_cache(
    Path(sys.argv[1]), max_entries=1000, max_bytes=50_000_000, clock=SystemClock()
)
first, count = int(sys.argv[2]), int(sys.argv[3])
for number in range(first, first + count):
    store.write(key(number), entry(b"%d " % number * 20_000))
    print(number, flush=True)
"""


def _writer(directory: Path, first: int, count: int) -> subprocess.Popen[bytes]:
    argv = [sys.executable, "-c", _WRITER, str(directory), str(first), str(count)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE)


def _is_intact(store: DiskStore, number: int) -> bool:
    return store.read(key(number)) == entry(b"%d " % number * 20_000)


def test_two_processes_write_at_once_and_lose_nothing(store: DiskStore, directory: Path) -> None:
    store.prepare()
    writers = [_writer(directory, first, 40) for first in (0, 100)]
    for writer in writers:
        writer.communicate(timeout=30)
        assert writer.returncode == 0
    assert all(_is_intact(store, n) for first in (0, 100) for n in range(first, first + 40))
    assert store.stats().entries == 80


def test_what_was_kept_survives_a_kill_in_the_middle_of_writing(
    store: DiskStore, directory: Path
) -> None:
    writer = _writer(directory, 0, 100_000)
    assert writer.stdout is not None
    told = [int(writer.stdout.readline()) for _ in range(20)]
    writer.send_signal(signal.SIGKILL)
    told += [int(line) for line in writer.stdout.read().splitlines()]
    writer.wait(timeout=10)
    writer.stdout.close()
    assert all(_is_intact(store, number) for number in told)
    assert store.read(key(told[-1] + 2)) is None
    store.write(key(1_000_000), ENTRY)
    assert store.read(key(1_000_000)) == ENTRY
    assert store.stats().healthy


def test_a_clearing_elsewhere_moves_the_generation_on(
    store: DiskStore, directory: Path, clock: FakeClock
) -> None:
    store.write(key(1), ENTRY)
    before = store.generation()
    other = _open(directory, clock)
    assert other.clear() == 1
    other.close()
    assert store.generation() != before
    assert store.read(key(1)) is None


def test_replacing_an_entry_moves_the_generation_on_and_adding_one_does_not(
    store: DiskStore,
) -> None:
    store.write(key(1), ENTRY)
    added = store.generation()
    store.write(key(2), ENTRY)
    assert store.generation() == added
    store.write(key(1), LARGE)
    assert store.generation() != added
