from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from podman_llm.host.clock import SystemClock
from podman_llm.providers import detached
from podman_llm.providers.detached import Identity
from tests.contracts.provider import eventually

CLOCK = SystemClock()
BOOT = CLOCK.reading().boot_id
ENVIRON = {"PATH": os.environ["PATH"]}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def started() -> Iterator[list[Identity]]:
    """What the test starts, ended after it."""
    identities: list[Identity] = []
    yield identities
    for identity in identities:
        detached.end(identity, CLOCK, grace=0.0)


def start(log: Path, started: list[Identity], code: str) -> Identity:
    return detached.start(
        [sys.executable, "-c", code],
        environ=ENVIRON,
        log=log,
        boot_id=BOOT,
        record=started.append,
    )


def test_the_command_runs_and_writes_to_the_log(log: Path, started: list[Identity]) -> None:
    identity = start(log, started, "import sys; print('out'); print('err', file=sys.stderr)")
    eventually(lambda: detached.runs(identity, BOOT), lambda alive: not alive)
    assert sorted(log.read_text().split()) == ["err", "out"]
    assert log.stat().st_mode & 0o077 == 0


def test_it_is_recorded_before_it_runs(log: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    seen: list[bool] = []
    identity = detached.start(
        ["touch", str(ran)],
        environ=ENVIRON,
        log=log,
        boot_id=BOOT,
        record=lambda _: seen.append(ran.exists()),
    )
    eventually(ran.exists, bool)
    eventually(lambda: detached.runs(identity, BOOT), lambda alive: not alive)
    assert seen == [False]


def test_what_cannot_be_recorded_never_runs(log: Path, tmp_path: Path) -> None:
    ran, known = tmp_path / "ran", []

    def disk_full(identity: Identity) -> None:
        known.append(identity)
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        detached.start(
            ["touch", str(ran)], environ=ENVIRON, log=log, boot_id=BOOT, record=disk_full
        )
    eventually(lambda: detached.runs(known[0], BOOT), lambda alive: not alive)
    assert not ran.exists()
    assert "before this pod was known" in log.read_text()


def test_killed_before_the_record_it_leaves_nothing_running(log: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    parent = f"""
import os, signal
from pathlib import Path
from podman_llm.providers import detached
detached.start(
    ["touch", {str(ran)!r}], environ=dict(os.environ), log=Path({str(log)!r}), boot_id="",
    record=lambda _: os.kill(os.getpid(), signal.SIGKILL),
)
"""
    killed = subprocess.run([sys.executable, "-c", parent], check=False)
    assert killed.returncode == -signal.SIGKILL
    eventually(lambda: log.read_text() if log.exists() else "", lambda text: "was known" in text)
    assert not ran.exists()


def test_a_command_that_does_not_exist_says_so_in_the_log(log: Path) -> None:
    identity = detached.start(
        ["no-such-server"], environ=ENVIRON, log=log, boot_id=BOOT, record=lambda _: None
    )
    eventually(lambda: detached.runs(identity, BOOT), lambda alive: not alive)
    assert log.read_text() == "no-such-server: No such file or directory\n"


def test_it_has_a_session_of_its_own_and_reads_nothing(log: Path, started: list[Identity]) -> None:
    identity = start(log, started, "import sys, time; sys.stdin.read(); time.sleep(60)")
    assert os.getsid(identity.pid) == identity.pid != os.getsid(0)
    assert detached.runs(identity, BOOT)


def test_it_ends_politely(log: Path, started: list[Identity]) -> None:
    code = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit("goodbye"))
print("up", flush=True)
time.sleep(60)
"""
    identity = start(log, started, code)
    eventually(log.read_text, lambda text: "up" in text)
    assert detached.end(identity, CLOCK, grace=10.0)
    assert "goodbye" in log.read_text()


STUBBORN_FAMILY = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
print("pid", os.getpid(), flush=True)
time.sleep(60)
"""


def pids_in(log: Path) -> list[int]:
    return [int(line.split()[1]) for line in log.read_text().splitlines()]


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads process states in /proc")
def test_what_ignores_sigterm_is_killed_with_its_children(
    log: Path, started: list[Identity]
) -> None:
    identity = start(log, started, STUBBORN_FAMILY)
    eventually(lambda: len(pids_in(log)), lambda count: count == 2)
    assert detached.end(identity, CLOCK, grace=0.1)
    eventually(lambda: [is_running(pid) for pid in pids_in(log)], lambda alive: not any(alive))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads process states in /proc")
def test_children_that_outlive_it_are_ended_too(log: Path, started: list[Identity]) -> None:
    code = STUBBORN_FAMILY.replace("time.sleep(60)", "child or time.sleep(60)")
    identity = start(log, started, code)
    eventually(lambda: len(pids_in(log)), lambda count: count == 2)
    eventually(lambda: detached.runs(identity, BOOT), lambda alive: not alive)
    assert sum(is_running(pid) for pid in pids_in(log)) == 1
    assert detached.end(identity, CLOCK, grace=0.1)
    eventually(lambda: [is_running(pid) for pid in pids_in(log)], lambda alive: not any(alive))


def test_another_process_with_the_same_pid_is_left_alone(
    log: Path, started: list[Identity]
) -> None:
    identity = start(log, started, "import time; time.sleep(60)")
    stranger = Identity(identity.pid, identity.created - 1000, BOOT)
    assert not detached.runs(stranger, BOOT)
    assert detached.end(stranger, CLOCK, grace=0.1)
    assert detached.runs(identity, BOOT)


def test_nothing_survives_a_reboot(log: Path, started: list[Identity]) -> None:
    identity = start(log, started, "import time; time.sleep(60)")
    before = Identity(identity.pid, identity.created, "another boot")
    assert not detached.runs(before, BOOT)
    assert detached.end(before, CLOCK, grace=0.1)
    assert detached.runs(identity, BOOT)
