from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from podman_llm.cache.sketch import KeySketch


def digest(number: int) -> str:
    return hashlib.sha256(b"%d" % number).hexdigest()


@pytest.fixture
def sketch(tmp_path: Path) -> KeySketch:
    sketch = KeySketch(tmp_path / "keys")
    sketch.rebuild([])
    return sketch


def test_it_never_denies_a_key_and_seldom_takes_a_stranger_for_one(sketch: KeySketch) -> None:
    sketch.add(map(digest, range(10_000)))
    assert all(sketch.may_have(digest(number)) for number in range(10_000))
    strangers = sum(sketch.may_have(digest(number)) for number in range(10_000, 20_000))
    assert strangers < 20


def test_another_process_s_view_of_the_file_is_the_same(sketch: KeySketch, tmp_path: Path) -> None:
    other = KeySketch(tmp_path / "keys")
    sketch.add([digest(1)])
    assert other.may_have(digest(1))
    other.rebuild([digest(2)])
    assert not sketch.may_have(digest(1))
    assert sketch.may_have(digest(2))


def test_an_empty_file_knows_nobody(tmp_path: Path) -> None:
    assert not KeySketch(tmp_path / "keys").may_have(digest(1))


def test_a_file_that_cannot_be_read_rules_nobody_out(
    sketch: KeySketch, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> bytes:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "pread", broken)
    assert sketch.may_have(digest(1))


def test_the_file_is_the_owner_s_alone(sketch: KeySketch, tmp_path: Path) -> None:
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o600
