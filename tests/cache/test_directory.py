from __future__ import annotations

import itertools
import stat
from pathlib import Path

import pytest

from podman_llm.cache.directory import CacheDirectory, is_value_name
from podman_llm.errors import ConfigError


def test_it_is_made_for_the_owner_alone(tmp_path: Path) -> None:
    CacheDirectory(tmp_path / "a" / "b").ensure()
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700


def test_what_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    CacheDirectory(tmp_path).ensure()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


@pytest.mark.parametrize("mode", [0o777, 0o770, 0o722, 0o1777])
def test_what_others_may_write_is_refused_with_the_fix(tmp_path: Path, mode: int) -> None:
    tmp_path.chmod(mode)
    with pytest.raises(ConfigError, match="can be written by others") as refusal:
        CacheDirectory(tmp_path).ensure()
    assert f"chmod 700 {tmp_path}" in refusal.value.hint


def test_what_belongs_to_another_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = tmp_path.stat().st_uid
    monkeypatch.setattr("os.geteuid", lambda: owner + 1)
    with pytest.raises(ConfigError, match=f"belongs to user id {owner}, not to you"):
        CacheDirectory(tmp_path).check()


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="not a directory"):
        CacheDirectory(tmp_path / "file").check()


def test_what_is_not_there_passes_the_check(tmp_path: Path) -> None:
    CacheDirectory(tmp_path / "later").check()
    assert not (tmp_path / "later").exists()


def test_the_generation_changes_each_time_it_moves_on(tmp_path: Path) -> None:
    directory = CacheDirectory(tmp_path)
    seen = [directory.generation()]
    for _ in range(5):
        directory.next_generation()
        seen.append(directory.generation())
    assert all(a != b for a, b in itertools.pairwise(seen))
    assert directory.generation() == seen[-1]


def test_a_removed_directory_is_another_generation(tmp_path: Path) -> None:
    directory = CacheDirectory(tmp_path)
    directory.next_generation()
    before = directory.generation()
    (tmp_path / "generation").unlink()
    assert directory.generation() != before


def test_discarding_removes_the_database_and_nothing_of_the_person(tmp_path: Path) -> None:
    value = tmp_path / "ab" / "cd" / f"{'e' * 28}.val"
    theirs = [tmp_path / "notes.txt", value.with_name("photo.val"), tmp_path / "my" / "thesis.val"]
    for path in [value, *theirs, tmp_path / "cache.db", tmp_path / "cache.db-wal"]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    CacheDirectory(tmp_path).discard()
    assert not value.exists()
    assert not list(tmp_path.glob("cache.db*"))
    assert all(path.exists() for path in theirs)


@pytest.mark.parametrize(
    "name", ["../../.ssh/id_ed25519", "/etc/passwd", "ab/cd/x.val", f"ab/cd/{'e' * 28}.val\n", ""]
)
def test_only_names_that_values_are_given_are_value_names(name: str) -> None:
    assert is_value_name(f"ab/cd/{'e' * 28}.val")
    assert not is_value_name(name)
