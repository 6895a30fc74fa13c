"""One controller per state directory, on every platform.

The kernel frees the lock when its holder dies, however it dies. The file is never unlinked: two
processes that lock the same name must lock the same file. Its descriptor is not inherited, so a
proxy worker that outlives a killed daemon does not keep the lock.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from podman_llm.errors import LockHeld, StateError
from podman_llm.host import files
from podman_llm.state import documents
from podman_llm.state.paths import StatePaths
from podman_llm.state.report import load_report

_PATIENCE_SECONDS = 1.0
"""``is_held`` takes the lock for an instant; a controller that starts just then waits it out."""


class ControllerLock:
    """The right to act on this state directory's pods. Not re-entrant."""

    def __init__(self, paths: StatePaths) -> None:
        from filelock import FileLock  # noqa: PLC0415 - brings asyncio; ``is_held`` needs neither

        self._paths = paths
        # Held by the process, not by the thread that happened to take it.
        self._lock = FileLock(paths.lock, mode=0o600, thread_local=False)

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            LockHeld: another process has it; the message names its pid when known.
            StateError: the lock file cannot be opened.
        """
        with documents.writing(self._paths.lock):
            try:
                self._lock.acquire(timeout=_PATIENCE_SECONDS)
            except TimeoutError as err:
                raise LockHeld(
                    f"another podman-llm{_holder(self._paths)} controls {self._paths.root}",
                    hint="`podman-llm status` shows what it does",
                ) from err

    def release(self) -> None:
        """Give the lock back; harmless when it is not held."""
        self._lock.release()

    def __enter__(self) -> Self:
        """Take the lock, as ``acquire``."""
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give the lock back."""
        self.release()


def is_held(paths: StatePaths) -> bool:
    """Whether a controller is at work. Takes the lock for an instant to find out.

    Raises:
        StateError: the lock file cannot be opened.
    """
    with documents.writing(paths.lock):
        return files.is_locked(paths.lock)


def _holder(paths: StatePaths) -> str:
    try:
        report = load_report(paths)
    except StateError:
        report = None
    return f" (pid {report.pid})" if report else ""
