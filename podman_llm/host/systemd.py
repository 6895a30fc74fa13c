"""systemd's side of a long-running process: telling it how we fare, taking the sockets it holds.

Both protocols are a few lines (``sd_notify(3)``, ``sd_listen_fds(3)``) and need no library.
"""

from __future__ import annotations

import math
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from podman_llm.errors import ConfigError
from podman_llm.host.sockets import resolved

_FIRST_DESCRIPTOR: Final = 3
_SEND_SECONDS: Final = 1.0
"""A manager that does not read for so long misses a message; it must not stop us."""

_TURNS_A_WATCHDOG: Final = 3
"""Turns begin at least so often in the time the watchdog allows: one may be lost, or be slow."""


class Notifier:
    """Tells systemd how this process fares; without an address there is nobody to tell.

    ``watchdog_seconds`` is how long systemd lets pass without a good word before it restarts us;
    None means for ever.
    """

    def __init__(self, address: str | None, watchdog_seconds: float | None = None) -> None:
        # A leading @ stands for the NUL of an abstract socket.
        self._address = "\0" + address[1:] if address and address.startswith("@") else address
        self._watchdog = watchdog_seconds

    @property
    def is_kept(self) -> bool:
        """Whether systemd keeps this process running."""
        return self._address is not None

    @property
    def pace(self) -> float:
        """Seconds within which the next turn should begin."""
        return math.inf if self._watchdog is None else self._watchdog / _TURNS_A_WATCHDOG

    def expect_turns_of(self, seconds: float) -> None:
        """Have the watchdog wait for a turn that may rightly take so long."""
        if self._watchdog is not None and self._watchdog < (needed := self.pace + seconds):
            self._tell(f"WATCHDOG_USEC={_micro(needed)}")

    def running(self, status: str, *, is_well: bool) -> None:
        """Started, or done with reloading; the watchdog is content only if all is well."""
        self._tell("READY=1", _status(status), *(["WATCHDOG=1"] if is_well else []))

    def reloading(self, monotonic: float) -> None:
        """Looking at everything anew; ``running`` ends it."""
        self._tell("RELOADING=1", f"MONOTONIC_USEC={_micro(monotonic)}")

    def stopping(self, status: str, *, within: float) -> None:
        """On the way out, which may take so many seconds from now."""
        self._tell("STOPPING=1", _status(status), f"EXTEND_TIMEOUT_USEC={_micro(within)}")

    def _tell(self, *lines: str) -> None:
        if self._address is None:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams, suppress(OSError):
            datagrams.settimeout(_SEND_SECONDS)
            datagrams.sendto("\n".join(lines).encode(), self._address)


def passed_sockets(names: Sequence[str]) -> dict[str, socket.socket]:
    """The sockets that systemd passed, by their names. No child inherits them unasked.

    Raises:
        OSError: a descriptor is not that of an open socket.
    """
    for descriptor in range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + len(names)):
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - the system's own order of arguments
    return {
        name: socket.socket(fileno=descriptor)
        for descriptor, name in enumerate(names, _FIRST_DESCRIPTOR)
    }


def hold_passed(listener: socket.socket, host: str, port: int) -> socket.socket:
    """A second hold on the socket that systemd listens on; closing it does not free the port.

    Raises:
        ConfigError: systemd listens elsewhere than on ``host`` and ``port``.
    """
    held, wanted = listener.getsockname()[:2], resolved(host, port)
    if held != wanted:
        raise ConfigError(
            f"the socket unit listens on {held[0]} port {held[1]}, wanted is {wanted[0]} port"
            f" {wanted[1]}",
            hint="run `podman-llm service install` again with these settings, or set proxy.host"
            " and proxy_port to what the unit has",
        )
    return listener.dup()


def _status(text: str) -> str:
    return "STATUS=" + " ".join(text.split())


def _micro(seconds: float) -> int:
    return int(seconds * 1_000_000)
