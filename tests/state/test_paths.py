from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from podman_llm.errors import StateError
from podman_llm.state.paths import StatePaths


def test_all_directories_are_made_private(tmp_path: Path) -> None:
    paths = StatePaths(tmp_path / "deep" / "state")
    paths.ensure()
    paths.ensure()
    made = (paths.root, paths.activity_dir, paths.orders_dir, paths.daemon_log.parent)
    for directory in made:
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_asking_for_names_touches_nothing(tmp_path: Path) -> None:
    paths = StatePaths(tmp_path / "state")
    names = {paths.owner, paths.desired, paths.pod_state, paths.previous_pod_state, paths.report}
    names |= {paths.lock, paths.activity_dir, paths.catalog, paths.daemon_log, paths.proxy_log}
    names |= {paths.orders_dir}
    assert len(names) == 11
    assert not paths.root.exists()


def test_every_way_to_name_a_directory_is_the_same_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "state")
    monkeypatch.chdir(tmp_path)
    names = {Path("state"), Path("link"), tmp_path / "state", Path("link/../state")}
    assert {StatePaths(name).root for name in names} == {(tmp_path / "state").resolve()}


@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_directory_that_others_may_write_to_is_refused_with_the_fix(
    tmp_path: Path, mode: int
) -> None:
    root = tmp_path / "state"
    root.mkdir()
    root.chmod(mode)
    with pytest.raises(StateError, match="others may write") as caught:
        StatePaths(root).ensure()
    assert caught.value.hint == f"chmod 700 {root}"


def test_a_directory_of_another_user_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: tmp_path.stat().st_uid + 1)
    with pytest.raises(StateError, match="belongs to another user"):
        StatePaths(tmp_path).ensure()


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")
    with pytest.raises(StateError, match=str(tmp_path / "state")):
        StatePaths(tmp_path / "state").ensure()
