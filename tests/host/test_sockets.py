from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest

from podman_llm.errors import ConfigError
from podman_llm.host.sockets import bind_listener, require_free


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with bind_listener("127.0.0.1", 0) as made:
        yield made


def _port(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


def test_clients_connect_while_nobody_accepts(listener: socket.socket) -> None:
    clients = [socket.create_connection(("127.0.0.1", _port(listener)), 2) for _ in range(200)]
    for client in clients:
        client.close()


def test_a_taken_port_names_its_holder(listener: socket.socket) -> None:
    port = _port(listener)
    expected = rf"port {port} is taken by .+ \(pid {os.getpid()}\)"
    with pytest.raises(ConfigError, match=expected) as caught:
        bind_listener("127.0.0.1", port)
    assert "proxy_port" in caught.value.hint
    with pytest.raises(ConfigError, match=expected):
        require_free("127.0.0.1", port)


def test_a_port_held_by_those_who_will_let_go_counts_as_free(listener: socket.socket) -> None:
    require_free("127.0.0.1", _port(listener), except_pids={os.getpid()})
    with pytest.raises(ConfigError):
        require_free("127.0.0.1", _port(listener), except_pids={os.getpid() + 1})


def test_a_port_can_be_bound_again_right_after_it_served() -> None:
    with bind_listener("127.0.0.1", 0) as first:
        port = _port(first)
        with socket.create_connection(("127.0.0.1", port)):
            first.accept()[0].close()
    require_free("127.0.0.1", port)
    bind_listener("127.0.0.1", port).close()


def test_an_address_of_another_machine_is_named() -> None:
    with pytest.raises(ConfigError, match=r"cannot listen on 192\.0\.2\.1 port 0"):
        bind_listener("192.0.2.1", 0)


def test_a_privileged_port_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", refuse)
    with pytest.raises(ConfigError, match="port 443 needs privileges"):
        bind_listener("127.0.0.1", 443)
