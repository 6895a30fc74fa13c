"""A server that sends exactly the bytes it is given, one script per connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

Script = Callable[[socket.socket], None]


def answer(
    status: str, body: bytes | str = b"", *, kind: str = "application/json", head: str = ""
) -> bytes:
    """A whole HTTP answer; the connection closes after it."""
    content = body.encode() if isinstance(body, str) else body
    return (
        f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(content)}\r\n"
        f"{head}connection: close\r\n\r\n"
    ).encode() + content


class ByteServer:
    """Plays ``scripts`` in order, one for each connection, and keeps what was sent to it."""

    def __init__(self) -> None:
        self.scripts: list[bytes | Script] = []
        self.requests: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self.requests.append(_request(connection))
                script = self.scripts.pop(0) if self.scripts else b""
                try:
                    _play(connection, script)
                except OSError:
                    continue


def _play(connection: socket.socket, script: bytes | Script) -> None:
    if isinstance(script, bytes):
        connection.sendall(script)
    else:
        script(connection)


def _request(connection: socket.socket) -> bytes:
    received = b""
    while b"\r\n\r\n" not in received:
        received += (part := connection.recv(65536))
        if not part:
            return received
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(
        (
            int(line[15:])
            for line in head.split(b"\r\n")
            if line.lower().startswith(b"content-length:")
        ),
        0,
    )
    while len(body) < length:
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@pytest.fixture
def byte_server() -> Iterator[ByteServer]:
    server = ByteServer()
    yield server
    server.close()
