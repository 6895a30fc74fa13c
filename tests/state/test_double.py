from __future__ import annotations

from pathlib import Path

import pytest

from podman_llm.state.double import Double, forget_double, load_double, save_double
from podman_llm.state.paths import StatePaths

DOUBLE = Double(url="http://127.0.0.1:8765", port=8765, pid=4711, created=1.5)


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    paths = StatePaths(tmp_path / "state")
    paths.ensure()
    return paths


def test_a_double_is_remembered_until_it_is_forgotten(paths: StatePaths) -> None:
    assert load_double(paths) is None
    save_double(paths, DOUBLE)
    assert load_double(paths) == DOUBLE
    forget_double(paths)
    forget_double(paths)
    assert load_double(paths) is None


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"url": "x"}'])
def test_a_damaged_note_is_as_good_as_none(paths: StatePaths, damage: str) -> None:
    (paths.root / "double.json").write_text(damage)
    assert load_double(paths) is None
