from __future__ import annotations

import errno
import fcntl
import os
import stat
from pathlib import Path

import pytest

from podman_llm.host import files


@pytest.fixture
def place(tmp_path: Path) -> Path:
    made = tmp_path / "place"
    made.mkdir()
    return made


def _names(directory: Path) -> set[str]:
    return {entry.name for entry in directory.iterdir()}


def test_a_written_file_is_private_whole_and_alone(place: Path) -> None:
    target = place / "a.json"
    files.write_atomic(target, b"one")
    files.write_atomic(target, b"two")
    assert target.read_bytes() == b"two"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert _names(place) == {"a.json"}


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failing_disk_leaves_the_old_bytes_and_no_litter(
    place: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    target = place / "a.json"
    files.write_atomic(target, b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    owner = Path if step == "replace" else os
    monkeypatch.setattr(owner, step, full)
    with pytest.raises(OSError, match="No space left"):
        files.write_atomic(target, b"new")
    assert target.read_bytes() == b"old"
    assert _names(place) == {"a.json"}


def test_the_bytes_are_on_the_disk_before_the_name_and_the_name_before_the_return(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def watched_fsync(descriptor: int) -> None:
        is_directory = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        told.append("sync directory" if is_directory else "sync file")
        fsync(descriptor)

    def watched_replace(self: Path, target: Path) -> Path:
        told.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", watched_fsync)
    monkeypatch.setattr(Path, "replace", watched_replace)
    files.write_atomic(place / "a.json", b"x")
    assert told == ["sync file", "rename", "sync directory"]


def test_only_the_first_creator_wins(place: Path) -> None:
    target = place / "owner.json"
    assert files.create_atomic(target, b"first")
    assert not files.create_atomic(target, b"second")
    assert target.read_bytes() == b"first"
    assert _names(place) == {"owner.json"}


def test_a_kept_name_survives_the_replacement_of_the_other(place: Path) -> None:
    current, kept = place / "a", place / "a.prev"
    for content in (b"1", b"2", b"3"):
        files.write_atomic(current, content)
        files.keep_as(current, kept)
        files.keep_as(current, kept)
    files.write_atomic(current, b"4")
    assert (current.read_bytes(), kept.read_bytes()) == (b"4", b"3")
    assert _names(place) == {"a", "a.prev"}


def test_the_stamp_changes_with_every_replacement(place: Path) -> None:
    target = place / "a"
    seen = {files.stamp(target)}
    for _ in range(5):
        files.write_atomic(target, b"same size")
        seen.add(files.stamp(target))
    assert None in seen
    assert len(seen) == 6


def test_a_held_file_is_told_from_a_free_and_a_missing_one(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not files.is_locked(path)
    with path.open("w") as holder:
        assert not files.is_locked(path)
        fcntl.flock(holder, fcntl.LOCK_EX)
        assert files.is_locked(path)
        assert files.is_locked(path)
    assert not files.is_locked(path)
