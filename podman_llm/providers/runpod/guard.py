"""First process of the pod: ends it at its deadline, whatever has become of those who rented it.

RunPod runs this very source as ``python3 -c GUARD BOOT vllm serve MODEL ...``. It tries the key
that RunPod gives a pod for itself, says in one line that it is armed and what became of the key,
and starts BOOT, which becomes the server, as its child. It stays process 1: it passes signals on,
buries orphans, and ends with the server, because RunPod then starts the container anew, which is
how a server that keeps dying is noticed; the new container begins with this guard again. Once the
deadline has passed no server is started and nothing stops it: it orders the end of the pod by
every route there is, for ever.

The deadline comes from the environment and is kept nowhere: a timer file on a volume would go off
in the next pod. PLLM_LEASE asks for a lease as well: the pod then also ends when for so many
seconds no request has come with its own key, which only we can send, as our probes do. Only the
standard library; no quote, brace pair or dollar sign that a template engine or a shell on the way
could read as its own.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

API = "https://api.runpod.io"
AGENT = "podman-llm-guard/1"
"""The edge in front of the API turns the default name of urllib away."""
ENVIRONMENTS = ("/proc/1/environ", "/etc/rp_environment")
"""Where RunPod puts the id and key of a pod, besides our own environment."""
RETRIES, PAUSE = 2, 2.0
"""The first look at the API may come before the network; the server need not wait for long."""
PATIENCE = 10.0
"""Seconds that one call may take; the promise is a minute for all of them."""
ROUND = 30.0
"""Seconds between two rounds of orders."""
GRACE = 2700.0
"""Seconds from the start in which a lease asks for nothing: the model loads."""
UNREACHABLE = "unreachable"
ENDINGS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def say(*words: str) -> None:
    """Tell the log; a log that is full or gone stops no guard."""
    with contextlib.suppress(OSError):
        print("PLLM-GUARD", *words, flush=True)


class Clock:
    """Wall seconds that a clock set back cannot hold up."""

    def __init__(self) -> None:
        self.wall = time.time()
        self.steady = steady()

    def now(self) -> float:
        """The later of what the wall clock says and what the time since the start says."""
        return max(time.time(), self.wall + steady() - self.steady)


def steady() -> float:
    """Seconds since the host started, those asleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Pod:
    """This pod as the API knows it, under the key that is good for it alone."""

    def __init__(self) -> None:
        self.id = given("RUNPOD_POD_ID")
        self.key = given("RUNPOD_API_KEY")
        self.base = os.environ.get("PLLM_API_BASE", API)  # set by doubles of the API only
        self.trust = ssl.create_default_context()
        with contextlib.suppress(Exception):  # an image without system certificates has these
            self.trust.load_verify_locations(importlib.import_module("certifi").where())

    def try_key(self) -> str:
        """What a look at ourselves is answered; ``none`` without id or key."""
        if not (self.id and self.key):
            return "none"
        answer = self.ask("GET", "/v2/pods/" + self.id)
        for _ in range(RETRIES):
            if answer != UNREACHABLE and not answer.startswith("5"):
                break
            time.sleep(PAUSE)
            answer = self.ask("GET", "/v2/pods/" + self.id)
        return answer

    def end(self) -> None:
        """Order our end by every route, and say what each answered."""
        path = "/v2/pods/" + self.id
        stop = "mutation { podStop(input: { podId: " + json.dumps(self.id) + " }) { id } }"
        # Orders that were taken are given again by the next round: taken is not done.
        say("ending", "action=" + self.ask("POST", path + "/action", {"action": "terminate"}))
        say("ending", "delete=" + self.ask("DELETE", path))
        say("ending", "runpodctl=" + self.run_tool())
        say("ending", "graphql=" + self.ask("POST", "/graphql", {"query": stop}))

    def ask(self, method: str, path: str, body: object = None) -> str:
        """The status of the answer, or why there was none."""
        headers = {"Authorization": "Bearer " + self.key, "User-Agent": AGENT}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        try:
            request = urllib.request.Request(  # noqa: S310 - the API, or the double in its place
                self.base + path, data=data, headers=headers, method=method
            )
            with urllib.request.urlopen(  # noqa: S310 - as above
                request, timeout=PATIENCE, context=self.trust
            ) as answer:
                return str(answer.status)
        except urllib.error.HTTPError as refusal:
            with refusal:
                return str(refusal.code)
        except Exception:  # noqa: BLE001 - a guard outlives whatever the network does to it
            return UNREACHABLE

    def run_tool(self) -> str:
        """RunPod puts its own command into most images; it knows its key itself."""
        tool = shutil.which("runpodctl")
        if tool is None:
            return "none"
        try:
            done = subprocess.run(
                [tool, "remove", "pod", self.id], capture_output=True, timeout=PATIENCE, check=False
            )
        except Exception:  # noqa: BLE001 - as above
            return "failed"
        return str(done.returncode)


class Lease:
    """Whether we are still there, by the file that the key check touches when our key comes by."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.seconds = float(os.environ.get("PLLM_LEASE", "0"))
        self.until = clock.now() + max(GRACE, self.seconds)
        self.seen: float | None = None
        self.sign = Path(tempfile.gettempdir(), "pllm-heartbeat")
        if self.seconds:
            self.sign.unlink(missing_ok=True)  # an earlier container of this pod left it
            os.environ["PLLM_HEARTBEAT"] = str(self.sign)

    def is_over(self) -> bool:
        """Whether nobody of ours has come by for too long; never without a lease."""
        if not self.seconds:
            return False
        with contextlib.suppress(OSError):
            touched = self.sign.stat().st_mtime
            if touched != self.seen:
                self.seen, self.until = touched, self.clock.now() + self.seconds
        return self.clock.now() >= self.until


def given(name: str) -> str:
    """A variable that RunPod sets in process 1, wherever we ourselves are."""
    if value := os.environ.get(name):
        return value
    for path in ENVIRONMENTS:
        with contextlib.suppress(OSError):
            text = Path(path).read_text(encoding="utf-8", errors="replace")
            for line in text.replace(chr(0), chr(10)).splitlines():
                key, _, value = line.removeprefix("export ").partition("=")
                if key == name and value:
                    return value.strip(chr(34))
    return ""


def wanted_deadline() -> int:
    """The deadline; a pod without one does not start."""
    text = os.environ.get("PLLM_DEADLINE", "")
    if not (text.isascii() and text.isdigit()):
        sys.exit("PLLM-GUARD failed: PLLM_DEADLINE is no time in seconds")
    return int(text)


def start(arguments: list[str]) -> int:
    """Start BOOT with the command after it; its pid, to which signals are passed on."""
    command = [sys.executable, "-c", *arguments]
    # The interpreter ignores SIGPIPE for itself; the server need not inherit that.
    server = os.posix_spawn(command[0], command, os.environ, setsigdef=[signal.SIGPIPE])

    def pass_on(number: int, _: Any) -> None:  # noqa: ANN401 - the interpreter calls it
        with contextlib.suppress(ProcessLookupError):
            os.kill(server, number)

    for number in ENDINGS:
        signal.signal(number, pass_on)
    return server


def bury(server: int | None) -> int | None:
    """Bury every child that has ended; the exit code of the server once it is one of them."""
    code = None
    with contextlib.suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[0] == server:
                code = os.waitstatus_to_exitcode(ended[1])
    return code


def main() -> None:
    """Arm, serve until it is time, then end the pod and nothing else."""
    clock, deadline, pod = Clock(), wanted_deadline(), Pod()
    lease = Lease(clock)
    say("armed", f"deadline={deadline}", "selfkey=" + pod.try_key())
    server = start(sys.argv[1:]) if clock.now() < deadline else None
    while clock.now() < deadline and not lease.is_over():
        code = bury(server)
        if code is not None:
            sys.exit(code if code >= 0 else 128 - code)
        time.sleep(1.0)
    for number in ENDINGS:
        signal.signal(number, signal.SIG_IGN)
    say("time is over" if clock.now() >= deadline else "nobody has come by for too long")
    while True:
        pod.end()
        bury(server)
        time.sleep(ROUND)


if __name__ == "__main__":
    main()
