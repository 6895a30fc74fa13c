"""Damaged, full, read-only and foreign state files, through the store and a whole new process.

What each file reads as is held in ``tests/state/test_store.py``; here the controller goes on from
it: with the same pod, never with a second one, and down to nothing in the end.
"""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path

import pytest

from podman_llm.core.pod import Phase
from podman_llm.errors import StateError
from podman_llm.pods.actuate import marks
from podman_llm.providers.base import CreateRequest
from podman_llm.state import reserve
from podman_llm.state.store import StateStore
from podman_llm.testing.cloud import late
from tests.pods.house import House
from tests.proof.explorer import Odometer
from tests.proof.machine import RealDisk, spends_no_time_on_flushing

SEED = 20261121
OLD = Path(__file__).parent / "pod_state-v1.json"


class FileHouse(House):
    """A house with real files."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.disk = RealDisk(self, Odometer(), root)
        self.store = self.disk
        self.restart()


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FileHouse:
    monkeypatch.setattr(os, "fsync", spends_no_time_on_flushing)
    return FileHouse(tmp_path / "state")


def ends_well(house: House) -> None:
    house.down()
    house.run_until_settled()
    assert house.cloud.most_live() == 1
    assert not house.cloud.live()


def damages(content: bytes, rng: random.Random) -> list[bytes]:
    cuts = [content[: rng.randrange(len(content) - 1)] for _ in range(12)]
    flips = []
    for _ in range(12):
        flipped = bytearray(content)
        flipped[rng.randrange(len(content) - 1)] ^= 1 << rng.randrange(8)
        flips.append(bytes(flipped))
    half = len(content) // 2
    return [*cuts, *flips, b"\0" * len(content), content[:half].ljust(len(content), b"\0")]


@pytest.mark.parametrize("both", [False, True], ids=["newest", "both"])
@pytest.mark.parametrize("phase", [Phase.PROVISIONING, Phase.READY, Phase.STOPPING])
def test_any_damage_is_outlived_with_the_pod_there_is(
    house: FileHouse, phase: Phase, both: bool
) -> None:
    house.up()
    house.run_to(Phase.READY if phase is Phase.STOPPING else phase)
    if phase is Phase.STOPPING:
        house.cloud.failing_deletes = 10_000
        house.down()
        house.run_to(Phase.STOPPING)
    paths = house.disk.paths
    newest, previous = paths.pod_state.read_bytes(), paths.previous_pod_state.read_bytes()
    for content in damages(newest, random.Random(SEED)):
        for aside in paths.root.glob("*.corrupt-*"):
            aside.unlink()
        paths.pod_state.write_bytes(content)
        paths.previous_pod_state.write_bytes(content if both else previous)
        house.restart()
        house.run_for(40)
        assert [pod.pod_id for pod in house.cloud.live()] == ["pod1"], content[:40]
    house.cloud.failing_deletes = 0
    ends_well(house)


@pytest.mark.parametrize("both", [False, True], ids=["newest", "both"])
def test_a_request_in_doubt_is_not_repeated_over_damaged_files(
    house: FileHouse, both: bool
) -> None:
    house.cloud.fates.append(late(100.0))
    house.up()
    house.run_to(Phase.UNRESOLVED)
    paths = house.disk.paths
    for path in (paths.pod_state, paths.previous_pod_state)[: 1 + both]:
        path.write_bytes(path.read_bytes()[:-9])
    house.restart()
    house.run_to(Phase.READY)
    assert len(house.cloud.requests) == 1
    ends_well(house)


def test_a_full_disk_sends_nothing_and_ends_what_runs_once_there_is_room(
    house: FileHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    house.up()
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", refuse)
        for _ in range(5):
            with pytest.raises(StateError, match="No space left"):
                house.tick()
            house.restart()
    assert house.cloud.requests == []
    house.run_to(Phase.READY)
    house.down()
    with monkeypatch.context() as full:
        full.setattr(os, "fsync", refuse)
        with pytest.raises(StateError, match="No space left"):
            house.tick()
    ends_well(house)


def test_on_a_full_disk_the_reserve_is_enough_to_end_a_pod(
    house: FileHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = house.disk.paths
    reserve.fill(paths)
    whole = paths.reserve.stat().st_size

    def refuse(_: int) -> None:
        if paths.reserve.stat().st_size == whole:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    house.up()
    house.run_to(Phase.READY)
    monkeypatch.setattr(os, "fsync", refuse)
    house.down()
    ends_well(house)
    assert paths.reserve.stat().st_size < whole


def test_a_directory_that_turned_read_only_sends_nothing(
    house: FileHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.up()
    house.tick()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    with monkeypatch.context() as sealed:
        sealed.setattr("tempfile.mkstemp", refuse)
        sealed.setattr(Path, "hardlink_to", refuse)
        for _ in range(5):
            with pytest.raises(StateError, match="Read-only"):
                house.tick()
    assert house.cloud.requests == []


def test_a_newer_programs_state_is_touched_by_nobody(
    house: FileHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.up()
    house.run_to(Phase.READY)
    paths = house.disk.paths
    with monkeypatch.context() as newer:
        newer.setattr("podman_llm.state.store.VERSION", 9)
        StateStore(paths, house.clock).save(house.state)
    content = paths.pod_state.read_bytes()
    house.restart()
    house.down()
    asked = len(house.cloud.requests)
    with pytest.raises(StateError, match="format version 9"):
        house.tick()
    assert paths.pod_state.read_bytes() == content
    assert len(house.cloud.requests) == asked
    assert house.cloud.terminated == []


def test_the_oldest_format_is_gone_on_from(house: FileHouse) -> None:
    """A READY pod as version 1 wrote it when it was new: later programs go on with it."""
    paths = house.disk.paths
    paths.pod_state.write_bytes(OLD.read_bytes())
    record = StateStore(paths, house.clock).load().state.current
    assert record is not None
    house.cloud.create(
        CreateRequest(
            name=record.name,
            spec=record.spec,
            candidate=record.candidate,
            env=marks(record, None),
            api_key_sha256=None,
        )
    )
    house.restart()
    house.up()
    house.run_to(Phase.READY)
    assert [pod.pod_id for pod in house.cloud.pods] == [record.pod_id]
    assert house.record.hard_deadline == record.hard_deadline
    ends_well(house)
