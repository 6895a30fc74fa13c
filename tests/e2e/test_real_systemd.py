"""The units under a real systemd: a user manager of its own, in namespaces of its own.

Where that cannot be had (no root, no namespaces, no cgroup2) it is skipped with the reason;
``test_systemd.py`` then still speaks the same protocols.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.e2e.machine import Cloud, Machine, eventually, renting

_MANAGER = Path("/lib/systemd/systemd")
# A manager runs only where it finds itself alone in a cgroup2 tree, and clients believe in it only
# where /run/systemd/system is; both are private to these namespaces.
_ROOM = """\
set -e
mount --make-rprivate /
mount -t proc proc /proc
umount -R /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/systemd/system /sys/fs/cgroup/podman-llm-test
echo $$ > /sys/fs/cgroup/podman-llm-test/cgroup.procs
if [ "$1" = try ]; then exit 0; fi
"$1" --user --log-target=null &
wait
"""
_UNSHARE = ["unshare", "--mount", "--pid", "--fork", "--cgroup", "--kill-child=SIGKILL"]


def _why_not() -> str:
    needed = [name for name in ("unshare", "nsenter", "systemctl") if shutil.which(name) is None]
    if os.geteuid() != 0 or needed or not _MANAGER.exists():
        return f"needs root, systemd and {needed or 'nothing else'}"
    tried = subprocess.run(
        [*_UNSHARE, "sh", "-c", _ROOM, "sh", "try"], capture_output=True, text=True, check=False
    )
    return tried.stderr.strip() if tried.returncode else ""


@dataclass
class Kept(Machine):
    """A machine whose commands run where the manager is; ``inside`` is a process there."""

    inside: int = 0

    def env(self) -> dict[str, str]:
        return super().env() | {"XDG_RUNTIME_DIR": str(self.home / "run")}

    def enter(self, *command: str) -> list[str]:
        there = ["nsenter", "--target", str(self.inside), "--mount", "--pid"]
        return [*there, "env", f"--chdir={self.home}", *command]

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.enter(sys.executable, "-m", "podman_llm", *arguments),
            cwd=self.home,
            env=self.env(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def systemctl(self, *arguments: str) -> str:
        done = subprocess.run(
            self.enter("systemctl", "--user", "--no-pager", *arguments),
            env=self.env(),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return (done.stdout + done.stderr).strip()

    def shown(self, unit: str, key: str) -> str:
        return self.systemctl("show", unit, "--property", key, "--value")

    def is_served(self) -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health", timeout=20) as answer:
            return int(answer.status) == 200


@pytest.fixture
def kept(machine: Machine) -> Iterator[Kept]:
    if why := _why_not():
        pytest.skip(why)
    kept = Kept(machine.home, machine.port)
    (kept.home / "run").mkdir(mode=0o700)
    room = subprocess.Popen(
        [*_UNSHARE, "sh", "-c", _ROOM, "sh", str(_MANAGER)], env=kept.env(), cwd=kept.home
    )
    try:
        children = eventually(lambda: psutil.Process(room.pid).children(), what="the namespaces")
        kept.inside = children[0].pid
        eventually(
            lambda: kept.systemctl("is-system-running") in {"running", "degraded"},
            what="a user manager",
        )
        yield kept
    finally:
        room.kill()
        room.wait()


@pytest.fixture
def cloud(kept: Kept) -> Iterator[Cloud]:
    outside = Machine(kept.home, kept.port)
    with renting(outside) as cloud:
        folder = kept.home / ".config" / "podman-llm"
        folder.mkdir(parents=True)
        key = folder / "runpod_api_key"
        key.write_text(outside.environment["RUNPOD_API_KEY"])
        key.chmod(0o600)
        yield cloud


@pytest.mark.timeout(180)
def test_the_units_start_restart_and_leave_under_a_real_systemd(kept: Kept, cloud: Cloud) -> None:
    kept.run("service", "install", "--user")
    fares = kept.run("service", "status", "--user").stdout
    assert fares.count("active (") == 3, fares
    kept.run("up", "--for", "1h")
    pod = kept.status()["pod_id"]
    assert "READY" in kept.shown("podman-llm", "StatusText")
    assert kept.shown("podman-llm", "WatchdogUSec") == "14min 30s"

    kept.systemctl("restart", "podman-llm")
    assert kept.is_served()
    assert kept.systemctl("reload", "podman-llm") == ""
    kept.systemctl("kill", "--signal=KILL", "--kill-who=main", "podman-llm")
    assert kept.is_served(), "the worker answers, or the socket waits for the next daemon"
    eventually(lambda: kept.shown("podman-llm", "NRestarts") == "1", what="the next daemon")
    eventually(lambda: "READY" in kept.shown("podman-llm", "StatusText"), what="its sentence")
    assert cloud.live() == [pod]

    kept.systemctl("start", "podman-llm-reap.service")
    assert kept.shown("podman-llm-reap.service", "Result") == "success"
    assert cloud.live() == [pod]
    assert "gone" in kept.run("--shutdown").stdout
    assert cloud.live() == []
    assert kept.shown("podman-llm", "ActiveState") == "active"
    kept.run("service", "uninstall", "--user")
    assert kept.shown("podman-llm", "ActiveState") == "inactive"
