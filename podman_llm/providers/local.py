"""A command on this machine as the pod: the same lifecycle, without rent.

The registry is one file per pod; it is written before the command runs, and the command outlives
us. After a restart the pods are found there again.
"""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from podman_llm.core.catalog import GpuOffer, ModelEntry
from podman_llm.core.sight import (
    Created,
    CreateOutcome,
    Gone,
    Listing,
    NotCreated,
    PodSight,
    PodStatus,
    Refusal,
    Sight,
    Terminated,
    TerminateFailed,
    TerminateOutcome,
    Unknown,
)
from podman_llm.errors import NotFound, ProviderUnreachable
from podman_llm.host import files
from podman_llm.host.clock import Clock
from podman_llm.providers import detached
from podman_llm.providers.base import Account, Billing, CreateRequest, LogLine, Reached
from podman_llm.providers.detached import Identity

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,200}")
_TAIL_BYTES: Final = 512 * 1024
_FOLLOW_SECONDS: Final = 0.25


class _Unreadable(Exception):
    """A registry entry that is no entry; the text names the file."""


@dataclass(frozen=True)
class _Entry:
    """One pod in the registry; its name is its id."""

    name: str
    process: Identity
    created_at: float
    port: int
    gpu_count: int
    gpu_id: str
    env: dict[str, str]


class LocalProvider:
    """Pods that are processes of this host.

    ``command`` is argv, in which ``{port}`` and ``{model}`` are filled in; ``folder`` holds the
    registry and the logs; ``environ`` is what the command inherits besides the pod's environment;
    ``grace`` is how many seconds it has to end by itself.
    """

    def __init__(
        self,
        command: Sequence[str],
        folder: Path,
        clock: Clock,
        *,
        environ: Mapping[str, str],
        grace: float = 10.0,
    ) -> None:
        self._command = tuple(command)
        self._folder = folder
        self._clock = clock
        self._environ = dict(environ)
        self._grace = grace

    @property
    def name(self) -> str:
        """The provider's name."""
        return "local"

    @property
    def keyed(self) -> bool:
        """Any command may serve, and most cannot be told a key; the port is loopback's."""
        return False

    @property
    def disk_usd_per_gb_hour(self) -> float:
        """Nobody bills it."""
        return 0.0

    @property
    def guarded(self) -> bool:
        """Any command may serve, and none of them costs rent."""
        return False

    def gpus(self) -> Sequence[GpuOffer]:
        """Nothing is for rent here."""
        return ()

    def models(self) -> Sequence[ModelEntry]:
        """There is no repository."""
        return ()

    def create(self, request: CreateRequest) -> CreateOutcome:
        """Start the command; nothing but the gate has run when this fails."""
        if not self._command:
            return NotCreated(
                Refusal.SPEC,
                "provider.local_command is empty; give the command that serves, for example "
                '["vllm", "serve", "{model}", "--port", "{port}"]',
            )
        if not _NAME.fullmatch(request.name) or self._path(request.name).exists():
            return NotCreated(Refusal.SPEC, f"{request.name!r} is no free pod name")
        try:
            return Created(self._sight(self._start(request)))
        except OSError as err:
            return NotCreated(Refusal.SPEC, f"cannot start a pod in {self._folder}: {err}")

    def _start(self, request: CreateRequest) -> _Entry:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        port = _free_port()
        now = self._clock.reading()

        def entry(identity: Identity) -> _Entry:
            place = request.candidate
            return _Entry(
                name=request.name,
                process=identity,
                created_at=now.wall,
                port=port,
                gpu_count=place.gpu_count,
                gpu_id=place.gpu_id,
                env=dict(request.env),
            )

        def record(identity: Identity) -> None:
            content = json.dumps(asdict(entry(identity)), indent=1).encode()
            files.write_atomic(self._path(request.name), content)

        command = [_filled(part, port, request.spec.hf_id) for part in self._command]
        environ = self._environ | request.env
        log = self._log(request.name)
        return entry(
            detached.start(command, environ=environ, log=log, boot_id=now.boot_id, record=record)
        )

    def list_pods(self) -> Listing | Unknown:
        """Everything in the registry."""
        try:
            entries = [_read(path) for path in sorted(self._folder.glob("*.json"))]
        except (OSError, _Unreadable) as err:
            return Unknown(f"the registry of local pods cannot be read: {err}")
        return Listing(tuple(self._sight(entry) for entry in entries if entry))

    def get(self, pod_id: str) -> Sight:
        """One pod; its id is its name."""
        try:
            entry = self._find(pod_id)
        except (OSError, _Unreadable) as err:
            return Unknown(f"the registry of local pods cannot be read: {err}")
        return self._sight(entry) if entry else Gone()

    def terminate(self, pod_id: str) -> TerminateOutcome:
        """SIGTERM to the process group, then SIGKILL; then the entry and the log go."""
        try:
            entry = self._find(pod_id)
            if entry is None:
                return Terminated(404)
            if not detached.end(entry.process, self._clock, grace=self._grace):
                return TerminateFailed(f"process {entry.process.pid} does not end")
            self._log(entry.name).unlink(missing_ok=True)
            self._path(entry.name).unlink(missing_ok=True)
        except (OSError, _Unreadable) as err:
            return TerminateFailed(f"local pod {pod_id}: {err}")
        return Terminated(204)

    def logs(self, pod_id: str, *, source: str, tail: int, follow: bool) -> Iterator[LogLine]:
        """What the command wrote. There is no host to write ``system`` lines.

        Raises:
            NotFound: no such pod.
            ProviderUnreachable: its log cannot be read.
        """
        if not isinstance(self.get(pod_id), PodSight):
            raise NotFound(f"there is no local pod {pod_id}")
        if source == "system":
            return
        try:
            with self._log(pod_id).open("rb") as log:
                yield from self._lines(log.fileno(), pod_id, tail=tail, follow=follow)
        except OSError as err:
            raise ProviderUnreachable(f"the log of {pod_id} cannot be read: {err}") from err

    def _lines(self, log: int, pod_id: str, *, tail: int, follow: bool) -> Iterator[LogLine]:
        os.lseek(log, max(0, os.fstat(log).st_size - _TAIL_BYTES), os.SEEK_SET)
        *lines, rest = _read_all(log).split(b"\n")
        yield from map(_log_line, lines[-tail:] if tail else [])
        while follow:
            ended = not isinstance(sight := self.get(pod_id), PodSight) or (
                sight.status is not PodStatus.RUNNING
            )
            *lines, rest = (rest + _read_all(log)).split(b"\n")
            yield from map(_log_line, lines)
            if ended:
                break
            self._clock.sleep(_FOLLOW_SECONDS)
        if rest and (follow or tail):
            yield _log_line(rest)

    def account(self) -> Account:
        """Local pods cost nothing."""
        return Account(None, 0.0)

    def billing(self, *, since: float, until: float) -> Billing | Unknown:  # noqa: ARG002 - the contract's
        """Nothing is ever charged."""
        return Billing(())

    def reach(self) -> Reached:
        """This machine is there, and its clock is ours."""
        return Reached(None)

    def _sight(self, entry: _Entry) -> PodSight:
        runs = detached.runs(entry.process, self._clock.reading().boot_id)
        return PodSight(
            pod_id=entry.name,
            name=entry.name,
            status=PodStatus.RUNNING if runs else PodStatus.EXITED,
            cost_per_hour=0.0,
            created_at=entry.created_at,
            started_at=entry.created_at,
            uptime=max(0.0, self._clock.wall() - entry.created_at) if runs else None,
            endpoint=f"http://127.0.0.1:{entry.port}",
            gpu_count=entry.gpu_count,
            gpu_id=entry.gpu_id,
            cloud=None,
            data_center_id=None,
            env=entry.env,
        )

    def _find(self, pod_id: str) -> _Entry | None:
        return _read(self._path(pod_id)) if _NAME.fullmatch(pod_id) else None

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.json"

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"


def _read(path: Path) -> _Entry | None:
    try:
        document = json.loads(path.read_bytes())
        return _Entry(**document | {"process": Identity(**document["process"])})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as err:
        raise _Unreadable(f"{path} is damaged") from err


def _filled(part: str, port: int, model: str) -> str:
    return part.replace("{port}", str(port)).replace("{model}", model)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _read_all(descriptor: int) -> bytes:
    parts = []
    while part := os.read(descriptor, _TAIL_BYTES):
        parts.append(part)
    return b"".join(parts)


def _log_line(line: bytes) -> LogLine:
    return LogLine("", "pod", line.decode("utf-8", "replace").rstrip("\r"))
