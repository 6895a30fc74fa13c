"""The guard as RunPod runs it: a process in an image with bare Python, before a made-up API."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podman_llm.core import guard as core_guard
from podman_llm.providers.runpod import boot, guard
from podman_llm.providers.runpod.provider import entrypoint

GUARD, BOOT = entrypoint()[2:]
KEY = "rpa_scoped"
SLEEPER = "import signal; print('serving', flush=True); signal.pause()"


class Api(http.server.BaseHTTPRequestHandler):
    """Answers each request with what the test ordered for its method and path."""

    def answer(self) -> None:
        server: Any = self.server
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length)) if length else None
        server.seen.append((f"{self.command} {self.path}", dict(self.headers), body))
        self.send_response(server.statuses.get(f"{self.command} {self.path}", 200))
        self.end_headers()

    do_GET = do_POST = do_DELETE = answer  # noqa: N815 - the base class's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        del format, args


class Runpod(http.server.ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Api)
        self.statuses: dict[str, int] = {}
        self.seen: list[tuple[str, dict[str, str], Any]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def calls(self) -> list[str]:
        return [call for call, _, _ in self.seen]


@pytest.fixture
def runpod() -> Iterator[Runpod]:
    server = Runpod()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


class Container:
    """A guard and what it started, as one process group."""

    def __init__(self, folder: Path, runpod: Runpod | None, *command: str, **env: str) -> None:
        server = command or (sys.executable, "-c", SLEEPER)
        given = {"PLLM_DEADLINE": str(int(time.time()) + 3600), "RUNPOD_POD_ID": "pod1"}
        given |= {"RUNPOD_API_KEY": KEY, "TMPDIR": str(folder)}
        given |= {"PLLM_API_BASE": runpod.url if runpod else "http://127.0.0.1:9"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", GUARD, BOOT, *server],
            env={"PATH": os.environ["PATH"], **given, **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def line(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def lines_until(self, word: str) -> list[str]:
        lines = [self.line()]
        while word not in lines[-1]:
            assert lines[-1] or self.process.poll() is None, lines
            lines.append(self.line())
        return lines

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


@pytest.fixture
def containers(tmp_path: Path) -> Iterator[Any]:
    started: list[Container] = []

    def run(runpod: Runpod | None, *command: str, **env: str) -> Container:
        started.append(Container(tmp_path, runpod, *command, **env))
        return started[-1]

    yield run
    for container in started:
        container.end()


def test_it_tries_its_key_says_so_and_only_then_starts_the_server(
    containers: Any, runpod: Runpod
) -> None:
    deadline = int(time.time()) + 3600
    container = containers(runpod, PLLM_DEADLINE=str(deadline))
    assert container.line() == f"PLLM-GUARD armed deadline={deadline} selfkey=200"
    assert container.line() == "PLLM-BOOT ok key=none"
    assert container.line() == "serving"
    ((call, headers, _),) = runpod.seen
    assert call == "GET /v2/pods/pod1"
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert headers["User-Agent"].startswith("podman-llm-guard")


@pytest.mark.parametrize(
    ("status", "env", "told"),
    [
        (403, {}, "403"),
        (404, {}, "404"),
        (200, {"RUNPOD_API_KEY": ""}, "none"),
        (200, {"RUNPOD_POD_ID": ""}, "none"),
    ],
)
def test_a_key_that_does_not_work_is_said_and_the_server_starts(
    containers: Any, runpod: Runpod, status: int, env: dict[str, str], told: str
) -> None:
    runpod.statuses["GET /v2/pods/pod1"] = status
    container = containers(runpod, **env)
    assert container.line().endswith(f" selfkey={told}")
    assert container.lines_until("serving")


@pytest.fixture
def hurried(tmp_path: Path) -> str:
    """A PYTHONPATH under which every sleep is a hundredth of what it says."""
    hook = "import time\nsleep = time.sleep\ntime.sleep = lambda seconds: sleep(seconds / 100)\n"
    (tmp_path / "sitecustomize.py").write_text(hook)
    return str(tmp_path)


def test_a_network_that_comes_late_does_not_hold_up_the_server(
    containers: Any, hurried: str
) -> None:
    container = containers(None, PYTHONPATH=hurried)
    assert container.line().endswith(" selfkey=unreachable")
    assert container.lines_until("serving")


def test_a_key_is_tried_again_when_the_api_is_out_of_order(
    containers: Any, runpod: Runpod, hurried: str
) -> None:
    runpod.statuses["GET /v2/pods/pod1"] = 503
    container = containers(runpod, PYTHONPATH=hurried)
    assert container.line().endswith(" selfkey=503")
    assert len(runpod.seen) == 1 + guard.RETRIES


def test_the_id_and_key_are_found_where_ssh_sessions_find_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("RUNPOD_API_KEY", raising=False)
    process_one, profile = tmp_path / "environ", tmp_path / "rp_environment"
    process_one.write_bytes(b"PATH=/bin\0RUNPOD_POD_ID=pod7\0")
    profile.write_text('export PATH="/bin"\nexport RUNPOD_API_KEY="rpa_there"\n')
    monkeypatch.setattr(guard, "ENVIRONMENTS", (str(process_one), str(profile)))
    pod = guard.Pod()
    assert (pod.id, pod.key) == ("pod7", "rpa_there")


def test_at_the_deadline_every_route_is_tried_and_the_next_refusal_stops_none(
    containers: Any, runpod: Runpod, tmp_path: Path
) -> None:
    tool = tmp_path / "runpodctl"
    tool.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/told; exit 3\n')
    tool.chmod(0o755)
    for path in ("POST /v2/pods/pod1/action", "DELETE /v2/pods/pod1"):
        runpod.statuses[path] = 403
    deadline, path = int(time.time()) + 2, f"{tmp_path}:{os.environ['PATH']}"
    container = containers(runpod, PLLM_DEADLINE=str(deadline), PATH=path)
    container.lines_until("serving")
    lines = container.lines_until("graphql=")
    assert time.time() >= deadline
    assert lines == [
        "PLLM-GUARD time is over",
        "PLLM-GUARD ending action=403",
        "PLLM-GUARD ending delete=403",
        "PLLM-GUARD ending runpodctl=3",
        "PLLM-GUARD ending graphql=200",
    ]
    assert runpod.calls()[1:] == [
        "POST /v2/pods/pod1/action",
        "DELETE /v2/pods/pod1",
        "POST /graphql",
    ]
    assert runpod.seen[1][2] == {"action": "terminate"}
    assert 'podStop(input: { podId: "pod1" })' in runpod.seen[3][2]["query"]
    assert (tmp_path / "told").read_text().split() == ["remove", "pod", "pod1"]


def test_it_goes_on_for_ever_and_no_signal_stops_it(
    containers: Any, runpod: Runpod, hurried: str
) -> None:
    container = containers(runpod, PLLM_DEADLINE="1795000000", PYTHONPATH=hurried)
    for _ in range(3):
        container.lines_until("graphql=")
        os.kill(container.process.pid, signal.SIGTERM)
    assert container.process.poll() is None


def test_after_the_deadline_no_server_is_started(containers: Any, runpod: Runpod) -> None:
    container = containers(runpod, PLLM_DEADLINE="1795000000")
    lines = container.lines_until("graphql=")
    assert lines[1] == "PLLM-GUARD time is over"
    assert not any("BOOT" in line for line in lines)


@pytest.mark.parametrize("deadline", ["", "soon", "-1", "1e9"])
def test_without_a_deadline_nothing_starts(containers: Any, runpod: Runpod, deadline: str) -> None:
    container = containers(runpod, PLLM_DEADLINE=deadline)
    out, _ = container.process.communicate(timeout=20)
    assert out.strip() == "PLLM-GUARD failed: PLLM_DEADLINE is no time in seconds"
    assert container.process.returncode == 1


@pytest.mark.parametrize(("ending", "code"), [("raise SystemExit(7)", 7), ("os.abort()", 134)])
def test_it_ends_with_its_server_so_that_a_crash_loop_shows(
    containers: Any, runpod: Runpod, ending: str, code: int, hurried: str
) -> None:
    container = containers(runpod, sys.executable, "-c", f"import os; {ending}", PYTHONPATH=hurried)
    container.process.communicate(timeout=20)
    assert container.process.returncode == code


def test_a_signal_reaches_the_server(containers: Any, runpod: Runpod, hurried: str) -> None:
    script = (
        "import signal\n"
        "signal.signal(signal.SIGTERM, lambda *_: exit(5))\n"
        "print('serving', flush=True)\n"
        "signal.pause()\n"
    )
    container = containers(runpod, sys.executable, "-c", script, PYTHONPATH=hurried)
    container.lines_until("serving")
    os.kill(container.process.pid, signal.SIGTERM)
    assert container.process.wait(timeout=20) == 5


def test_a_log_that_nobody_reads_stops_no_guard(containers: Any, runpod: Runpod) -> None:
    container = containers(runpod, PLLM_DEADLINE=str(int(time.time()) + 2))
    container.lines_until("serving")
    container.process.stdout.close()
    until = time.monotonic() + 20
    while "POST /graphql" not in runpod.calls():
        assert time.monotonic() < until, runpod.calls()
        time.sleep(0.02)


def test_a_clock_set_back_does_not_hold_it_up(monkeypatch: pytest.MonkeyPatch) -> None:
    wall, steady = 1_000_000.0, 500.0
    monkeypatch.setattr(time, "time", lambda: wall)
    monkeypatch.setattr(guard, "steady", lambda: steady)
    clock = guard.Clock()
    wall, steady = wall - 5000, steady + 60
    assert clock.now() == 1_000_060
    wall += 9000
    assert clock.now() == 1_004_000


# Lease -----------------------------------------------------------------------------------------


@pytest.fixture
def lease(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> guard.Lease:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setenv("PLLM_LEASE", "1500")
    monkeypatch.setenv("PLLM_HEARTBEAT", "unset")
    clock = guard.Clock()
    monkeypatch.setattr(clock, "now", lambda: moment[0])
    moment[0] = 0.0
    return guard.Lease(clock)


moment = [0.0]


def test_a_lease_gives_the_model_time_to_load(lease: guard.Lease) -> None:
    moment[0] = guard.GRACE - 1
    assert not lease.is_over()
    moment[0] = guard.GRACE
    assert lease.is_over()


def test_the_time_to_load_is_the_one_that_decisions_go_by() -> None:
    assert guard.GRACE == core_guard.GRACE


def test_a_lease_lasts_from_the_latest_request_with_our_key(lease: guard.Lease) -> None:
    for moment[0] in (2000.0, 3400.0, 4800.0):
        lease.sign.unlink(missing_ok=True)
        lease.sign.touch()
        assert not lease.is_over()
    moment[0] = 4800.0 + 1499
    assert not lease.is_over()
    moment[0] += 2
    assert lease.is_over()


def test_without_a_lease_nobody_has_to_come_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLLM_LEASE", raising=False)
    clock = guard.Clock()
    lease = guard.Lease(clock)
    monkeypatch.setattr(clock, "now", lambda: 1e12)
    assert not lease.is_over()
    assert "PLLM_HEARTBEAT" not in os.environ


def test_a_lease_that_runs_out_ends_the_pod(
    containers: Any, runpod: Runpod, tmp_path: Path
) -> None:
    source = GUARD.replace("GRACE = 2700.0", "GRACE = 1.0")
    assert source != GUARD
    (tmp_path / "guard.py").write_text(source)
    done = subprocess.Popen(
        [sys.executable, "-c", source, BOOT, sys.executable, "-c", SLEEPER],
        env={
            "PATH": os.environ["PATH"],
            "TMPDIR": str(tmp_path),
            "PLLM_DEADLINE": str(int(time.time()) + 3600),
            "PLLM_LEASE": "1",
            "PLLM_API_BASE": runpod.url,
            "RUNPOD_POD_ID": "pod1",
            "RUNPOD_API_KEY": KEY,
        },
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert done.stdout
    lines = [done.stdout.readline() for _ in range(5)]
    os.killpg(done.pid, signal.SIGKILL)
    done.communicate()
    assert "nobody has come by for too long" in lines[3]
    assert "ending action=200" in lines[4]


# Form ------------------------------------------------------------------------------------------


def test_the_sources_survive_templates_and_shells_on_their_way() -> None:
    assert len((GUARD + BOOT).encode()) < 16 * 1024
    assert Path(guard.__file__).read_text(encoding="utf-8") == GUARD
    assert Path(boot.__file__).read_text(encoding="utf-8") == BOOT
    assert GUARD.isascii()
    for dangerous in ("'", "{{", "}}", "$", "`" * 3, "\\"):
        assert dangerous not in GUARD


def test_it_needs_nothing_but_the_standard_library(tmp_path: Path) -> None:
    probe = f"import sys; sys.argv = ['-']; exec(compile({GUARD!r}, 'guard', 'exec'), {{}})"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", probe], check=False)
    assert done.returncode == 0
