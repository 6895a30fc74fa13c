from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from podman_llm.host import process
from podman_llm.supervisor import child as child_module
from podman_llm.supervisor.child import Child

Eventually = Callable[[Callable[[], bool]], None]


def _python(code: str, log: Path, *fds: int) -> Child:
    return Child([sys.executable, "-c", code], pass_fds=fds, log=log)


def test_what_a_child_prints_is_appended_to_a_private_log(
    tmp_path: Path, eventually: Eventually
) -> None:
    log = tmp_path / "proxy.log"
    log.write_text("before\n")
    child = _python("import sys; print('one', flush=True); print('oh', file=sys.stderr)", log)
    eventually(lambda: child.ended() == "exited with 0")
    assert log.read_text() == "before\none\noh\n"


def test_the_log_is_private(tmp_path: Path) -> None:
    _python("", tmp_path / "log").kill()
    assert stat.S_IMODE((tmp_path / "log").stat().st_mode) == 0o600


def test_only_the_descriptors_passed_are_inherited(tmp_path: Path, eventually: Eventually) -> None:
    log = tmp_path / "log"
    passed, kept = os.pipe()
    os.set_inheritable(kept, True)
    child = _python(
        f"import os; os.fstat({passed})\ntry: os.fstat({kept})\nexcept OSError: print('closed')",
        log,
        passed,
    )
    eventually(lambda: child.ended() == "exited with 0")
    assert log.read_text() == "closed\n"
    os.close(passed)
    os.close(kept)


def test_a_child_lives_in_a_session_of_its_own(tmp_path: Path) -> None:
    child = _python("import sys, time; time.sleep(60)", tmp_path / "log")
    assert os.getsid(child.pid) == child.pid != os.getsid(0)
    child.kill()


def test_a_signal_is_named_and_no_zombie_stays(tmp_path: Path, eventually: Eventually) -> None:
    child = _python("import time; time.sleep(60)", tmp_path / "log")
    assert child.ended() is None
    child.ask_to_end()
    eventually(lambda: child.ended() == "was ended by signal 15 (Terminated)")
    assert process.create_time(child.pid) is None
    child.ask_to_end()
    child.kill()


def test_a_real_time_signal_is_an_end_like_any_other(
    tmp_path: Path, eventually: Eventually
) -> None:
    child = _python("import os, signal; os.kill(os.getpid(), signal.SIGRTMIN + 1)", tmp_path / "l")
    eventually(lambda: child.ended() is not None)
    assert "signal 35" in str(child.ended())


def test_what_cannot_be_started_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Child([str(tmp_path / "nothing")], pass_fds=(), log=tmp_path / "log")


def test_a_log_that_grew_large_is_kept_aside_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(child_module, "_LOG_BYTES", 3)
    log = tmp_path / "proxy.log"
    log.write_text("long")
    _python("", log).kill()
    assert log.read_text() == ""
    assert (tmp_path / "proxy.log.1").read_text() == "long"
