"""Pods that really run: entrypoint and command as processes of this machine.

What RunPod puts into a container is there: the pod's id, a key for itself, and a clock, which is
the made-up world's. A container whose process ends is started again, as on RunPod. There is no
isolation at all, so only what our own provider asks for should run here.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from podman_llm.testing.runpod_clock import WorldClock
from podman_llm.testing.runpod_pod import Fate, RentedPod
from podman_llm.testing.vllm_command import LOAD_VARIABLE, PORT_VARIABLE

_GRACE: Final = 1.0
"""Seconds between SIGTERM and SIGKILL."""
_LONGEST_LINE: Final = 1024 * 1024
_VLLM: Final = f"#!{sys.executable}\nfrom podman_llm.testing.vllm_command import main\nmain()\n"
_CLOCK_HOOK: Final = """\
import json, os, time

real = time.time

def world():
    with open(os.environ["PLLM_DOUBLE_CLOCK"], encoding="utf-8") as file:
        start, scale, shift = json.load(file)
    return start + (real() - start) * scale + shift

time.time = world
"""


class ProcessContainer:
    """One container: a process group, from ``start`` to its end.

    ``write`` takes each line of its output; ``ended`` is called when it ends by itself.
    """

    def __init__(
        self,
        command: Sequence[str],
        env: Mapping[str, str],
        *,
        url: str,
        write: Callable[[str], None],
        ended: Callable[[], None],
    ) -> None:
        self.url = url
        self._command = command
        self._env = env
        self._write = write
        self._ended = ended
        self._is_wanted = True
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start the process; what it serves comes when it comes."""
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            cwd=self._env["TMPDIR"],
            env=self._env,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
            limit=_LONGEST_LINE,
        )
        self._watch = asyncio.create_task(self._follow(self._process))

    async def stop(self) -> None:
        """SIGTERM, and after a second SIGKILL, to everything in it."""
        self._is_wanted = False
        self._signal(signal.SIGTERM)
        if self._process is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), _GRACE)
        await self.kill()

    async def kill(self) -> None:
        """SIGKILL to everything in it."""
        self._is_wanted = False
        self._signal(signal.SIGKILL)
        if self._watch is not None:
            await self._watch

    async def _follow(self, process: asyncio.subprocess.Process) -> None:
        """Keep what it writes; a container that ends by itself is told of."""
        if process.stdout is None:
            return
        while line := await process.stdout.readline():
            self._write(line.decode("utf-8", "replace").rstrip())
        await process.wait()
        self._signal(signal.SIGKILL)  # whatever the first process left behind
        if self._is_wanted:
            self._ended()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)


class ProcessHost:
    """The machine under all containers: its folder, its clock, and the API they can reach.

    ``settle`` lets the world catch up and tells its time. ``load_seconds`` is how long the model
    takes to load.
    """

    def __init__(
        self, clock: WorldClock, settle: Callable[[], float], *, load_seconds: float
    ) -> None:
        self._clock = clock
        self._settle = settle
        self._load_seconds = load_seconds
        self._folder: Path | None = None
        self._api = ""

    def open(self, api: str) -> None:
        """Make the folder that the containers share; ``api`` is the base URL of the double."""
        self._api = api
        self._folder = Path(tempfile.mkdtemp(prefix="pllm-double-"))
        for name, content in (("bin/vllm", _VLLM), ("site/sitecustomize.py", _CLOCK_HOOK)):
            path = self._folder / name
            path.parent.mkdir()
            path.write_text(content, encoding="utf-8")
            path.chmod(0o755)
        self.tell_time()

    def close(self) -> None:
        """Remove it; the containers have ended."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def tell_time(self) -> None:
        """Let the containers' clock follow the world's."""
        if self._folder is not None:
            draft = self._folder / "clock.new"
            draft.write_text(json.dumps(self._clock.terms()), encoding="utf-8")
            draft.replace(self._folder / "clock")

    def make(self, pod: RentedPod) -> ProcessContainer:
        """A container for the pod, which from now on speaks for itself."""
        if self._folder is None:
            raise RuntimeError("the host is not open")
        folder = self._folder / pod.id
        folder.mkdir(exist_ok=True)
        output = pod.output = [] if pod.output is None else pod.output
        port, since = free_port(), pod.container_since

        def ended() -> None:
            now = self._settle()
            if pod.has_container() and pod.container_since == since:
                pod.restart_container(now, "restart")

        return ProcessContainer(
            _command(pod),
            self._environment(pod, folder, port),
            url=f"http://127.0.0.1:{port}",
            write=lambda line: output.append((self._settle(), line)),
            ended=ended,
        )

    def _environment(self, pod: RentedPod, folder: Path, port: int) -> dict[str, str]:
        above = folder.parent
        path = [str(above / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]]
        return {
            "PATH": os.pathsep.join(path),
            "HOME": os.environ.get("HOME", str(folder)),
            "TMPDIR": str(folder),
            "PYTHONPATH": str(above / "site"),
            **pod.settings.env,
            "RUNPOD_POD_ID": pod.id,
            "RUNPOD_API_KEY": pod.scoped_key,
            "PLLM_API_BASE": self._api,
            "PLLM_DOUBLE_CLOCK": str(above / "clock"),
            PORT_VARIABLE: str(port),
            LOAD_VARIABLE: str(self._load_seconds),
        }


def _command(pod: RentedPod) -> tuple[str, ...]:
    settings = pod.settings
    entrypoint = () if pod.fate is Fate.UNGUARDED else settings.entrypoint
    return (*entrypoint, *settings.cmd) or ("vllm", "serve")


def free_port() -> int:
    """A loopback port that nobody has now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
