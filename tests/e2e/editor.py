"""A client that sees what an editor sees: the bytes, how they end, and on how many connections."""

from __future__ import annotations

import http.client
import itertools
import json
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tests.e2e.machine import Machine, eventually

_PATIENCE = 20.0
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Said:
    """An answer, read as far as it went; ``is_cut`` is whether it was broken off."""

    status: int
    headers: dict[str, str]
    body: bytes
    is_cut: bool
    seconds: float

    @property
    def served_by(self) -> str:
        return self.headers.get("X-Served-By", "")

    @property
    def is_event_stream(self) -> bool:
        return self.headers["Content-Type"].startswith("text/event-stream")

    @property
    def is_whole(self) -> bool:
        """Whether it ended as an answer ends."""
        done = b"data: [DONE]\n\n"
        ended = self.body.endswith(done) if self.is_event_stream else self.status == 200
        return ended and not self.is_cut

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The message of an error as OpenAI's clients read it."""
        return str(self.document["error"]["message"])

    @property
    def chunks(self) -> list[Any]:
        """The events of a stream, read."""
        events = [event for event in self.body.split(b"\n\n") if event.startswith(b"data: {")]
        return [json.loads(event.removeprefix(b"data: ")) for event in events]

    @property
    def models(self) -> set[str]:
        """Who made it, as it says itself."""
        return {one["model"] for one in self.chunks or [self.document]}

    @property
    def finish_reason(self) -> str:
        """Why it ended."""
        ends = [one["choices"][0] for one in self.chunks or [self.document] if one["choices"]]
        return str(ends[-1]["finish_reason"])

    @property
    def message(self) -> dict[str, Any]:
        """The assistant's message, put together as clients do it."""
        if not self.is_event_stream:
            return dict(self.document["choices"][0]["message"])
        deltas = [one["choices"][0]["delta"] for one in self.chunks if one["choices"]]
        message: dict[str, Any] = {"content": "", "tool_calls": []}
        for delta in deltas:
            message["content"] += delta.get("content") or ""
            for piece in delta.get("tool_calls") or ():
                if piece["index"] == len(message["tool_calls"]):
                    message["tool_calls"].append(piece)
                else:
                    call = message["tool_calls"][piece["index"]]
                    call["function"]["arguments"] += piece["function"]["arguments"]
        return message


class Answering:
    """An answer on its way, read only when told: its question has been sent."""

    def __init__(self, connection: http.client.HTTPConnection, began: float) -> None:
        self._began = began
        self._connection = connection
        self._body = b""

    @cached_property
    def _response(self) -> http.client.HTTPResponse:
        return self._connection.getresponse()

    def leave(self) -> None:
        """Reset the connection, as a killed program's is."""
        self._connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._connection.close()

    def read_some(self, events: int) -> None:
        """Read so many events of a stream, or a few more."""
        while self._body.count(b"\n\n") < events:
            piece = self._response.read1(65536)
            assert piece, f"the answer ended: {self._body!r}"
            self._body += piece

    def rest(self) -> Said:
        """All of it, to its end or to where it breaks off."""
        is_cut = False
        try:
            while piece := self._response.read1(65536):
                self._body += piece
            self._response.read()  # raises if something is missing
        except (http.client.IncompleteRead, ConnectionError):
            is_cut = True
        seconds = time.monotonic() - self._began
        headers = dict(self._response.headers)
        return Said(self._response.status, headers, self._body, is_cut, seconds)


class Editor:
    """Asks, each time something else unless ``seed`` is given; a field that is None is left out."""

    def __init__(self, machine: Machine) -> None:
        self._port = machine.port
        self._fresh = itertools.count()

    def ask(self, path: str = "chat/completions", *, headers: Any = None, **more: Any) -> Said:
        """One question, and its whole answer."""
        with self.asking(path, headers=headers, **more) as answering:
            return answering.rest()

    @contextmanager
    def asking(
        self, path: str = "chat/completions", *, headers: Any = None, **more: Any
    ) -> Iterator[Answering]:
        """One question on a connection of its own, which is closed at the end of the block."""
        with closing(self.connect()) as connection:
            yield self.ask_on(connection, path, headers=headers, **more)

    def ask_on(
        self,
        connection: http.client.HTTPConnection,
        path: str = "chat/completions",
        *,
        headers: Any = None,
        **more: Any,
    ) -> Answering:
        """One question on a connection that is there already."""
        body = {
            "model": "podman-llm",
            "messages": [{"role": "user", "content": "Say hello."}],
            "seed": next(self._fresh),
            "max_tokens": 20,
        } | more
        text = json.dumps({name: value for name, value in body.items() if value is not None})
        sent = {"Content-Type": "application/json"} | (headers or {})
        began = time.monotonic()
        connection.request("POST", f"/v1/{path}", text, sent)
        return Answering(connection, began)

    def connect(self) -> http.client.HTTPConnection:
        """A connection to the proxy."""
        return http.client.HTTPConnection("127.0.0.1", self._port, timeout=_PATIENCE)

    def close_circuit(self, name: str) -> None:
        """Have an upstream asked again, as `podman-llm breaker close` does."""
        with closing(self.connect()) as connection:
            connection.request("POST", f"/admin/breaker/{name}/close")
            assert connection.getresponse().status == 200

    def is_there(self) -> bool:
        """Whether the proxy is."""
        with closing(self.connect()) as connection:
            try:
                connection.request("GET", "/health")
                return connection.getresponse().status == 200
            except OSError:
                return False

    def is_answered(self) -> bool:
        """Whether anybody answers."""
        try:
            return self.ask().status == 200
        except OSError:
            return False


@contextmanager
def serving(machine: Machine, endpoint: str, **settings: Any) -> Iterator[None]:
    """``serve`` before an endpoint; it never writes a key or a defect."""
    machine.write_config(**settings)
    process = machine.start("serve", "--endpoint", endpoint)
    try:
        eventually(Editor(machine).is_there, what="the proxy")
        yield
    finally:
        process.terminate()
        written = "".join(process.communicate(timeout=20))
    assert process.returncode == 0
    assert "Traceback" not in written
    for name, value in machine.environment.items():
        assert not name.endswith("_KEY") or value not in written
