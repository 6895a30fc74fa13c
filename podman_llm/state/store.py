"""The pod record on disk: checksummed, versioned, with the generation before it.

Bad bytes never read as "nothing is running": the store falls back to the previous generation, and
if that is bad or missing too it says ``rebuild``, which obliges the controller to ask the provider
before it creates anything. Every later format keeps ``version`` and ``sha256`` as they are here,
so that damage and a newer writer can always be told apart.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from pydantic import TypeAdapter

from podman_llm.core.notices import Notice
from podman_llm.core.pod import PodRecord, Sleep, Waiting
from podman_llm.errors import StateError
from podman_llm.host import files
from podman_llm.host.clock import Clock
from podman_llm.state import documents, reserve
from podman_llm.state.paths import StatePaths
from podman_llm.state.report import load_report

VERSION: Final = 1
"""Format of ``pod_state.json`` that this program writes, and the newest it reads."""

Origin = Literal["current", "previous", "fresh", "rebuild"]


@dataclass(frozen=True)
class Failure:
    """Why the ``up`` of this generation failed; ``exit_code`` is what the CLI ends with."""

    generation: int
    exit_code: int
    message: str
    hint: str
    at: float


@dataclass(frozen=True)
class PodState:
    """Everything the control plane must remember. Times are wall seconds.

    ``current`` is the open record, or else the one closed last; ``closed`` holds older closed
    ones, newest first. ``quarantine_until`` forbids creating before that time, because a request
    of a lost past may still turn into a pod. ``waiting`` says when to ask again for what was not to
    be had. ``is_rebuilding`` means that the past was lost and pods of ours found now are taken
    over. ``orphan_at`` is when a pod of ours that is in no record was last seen. ``notices`` are
    the warnings given, oldest first. ``balance`` is the account's in USD as read at ``balance_at``.
    ``sleep`` is set while requests may bring the pod up again.
    """

    current: PodRecord | None = None
    closed: tuple[PodRecord, ...] = ()
    failure: Failure | None = None
    last_list_at: float | None = None
    last_nonempty_list_at: float | None = None
    quarantine_until: float | None = None
    waiting: Waiting | None = None
    is_rebuilding: bool = False
    orphan_at: float | None = None
    notices: tuple[Notice, ...] = ()
    balance: float | None = None
    balance_at: float | None = None
    sleep: Sleep | None = None

    def has_failed(self, generation: int) -> bool:
        """Whether the ``up`` of this generation is over for having failed.

        One whose pod sleeps and could not be woken is not: people work at its endpoint.
        """
        failure = self.failure
        return failure is not None and failure.generation == generation and self.sleep is None


@dataclass(frozen=True)
class Loaded:
    """What was read, and how much to trust it.

    ``current`` is the truth. ``previous`` is one save older: a fence may have been lost with the
    newer one. ``fresh`` has no past. ``rebuild`` has one that is lost: what runs is unknown.
    ``problem`` is for people, empty when all is well.
    """

    state: PodState
    origin: Origin
    problem: str = ""


@dataclass(frozen=True)
class _Missing:
    """There is no such file."""

    why: str


@dataclass(frozen=True)
class _Damaged:
    """There is one, and these are not bytes that we wrote."""

    why: str


_ADAPTER: Final = TypeAdapter(PodState)


class StateStore:
    """Reader and only writer of the pod record; its user holds the controller's lock."""

    def __init__(self, paths: StatePaths, clock: Clock) -> None:
        self._paths = paths
        self._clock = clock
        self._written: tuple[int, int, int] | None = None

    def is_as_left(self) -> bool:
        """Whether the file is the one last read or written here; it costs one look.

        Others read it while it stays the same for hours: what happens to it meanwhile would send
        every request elsewhere.
        """
        return self._written is not None and self._written == _seen(self._paths.pod_state)

    def load(self) -> Loaded:
        """The newest state that can be trusted, and where it came from.

        A fresh state is written at once, so that a file missing later means loss. When both
        generations are bad they are moved to ``*.corrupt-<epoch>`` for whoever wants to look.

        Raises:
            StateError: a file cannot be read or moved, or a newer podman-llm wrote it.
        """
        loaded = _load(self._paths)
        if loaded.origin == "fresh":
            self.save(loaded.state)
        elif loaded.origin == "rebuild":
            self._set_aside()
        if loaded.origin == "current":
            self._written = _seen(self._paths.pod_state)
        return loaded

    def save(self, state: PodState) -> None:
        """Make ``state`` the current generation and the one before it the previous.

        At no moment is there neither; a damaged generation never displaces a good one. What is
        known of a pod may use the reserve; one more is not asked for with it.

        Raises:
            StateError: it cannot be written; the current generation is unharmed.
        """
        content = _encode(state)
        current = self._paths.pod_state
        with documents.writing(current):
            if isinstance(_read(current), PodState):
                files.keep_as(current, self._paths.previous_pod_state)
            has_pod = state.current is not None and state.current.pod_id
            write = reserve.write_anyway if has_pod else files.write_atomic
            write(current, content)
        self._written = _seen(current)

    def _set_aside(self) -> None:
        epoch = int(self._clock.wall())
        with documents.writing(self._paths.root):
            for path in (self._paths.pod_state, self._paths.previous_pod_state):
                if path.exists():
                    path.rename(path.with_name(f"{path.name}.corrupt-{epoch}"))
            files.sync_directory(self._paths.root)


def _seen(path: Path) -> tuple[int, int, int] | None:
    """What tells one content of a file from another; None if it cannot be looked at."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size


def read_pod_state(paths: StatePaths) -> PodState | None:
    """The state for a reader who is not the controller; None if there never was any.

    Touches nothing.

    Raises:
        StateError: it is unreadable, lost, or of a newer podman-llm: what runs is unknown.
    """
    loaded = _load(paths)
    if loaded.origin == "rebuild":
        raise StateError(
            f"what runs is unknown: {loaded.problem}",
            hint="`podman-llm --shutdown` or `podman-llm up` finds our pods at the provider again",
        )
    return None if loaded.origin == "fresh" else loaded.state


def _load(paths: StatePaths) -> Loaded:
    current = _read(paths.pod_state)
    if isinstance(current, PodState):
        return Loaded(current, "current")
    previous = _read(paths.previous_pod_state)
    if isinstance(previous, PodState):
        return Loaded(previous, "previous", current.why)
    if isinstance(current, _Missing) and isinstance(previous, _Missing) and not _has_past(paths):
        return Loaded(PodState(), "fresh")
    return Loaded(PodState(), "rebuild", f"{current.why}, and {previous.why}")


def _read(path: Path) -> PodState | _Missing | _Damaged:
    content = documents.read_bytes(path)
    if content is None:
        return _Missing(f"{path} is missing")
    try:
        return _decode(path, content)
    except (ValueError, RecursionError) as err:
        return _Damaged(f"{path} is damaged ({err})")


def _has_past(paths: StatePaths) -> bool:
    """Whether a controller has worked here, so that a missing state is a lost one."""
    try:
        report = load_report(paths)
    except StateError:
        return True
    return bool(report and report.tick_at) or any(paths.root.glob("*.corrupt-*"))


def _encode(state: PodState) -> bytes:
    # Read-only mappings are no dict to pydantic; the comparison below is the judge of the result.
    plain = _ADAPTER.dump_python(state, mode="json", fallback=dict, warnings=False)
    envelope = {"version": VERSION, "sha256": _checksum(VERSION, plain), "state": plain}
    content = json.dumps(envelope, indent=1, allow_nan=False).encode() + b"\n"
    if _ADAPTER.validate_json(json.dumps(plain), strict=True) != state:
        raise ValueError("this state would not be read back as it is")
    return content


def _decode(path: Path, content: bytes) -> PodState:
    envelope = json.loads(content)
    if not isinstance(envelope, dict) or set(envelope) != {"version", "sha256", "state"}:
        raise ValueError("not a state document")
    version, plain = envelope["version"], envelope["state"]
    if envelope["sha256"] != _checksum(version, plain):
        raise ValueError("its checksum does not match")
    documents.refuse_newer(path, content, known=VERSION)
    # ``validate_json`` on purpose: in strict mode only JSON input may stand for tuples and enums.
    return _ADAPTER.validate_json(json.dumps(plain), strict=True)


def _checksum(version: object, plain: object) -> str:
    """Over the meaning, not the layout: a person may reformat the file, but not change it."""
    text = json.dumps([version, plain], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
