"""The listening socket, owned by the daemon and shared by its workers.

Whoever holds it open keeps the port: connections that arrive while a worker is being replaced
wait in its backlog and are not refused.
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Container
from pathlib import Path
from typing import Any

from podman_llm.errors import ConfigError
from podman_llm.host.holder import described
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


def server_tls(cert: Path, key: Path) -> ssl.SSLContext:
    """TLS for a socket that serves with this certificate.

    Raises:
        ConfigError: the two files cannot be used, or not together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(cert, key)
    except OSError as err:  # ssl.SSLError is one
        raise ConfigError(
            f"ssl_cert {cert} and ssl_key {key} cannot be used: {err}",
            hint="Both are PEM files, and the key is the certificate's own.",
        ) from err
    return context


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
        who, what_to_do = described(holder)
        return ConfigError(f"port {port} is taken by {who}", hint=what_to_do)
    if err.errno == errno.EACCES:
        return ConfigError(f"port {port} needs privileges", hint="set proxy_port to 1024 or above")
    return ConfigError(
        f"cannot listen on {host} port {port}: {err.strerror or err}",
        hint="set proxy.host to an address of this machine",
    )
