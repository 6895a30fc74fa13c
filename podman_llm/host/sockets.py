"""The listening socket, owned by the daemon and shared by its workers.

Whoever holds it open keeps the port: connections that arrive while a worker is being replaced
wait in its backlog and are not refused.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Container
from typing import Any

from podman_llm.errors import ConfigError
from podman_llm.host.process import Listener, listener_on

_BACKLOG = 1024
"""Connections that may wait while no worker accepts; some seconds of the busiest editor."""


def bind_listener(host: str, port: int) -> socket.socket:
    """A TCP socket that listens on ``host`` and ``port``; port 0 takes any free one.

    ``SO_REUSEADDR`` allows a port whose old connections still linger, never one that is in use.

    Raises:
        ConfigError: the port is taken (its holder is named), or the address cannot be used.
    """
    try:
        return _listen(host, port)
    except OSError as err:
        raise _refusal(err, host, port, listener_on(port)) from err


def require_free(host: str, port: int, *, except_pids: Container[int] = ()) -> None:
    """Try the address and let it go at once.

    A port held by one of ``except_pids`` counts as free.

    Raises:
        ConfigError: as ``bind_listener``.
    """
    try:
        _listen(host, port).close()
    except OSError as err:
        holder = listener_on(port)
        if holder is None or holder.pid not in except_pids:
            raise _refusal(err, host, port, holder) from err


def resolved(host: str, port: int) -> tuple[str, int]:
    """The numeric address that ``bind_listener`` would listen on, and the port.

    Raises:
        ConfigError: ``host`` is no name or address.
    """
    try:
        address = _address(host, port)[4]
    except OSError as err:
        raise _refusal(err, host, port, None) from err
    return address[0], address[1]


def _address(host: str, port: int) -> tuple[socket.AddressFamily, socket.SocketKind, int, str, Any]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]


def _listen(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = _address(host, port)
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


def _refusal(err: OSError, host: str, port: int, holder: Listener | None) -> ConfigError:
    if err.errno == errno.EADDRINUSE:
        return ConfigError(
            f"port {port} is taken by {holder or 'another process'}",
            hint="end that process, or set proxy_port to a free port",
        )
    if err.errno == errno.EACCES:
        return ConfigError(f"port {port} needs privileges", hint="set proxy_port to 1024 or above")
    return ConfigError(
        f"cannot listen on {host} port {port}: {err.strerror or err}",
        hint="set proxy.host to an address of this machine",
    )
