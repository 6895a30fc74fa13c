from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading

import pytest

from podman_llm.errors import LockHeld, StateError
from podman_llm.state.locks import ControllerLock, is_held
from podman_llm.state.paths import StatePaths
from podman_llm.state.report import DaemonReport, save_report

_HOLDER = textwrap.dedent("""
    import subprocess, sys
    from pathlib import Path
    from podman_llm.state.locks import ControllerLock
    from podman_llm.state.paths import StatePaths
    lock = ControllerLock(StatePaths(Path(sys.argv[1])))
    lock.acquire()
    child = subprocess.Popen(["sleep", "60"], close_fds=False)
    print(child.pid, flush=True)
    sys.stdin.read()
""")


def test_one_controller_at_a_time(paths: StatePaths) -> None:
    assert not is_held(paths)
    with ControllerLock(paths):
        assert is_held(paths)
        with pytest.raises(LockHeld) as caught:
            ControllerLock(paths).acquire()
    assert str(paths.root) in caught.value.message
    assert not is_held(paths)
    assert paths.lock.exists(), "an unlinked lock file would let two controllers in"


def test_the_lock_belongs_to_the_process_not_to_the_thread_that_took_it(paths: StatePaths) -> None:
    lock = ControllerLock(paths)
    taker = threading.Thread(target=lock.acquire)
    taker.start()
    taker.join()
    assert is_held(paths)
    lock.release()
    assert not is_held(paths)


def test_the_holder_is_named_when_it_has_reported(paths: StatePaths) -> None:
    report = DaemonReport(pid=4242, started_at=0.0, tick_at=0.0, note="", url="", workers=())
    save_report(paths, report)
    with ControllerLock(paths), pytest.raises(LockHeld, match="pid 4242"):
        ControllerLock(paths).acquire()


def test_a_killed_holder_frees_the_lock_although_its_child_lives_on(paths: StatePaths) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(paths.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        orphan = int(holder.stdout.readline())
        try:
            assert is_held(paths)
            holder.kill()
            holder.wait()
            os.kill(orphan, 0)
            assert not is_held(paths)
            with ControllerLock(paths):
                pass
        finally:
            os.kill(orphan, 9)


def test_a_lock_that_cannot_be_opened_is_an_error_not_free(paths: StatePaths) -> None:
    paths.lock.mkdir()
    with pytest.raises(StateError, match=r"daemon\.lock"):
        is_held(paths)
    with pytest.raises(StateError, match=r"daemon\.lock"):
        ControllerLock(paths).acquire()
