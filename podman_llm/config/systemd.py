"""What systemd passes to the process of a unit, through the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Final

_OURS_ALONE: Final = (
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
)


@dataclass(frozen=True)
class UnitEnvironment:
    """All of it is empty where no unit started this process.

    ``notify_socket`` is where systemd listens; ``watchdog_seconds`` is how long it bears silence;
    ``socket_names`` are those of the sockets passed, in the order of their descriptors.
    """

    notify_socket: str | None
    watchdog_seconds: float | None
    socket_names: tuple[str, ...]


def take_unit_environment(
    *, pid: int, environ: MutableMapping[str, str] | None = None
) -> UnitEnvironment:
    """Read what is meant for the process ``pid``, and remove all of it: it is not for children."""
    environ = os.environ if environ is None else environ  # noqa: TID251 - config keeps the environment
    taken = {name: environ.pop(name, "") for name in _OURS_ALONE}
    watchdog = _number(taken["WATCHDOG_USEC"]) / 1e6
    is_watched = watchdog and taken["WATCHDOG_PID"] in {"", str(pid)}
    return UnitEnvironment(
        notify_socket=taken["NOTIFY_SOCKET"] or None,
        watchdog_seconds=watchdog if is_watched else None,
        socket_names=_names(taken) if taken["LISTEN_PID"] == str(pid) else (),
    )


def _names(taken: Mapping[str, str]) -> tuple[str, ...]:
    """One for each socket; systemd before 227 gave none."""
    count = _number(taken["LISTEN_FDS"])
    names = taken["LISTEN_FDNAMES"].split(":")[:count]
    return (*names, *[""] * (count - len(names)))


def _number(text: str) -> int:
    """What is no number was not written by systemd, and means nothing."""
    return int(text) if text.isascii() and text.isdigit() else 0
