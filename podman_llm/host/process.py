"""Other processes: who they are, whether they still are, and how they are ended.

A pid alone names nobody for long; with its creation time it names one process. Where the system
does not let us look (another user's process), the answer is that we do not know, never an error.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import psutil

_SAME_SECONDS = 2.0
"""Creation times are derived from the wall clock's idea of the boot, which NTP nudges."""


@dataclass(frozen=True)
class Listener:
    """Who listens on a port. ``pid`` is None and the rest empty when we may not know."""

    pid: int | None
    name: str
    command: tuple[str, ...] = ()

    def __str__(self) -> str:
        """For the sentence "port 8000 is taken by …"."""
        return f"{self.name} (pid {self.pid})" if self.pid else "another process"


def listener_on(port: int) -> Listener | None:
    """Who listens on this TCP port on any address, or None if nobody is seen to."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return _own_listener_on(port)
    for connection in connections:
        if _listens(connection, port):
            return _listener(connection.pid)
    return None


def create_time(pid: int) -> float | None:
    """When this process was made, wall seconds; None if there is no such process."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None


def is_alive(pid: int, created: float | None = None) -> bool:
    """Whether the process runs, and is the one made at ``created`` if that is given.

    One that ended but was not waited for does not run.
    """
    process = _find(pid, created)
    try:
        return process is not None and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def listens(pid: int, created: float, port: int) -> bool:
    """Whether exactly this process listens on a TCP port; False if that is hidden from us.

    A thousandth of the work of ``listener_on``, which looks at every process of the machine.
    """
    process = _find(pid, created)
    if process is None:
        return False
    try:
        return any(_listens(each, port) for each in process.net_connections(kind="tcp"))
    except psutil.Error:
        return False


def command_of(pid: int) -> tuple[str, ...]:
    """The argv of a process; empty if it is gone or hidden from us."""
    try:
        return tuple(psutil.Process(pid).cmdline())
    except psutil.Error:
        return ()


def ask_to_end(pid: int, created: float) -> None:
    """SIGTERM to exactly this process; nothing if it is gone or not ours to signal."""
    if process := _find(pid, created):
        with suppress(psutil.Error):
            process.terminate()


def terminate(pid: int, created: float, *, grace: float) -> bool:
    """End exactly this process: politely, and after ``grace`` seconds not. Whether it is gone."""
    process = _find(pid, created)
    if process is None:
        return True
    for order, patience in ((process.terminate, grace), (process.kill, 5.0)):
        try:
            order()
            process.wait(patience)
        except psutil.NoSuchProcess:
            return True
        except psutil.TimeoutExpired:
            continue
        except psutil.AccessDenied:
            return False
        return True
    return False


def _find(pid: int, created: float | None) -> psutil.Process | None:
    try:
        process = psutil.Process(pid)
        if created is None or abs(process.create_time() - created) < _SAME_SECONDS:
            return process
    except psutil.Error:
        pass
    return None


def _own_listener_on(port: int) -> Listener | None:
    """The same question where the system-wide table needs privileges (macOS)."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if any(_listens(each, port) for each in process.net_connections(kind="tcp")):
                return _listener(process.pid)
    return None


def _listens(connection: psutil._ntuples.pconn | psutil._ntuples.sconn, port: int) -> bool:
    if connection.status != psutil.CONN_LISTEN or not connection.laddr:
        return False
    return connection.laddr.port == port


def _listener(pid: int | None) -> Listener:
    if pid is None:
        return Listener(None, "")
    try:
        return Listener(pid, psutil.Process(pid).name(), command_of(pid))
    except psutil.Error:
        return Listener(pid, "a process")
