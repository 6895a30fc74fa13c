from __future__ import annotations

import dataclasses
import errno
import itertools
import json
import math
import os
import resource
import signal
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from podman_llm.core.pod import PodRecord, Sleep
from podman_llm.errors import StateError
from podman_llm.host import files
from podman_llm.state.paths import StatePaths
from podman_llm.state.report import DaemonReport, save_report
from podman_llm.state.store import Failure, PodState, StateStore, read_pod_state
from podman_llm.testing.clock import FakeClock


@pytest.fixture
def store(paths: StatePaths) -> StateStore:
    return StateStore(paths, FakeClock())


@pytest.fixture
def older(state: PodState) -> PodState:
    return dataclasses.replace(state, last_list_at=1_795_000_000.0)


@pytest.fixture
def saved(store: StateStore, older: PodState, state: PodState) -> PodState:
    """Two generations on disk; the newer one."""
    store.save(older)
    store.save(state)
    return state


def _report(paths: StatePaths, *, tick_at: float) -> None:
    report = DaemonReport(pid=1, started_at=1.0, tick_at=tick_at, note="", url="", workers=())
    save_report(paths, report)


# What is saved is loaded ------------------------------------------------------------------------


def test_every_kind_of_field_comes_back_as_it_was(
    store: StateStore, saved: PodState, paths: StatePaths
) -> None:
    loaded = store.load()
    assert (loaded.state, loaded.origin, loaded.problem) == (saved, "current", "")
    assert read_pod_state(paths) == saved
    assert stat.S_IMODE(paths.pod_state.stat().st_mode) == 0o600


def test_a_state_that_could_not_be_read_back_is_never_written(
    store: StateStore, saved: PodState, record: PodRecord
) -> None:
    for wrong in (
        dataclasses.replace(record, soft_deadline=math.inf),
        dataclasses.replace(record, attempt="two"),  # type: ignore[arg-type]  # on purpose
    ):
        with pytest.raises(ValueError):
            store.save(PodState(current=wrong))
    assert store.load().state == saved


def test_a_person_may_reformat_the_file_but_not_change_it(
    store: StateStore, saved: PodState, older: PodState, paths: StatePaths
) -> None:
    document = json.loads(paths.pod_state.read_bytes())
    paths.pod_state.write_text(json.dumps(document))
    assert store.load().origin == "current"
    document["state"]["current"]["phase"] = "READY"
    paths.pod_state.write_text(json.dumps(document))
    assert store.load().state == older


# The beginning, and loss -------------------------------------------------------------------------


def test_the_first_load_is_fresh_and_leaves_a_file_behind(
    store: StateStore, paths: StatePaths
) -> None:
    assert read_pod_state(paths) is None
    assert store.load().origin == "fresh"
    assert store.load().origin == "current"


def test_a_daemon_that_never_ticked_is_no_past(store: StateStore, paths: StatePaths) -> None:
    _report(paths, tick_at=0.0)
    assert store.load().origin == "fresh"


@pytest.mark.parametrize("trace", ["a tick", "a damaged report", "a file set aside"])
def test_a_state_missing_after_a_past_is_lost_not_empty(
    store: StateStore, paths: StatePaths, trace: str
) -> None:
    if trace == "a tick":
        _report(paths, tick_at=5.0)
    elif trace == "a damaged report":
        paths.report.write_bytes(b"\0\0\0")
    else:
        paths.pod_state.with_name("pod_state.json.corrupt-1").write_bytes(b"")
    with pytest.raises(StateError, match="what runs is unknown"):
        read_pod_state(paths)
    loaded = store.load()
    assert loaded.origin == "rebuild"
    assert "missing" in loaded.problem


# Damage -----------------------------------------------------------------------------------------


def _damages(content: bytes) -> Iterator[tuple[str, bytes]]:
    cuts = {0, 1, 2, len(content) // 2, len(content) - 3}
    cuts |= {
        content.index(mark) + offset for mark in (b'"sha256"', b'"state"') for offset in (0, 3)
    }
    yield from ((f"cut at {cut}", content[:cut]) for cut in sorted(cuts))
    yield "zeros", b"\0" * len(content)
    yield "zeros from the middle", content[: len(content) // 2].ljust(len(content), b"\0")
    yield "a block of zeros", content[:512] + b"\0" * 512 + content[1024:]
    yield "twice", content + content
    yield "other JSON", b'{"version": 1}'
    yield "a list", b"[]"
    yield "too deep", b"[" * 100_000
    yield "not text", b"\xff\xfe\x00"


def test_any_damage_to_the_current_generation_gives_the_previous(
    store: StateStore, saved: PodState, older: PodState, paths: StatePaths
) -> None:
    for what, content in _damages(paths.pod_state.read_bytes()):
        paths.pod_state.write_bytes(content)
        loaded = store.load()
        assert (loaded.state, loaded.origin) == (older, "previous"), what
        assert "pod_state.json is damaged" in loaded.problem, what
        assert read_pod_state(paths) == older, what


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_a_flipped_bit_never_makes_a_third_state(
    data: st.DataObject, store: StateStore, older: PodState, state: PodState, paths: StatePaths
) -> None:
    store.save(older)
    store.save(state)
    content = bytearray(paths.pod_state.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    paths.pod_state.write_bytes(content)
    assert store.load().state in (older, state)


def test_both_generations_bad_are_set_aside_and_must_be_rebuilt(
    store: StateStore, saved: PodState, paths: StatePaths
) -> None:
    paths.pod_state.write_bytes(b"{")
    paths.previous_pod_state.write_bytes(b"")
    with pytest.raises(StateError, match="what runs is unknown"):
        read_pod_state(paths)
    loaded = store.load()
    assert (loaded.state, loaded.origin) == (PodState(), "rebuild")
    assert str(paths.pod_state) in loaded.problem
    epoch = int(FakeClock().wall())
    assert {entry.name for entry in paths.root.glob("pod_state*")} == {
        f"pod_state.json.corrupt-{epoch}",
        f"pod_state.json.prev.corrupt-{epoch}",
    }
    assert store.load().origin == "rebuild", "until something is saved, the past stays lost"
    store.save(saved)
    assert store.load().origin == "current"


def test_a_damaged_generation_never_displaces_the_good_one(
    store: StateStore, saved: PodState, older: PodState, paths: StatePaths
) -> None:
    paths.pod_state.write_bytes(b"{")
    store.save(saved)
    paths.pod_state.write_bytes(b"{")
    assert store.load().state == older


@pytest.mark.parametrize("harm", [lambda path: path.write_text("garbage"), Path.unlink])
def test_what_becomes_of_the_file_is_noticed_and_mended_by_a_save(
    store: StateStore, saved: PodState, paths: StatePaths, harm: Callable[[Path], object]
) -> None:
    assert store.is_as_left()
    harm(paths.pod_state)
    assert not store.is_as_left()
    store.save(saved)
    assert store.is_as_left()
    assert read_pod_state(paths) == saved


def test_the_file_is_as_left_by_who_has_read_it_well(
    store: StateStore, saved: PodState, paths: StatePaths
) -> None:
    another = StateStore(paths, FakeClock())
    assert not another.is_as_left()
    another.load()
    assert another.is_as_left()
    paths.pod_state.write_text("garbage")
    damaged = StateStore(paths, FakeClock())
    damaged.load()
    assert not damaged.is_as_left()


def test_a_newer_writer_is_named_and_its_files_are_left_alone(
    store: StateStore, saved: PodState, paths: StatePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as newer:
        newer.setattr("podman_llm.state.store.VERSION", 9)
        store.save(saved)
    content = paths.pod_state.read_bytes()
    for look in (store.load, lambda: read_pod_state(paths)):
        with pytest.raises(StateError, match="version 9; this podman-llm reads up to version 1"):
            look()
    assert paths.pod_state.read_bytes() == content


def test_a_version_that_is_itself_damage_is_not_taken_for_a_newer_writer(
    store: StateStore, saved: PodState, older: PodState, paths: StatePaths
) -> None:
    content = paths.pod_state.read_bytes()
    paths.pod_state.write_bytes(content.replace(b'"version": 1', b'"version": 3', 1))
    assert store.load().state == older


# A disk that refuses ------------------------------------------------------------------------------


_STEPS_OF_A_SAVE = (
    "link previous",
    "rename previous",
    "sync file",
    "rename current",
    "sync directory",
)


def _refuse(*_: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_whatever_step_of_a_save_fails_the_old_state_is_still_there(
    store: StateStore, older: PodState, state: PodState, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(older)
    broken_steps: list[tuple[object, str]] = [
        (os, "fsync"),
        (Path, "replace"),
        (Path, "hardlink_to"),
        (files, "sync_directory"),
    ]
    for owner, step in broken_steps:
        with monkeypatch.context() as broken:
            broken.setattr(owner, step, _refuse)
            with pytest.raises(StateError, match="No space left"):
                store.save(state)
        loaded = store.load()
        assert loaded.origin == "current"
        # Only after the rename may the new one show, when the directory could not be flushed.
        assert loaded.state == (state if step == "sync_directory" else older)


@pytest.mark.parametrize("survived", range(len(_STEPS_OF_A_SAVE) + 1))
def test_a_kill_between_any_two_steps_leaves_the_old_or_the_new_state(
    store: StateStore, older: PodState, state: PodState, survived: int
) -> None:
    store.save(older)
    child = os.fork()
    if child == 0:
        _save_and_be_killed(store, state, after=survived)
    os.waitpid(child, 0)
    loaded = store.load()
    assert loaded.origin == "current"
    renamed = _STEPS_OF_A_SAVE.index("rename current") < survived
    assert loaded.state == (state if renamed else older)
    store.save(state)
    assert store.load().state == state


def _save_and_be_killed(store: StateStore, state: PodState, *, after: int) -> None:
    """In a forked child: die by SIGKILL instead of taking step number ``after``."""
    taken = itertools.count()

    def mortal(step: Callable[..., Any]) -> Callable[..., Any]:
        def stepped(*args: Any) -> Any:
            if next(taken) == after:
                os.kill(os.getpid(), signal.SIGKILL)
            return step(*args)

        return stepped

    for owner, name in ((os, "fsync"), (Path, "replace"), (Path, "hardlink_to")):
        setattr(owner, name, mortal(getattr(owner, name)))
    store.save(state)
    os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def _file_size_limit(limit: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_takes_only_half_the_bytes_harms_nothing(
    store: StateStore, saved: PodState, older: PodState, paths: StatePaths
) -> None:
    size = paths.pod_state.stat().st_size
    with _file_size_limit(size // 2), pytest.raises(StateError, match=r"pod_state\.json"):
        store.save(older)
    assert store.load().state == saved
    assert not list(paths.root.glob(".*"))


def test_an_unreadable_file_is_an_error_and_is_not_moved(
    store: StateStore, saved: PodState, paths: StatePaths
) -> None:
    paths.pod_state.unlink()
    paths.pod_state.mkdir()
    with pytest.raises(StateError, match="cannot read"):
        store.load()
    assert paths.pod_state.is_dir()


def test_an_up_has_failed_unless_its_pod_sleeps_or_another_is_wanted(saved: PodState) -> None:
    assert saved.current
    failed = PodState(current=saved.current, failure=Failure(3, 5, "nothing free", "", 0.0))
    assert failed.has_failed(3)
    assert not failed.has_failed(4)
    assert not PodState().has_failed(3)
    asleep = Sleep(3, 0.0, saved.current.intent, 60.0)
    assert not dataclasses.replace(failed, sleep=asleep).has_failed(3)


def test_a_sleep_is_read_as_it_was_written(store: StateStore, saved: PodState) -> None:
    assert saved.current
    asleep = dataclasses.replace(
        saved, sleep=Sleep(3, 0.5, saved.current.intent, 60.0, why_not="no")
    )
    store.save(asleep)
    assert store.load().state == asleep
