"""One child process, from its start to its end.

Used from one thread only: that is what makes "signal it unless it ended" safe.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_LOG_BYTES = 10_000_000


class Child:
    """A running process in a session of its own, so that Ctrl-C and a closed terminal pass it by.

    It inherits ``pass_fds`` and nothing else that is open here; what it prints goes to the end of
    ``log``.

    Raises:
        OSError: it cannot be started.
    """

    def __init__(self, argv: Sequence[str], *, pass_fds: Sequence[int], log: Path) -> None:
        _turn_over(log)
        output = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            self._process = subprocess.Popen(
                argv,
                pass_fds=pass_fds,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        finally:
            os.close(output)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def ended(self) -> str | None:
        """How it ended, in words, or None while it runs. Waits for nothing; leaves no zombie."""
        code = self._process.poll()
        if code is None:
            return None
        if code >= 0:
            return f"exited with {code}"
        return f"was ended by signal {-code} ({signal.strsignal(-code)})"

    def ask_to_end(self) -> None:
        """SIGTERM: let it finish what it is doing."""
        self._process.terminate()

    def strike(self) -> None:
        """SIGKILL, without waiting: what the kernel holds may take its time to end."""
        self._process.kill()

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        self._process.kill()
        self._process.wait()


def _turn_over(log: Path) -> None:
    """Keep one older generation of a log that grew large; children that write to it go on."""
    with suppress(FileNotFoundError):
        if log.stat().st_size > _LOG_BYTES:
            log.replace(log.with_name(f"{log.name}.1"))
