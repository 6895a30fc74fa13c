"""The daemon as systemd keeps it: real processes, a real notify socket, a socket passed on."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import psutil
import pytest

from tests.e2e.editor import Editor, Said
from tests.e2e.machine import REPOSITORY, Cloud, Machine, eventually, renting
from tests.e2e.model_server import ModelServer

_ACTIVATE = str(REPOSITORY / "tests" / "host" / "activate.py")


@dataclass
class Systemd:
    """Holds the port, starts the daemon on it, and notes what it is told."""

    machine: Machine
    address: Path
    listener: socket.socket = field(init=False)
    heard: list[list[str]] = field(default_factory=list)
    _started: list[subprocess.Popen[bytes]] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", self.machine.port), backlog=1024)
        self._messages = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._messages.bind(str(self.address))
        self._messages.settimeout(0.1)
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                self.heard.append(self._messages.recv(4096).decode().split("\n"))

    def start(self) -> subprocess.Popen[bytes]:
        """As for ``Type=notify``: it has started when it says so."""
        self.heard.clear()
        unit = {"NOTIFY_SOCKET": str(self.address), "WATCHDOG_USEC": "90000000"}
        daemon = [sys.executable, "-m", "podman_llm", "daemon"]
        descriptor = self.listener.fileno()
        started = subprocess.Popen(
            [sys.executable, _ACTIVATE, f"proxy={descriptor}", *daemon, "--state-dir",
             str(self.machine.state_dir)],
            env=self.machine.env() | unit,
            cwd=self.machine.home,
            pass_fds=[descriptor],
        )  # fmt: skip
        self._started.append(started)
        eventually(lambda: any("READY=1" in each for each in self.heard), what="READY=1")
        return started

    def hear(self, line: str) -> list[str]:
        """The next message with this line in it; those before are dropped."""

        def found() -> bool:
            while self.heard and line not in self.heard[0]:
                self.heard.pop(0)
            return bool(self.heard)

        eventually(found, what=f"{line} on the notify socket")
        return self.heard.pop(0)

    def hear_reload(self, daemon: subprocess.Popen[bytes]) -> list[str]:
        """What is told of a turn that begins now."""
        self.heard.clear()
        daemon.send_signal(signal.SIGHUP)
        assert self.hear("RELOADING=1")[1].startswith("MONOTONIC_USEC=")
        return self.hear("READY=1")

    def close(self) -> None:
        for daemon in self._started:
            daemon.kill()
            daemon.wait()
        self._over.set()
        self._reader.join()
        self._messages.close()
        self.listener.close()


@pytest.fixture
def systemd(machine: Machine, tmp_path: Path) -> Iterator[Systemd]:
    keeper = Systemd(machine, tmp_path / "notify")
    yield keeper
    keeper.close()


def _ask(machine: Machine, text: str) -> tuple[int, dict[str, str], bytes]:
    body = {"model": "podman-llm", "messages": [{"role": "user", "content": text}]}
    request = urllib.request.Request(
        f"{machine.url}/chat/completions",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, dict(answer.headers), answer.read()
    except urllib.error.HTTPError as err:
        with err:
            return err.code, dict(err.headers), err.read()


def test_the_daemon_tells_when_it_is_ready_reloads_and_stops(
    machine: Machine, cloud: Cloud, systemd: Systemd
) -> None:
    daemon = systemd.start()
    assert systemd.hear("READY=1")[1:] == ["STATUS=nothing was asked for yet", "WATCHDOG=1"]
    status, _, body = _ask(machine, "Is anybody there?")
    assert status == 503
    assert b"podman-llm up" in body

    machine.run("up")
    assert machine.status()["daemon_pid"] == daemon.pid
    status_line, ping = systemd.hear_reload(daemon)[1:]
    assert "ready" in status_line.lower()
    assert ping == "WATCHDOG=1"

    daemon.terminate()
    assert systemd.hear("STOPPING=1")[2] == "EXTEND_TIMEOUT_USEC=75000000"
    assert daemon.wait(20) == 0
    assert len(cloud.live()) == 1


def test_the_watchdog_is_pinged_only_while_the_state_can_be_kept(
    machine: Machine, cloud: Cloud, systemd: Systemd
) -> None:
    daemon = systemd.start()
    machine.run("up")
    assert "WATCHDOG=1" in systemd.hear_reload(daemon)
    files = [machine.state_dir / name for name in ("pod_state.json", "pod_state.json.prev")]
    for path in files:
        path.rename(path.with_suffix(".away"))
        path.mkdir()
    assert "WATCHDOG=1" not in systemd.hear_reload(daemon)
    for path in files:
        path.rmdir()
        path.with_suffix(".away").rename(path)
    assert "WATCHDOG=1" in systemd.hear_reload(daemon)


def test_a_restart_refuses_no_connection_and_leaves_the_pod_alone(
    machine: Machine, cloud: Cloud, systemd: Systemd
) -> None:
    daemon = systemd.start()
    machine.run("up")
    pod = machine.status()["pod_id"]
    stop, answered, lost = threading.Event(), list[int](), list[str]()

    def some_more() -> None:
        count = len(answered)
        eventually(lambda: len(answered) > count + 5, what="more answers")

    def load() -> None:
        number = 0
        while not stop.is_set():
            try:
                answered.append(_ask(machine, f"question {number}")[0])
            except OSError as err:
                lost.append(repr(err))
            number += 1

    client = threading.Thread(target=load)
    client.start()
    try:
        some_more()
        daemon.terminate()
        assert daemon.wait(20) == 0
        heir = systemd.start()
        some_more()
    finally:
        stop.set()
        client.join()
    assert lost == []
    assert set(answered) == {200}
    after = machine.status()
    assert (after["pod_id"], after["daemon_pid"]) == (pod, heir.pid)
    assert cloud.live() == [pod]


def test_down_ends_the_pod_and_the_endpoint_goes_on_with_words_and_kept_answers(
    machine: Machine, cloud: Cloud, systemd: Systemd
) -> None:
    daemon = systemd.start()
    machine.run("up")
    assert _ask(machine, "Keep this.")[1]["X-Cache"] == "MISS"
    assert "gone" in machine.run("--shutdown").stdout
    assert cloud.live() == []
    assert daemon.poll() is None
    assert _ask(machine, "Keep this.")[1]["X-Cache"] == "HIT"
    assert _ask(machine, "And this?")[0] == 503
    assert "gone" in machine.run("--shutdown").stdout, "a second one has nothing to wait for"
    machine.run("up")
    assert machine.status()["daemon_pid"] == daemon.pid
    assert _ask(machine, "And this?")[0] == 200


@dataclass
class _Newcomers:
    """One asks after the other, in a thread, and each is timed."""

    editor: Editor
    answers: list[Said] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    def _keep_asking(self) -> None:
        while not self._over.is_set():
            self.answers.append(self.editor.ask(max_tokens=1))

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._keep_asking)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def test_changed_settings_keep_nobody_waiting_and_cut_no_answer(
    machine: Machine, systemd: Systemd, editor: Editor
) -> None:
    with ModelServer(machine, tokens_per_second=1) as other:
        backend = {"name": "other", "base_url": f"{other.url}/v1", "models": {"*": "podman-llm"}}
        with renting(machine, fallback={"backends": [backend]}):
            systemd.start()
            machine.run("up")
            machine.run("--shutdown")
            [old] = machine.status()["proxy_pids"]
            with editor.asking(stream=True) as long:
                long.read_some(2)
                machine.environment["MAX_CACHE_SIZE"] = "7"
                with _Newcomers(editor) as newcomers:
                    machine.run("up")
                    eventually(lambda: old not in machine.status()["proxy_pids"], what="a change")
                    asked = len(newcomers.answers)
                    eventually(lambda: len(newcomers.answers) > asked + 3, what="newcomers")
                    assert psutil.pid_exists(old), "the long answer is still being given"
                whole = long.rest()
            assert (whole.is_whole, whole.served_by) == (True, "other/podman-llm")
            assert {answer.status for answer in newcomers.answers} == {200}
            assert max(answer.seconds for answer in newcomers.answers) < whole.seconds / 2
            eventually(lambda: not psutil.pid_exists(old), what="the old worker's end")
            total = 1 + len(newcomers.answers)
            eventually(lambda: machine.status()["requests"] == total, what="each counted once")


def test_what_a_person_must_mend_ends_the_up_and_not_the_daemon(
    machine: Machine, cloud: Cloud, systemd: Systemd
) -> None:
    daemon = systemd.start()
    port = machine.environment["PODMAN_LLM_PROXY_PORT"] = str(machine.port + 1)
    refused = machine.run("up", code=1)
    assert f"the socket unit listens on 127.0.0.1 port {machine.port}" in refused.stderr
    assert port in refused.stderr
    assert cloud.live() == []
    assert daemon.poll() is None
    del machine.environment["PODMAN_LLM_PROXY_PORT"]
    machine.run("up")
    assert len(cloud.live()) == 1


def test_a_killed_daemon_s_worker_serves_until_the_next_one_takes_over(
    machine: Machine, cloud: Cloud, systemd: Systemd
) -> None:
    daemon = systemd.start()
    machine.run("up")
    (orphan,) = machine.status()["proxy_pids"]
    daemon.kill()
    daemon.wait()
    assert _ask(machine, "Still there?")[0] == 200
    heir = systemd.start()
    eventually(lambda: machine.status()["daemon_pid"] == heir.pid)
    eventually(lambda: machine.status()["proxy_pids"] not in ([], [orphan]))
    assert _ask(machine, "And now?")[0] == 200
    with pytest.raises(ProcessLookupError):
        eventually(lambda: os.kill(orphan, 0))
