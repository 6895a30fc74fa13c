from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from podman_llm.errors import StateError
from podman_llm.state import reserve
from podman_llm.state.desired import Desired, load_desired, save_desired
from podman_llm.state.paths import StatePaths
from podman_llm.state.store import PodState, StateStore
from podman_llm.testing.clock import FakeClock
from tests.samples import a_record

STEP = 64 * 1024
Occupy = Callable[[], None]


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    paths = StatePaths(tmp_path)
    reserve.fill(paths)
    return paths


@pytest.fixture
def full(paths: StatePaths, monkeypatch: pytest.MonkeyPatch) -> Occupy:
    """A disk on which only as much is free as was taken from the reserve since the last call."""
    size = {"full": 0}

    def occupy() -> None:
        size["full"] = paths.reserve.stat().st_size

    def refuse(_: int) -> None:
        if paths.reserve.exists() and paths.reserve.stat().st_size >= size["full"]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    occupy()
    monkeypatch.setattr(os, "fsync", refuse)
    return occupy


def _wish(want: str) -> Desired:
    fields = {"generation": 1, "want": want, "settings": {}, "requested_at": 0.0}
    return Desired.model_validate(fields)


def test_on_a_full_disk_the_end_of_a_pod_can_be_wished_for_and_no_other_pod(
    paths: StatePaths, full: Occupy
) -> None:
    with pytest.raises(StateError, match="No space left"):
        save_desired(paths, _wish("up"))
    assert paths.reserve.stat().st_size == 8 * STEP
    save_desired(paths, _wish("down"))
    assert load_desired(paths) == _wish("down")
    assert paths.reserve.stat().st_size == 7 * STEP


def test_on_a_full_disk_what_is_known_of_a_pod_is_kept(paths: StatePaths, full: Occupy) -> None:
    store = StateStore(paths, FakeClock())
    with pytest.raises(StateError, match="No space left"):
        store.save(PodState())
    store.save(PodState(current=a_record()))
    assert store.load().state == PodState(current=a_record())


def test_it_lasts_for_several_writes_and_then_the_disk_is_full(
    paths: StatePaths, full: Occupy
) -> None:
    for _ in range(8):
        save_desired(paths, _wish("down"))
        full()
    with pytest.raises(StateError, match="No space left"):
        save_desired(paths, _wish("down"))


def test_what_was_used_is_set_aside_again_once_there_is_plenty(
    paths: StatePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.truncate(paths.reserve, STEP)
    with monkeypatch.context() as scarce:
        scarce.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 4 * STEP))
        reserve.fill(paths)
        assert paths.reserve.stat().st_size == STEP
    reserve.fill(paths)
    assert paths.reserve.stat().st_size == 8 * STEP
    assert paths.reserve.stat().st_mode & 0o077 == 0


def test_an_error_that_is_not_about_room_takes_none(
    paths: StatePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StateError):
        save_desired(paths, _wish("down"))
    assert paths.reserve.stat().st_size == 8 * STEP
