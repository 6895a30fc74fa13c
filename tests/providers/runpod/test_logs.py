from __future__ import annotations

import json
import socket
import threading

import pytest

from podman_llm.config.models import ProviderSettings
from podman_llm.errors import NotFound, ProviderRefused, ProviderUnreachable
from podman_llm.providers.base import LogLine
from podman_llm.providers.runpod import logs
from podman_llm.providers.runpod.client import RunpodClient
from podman_llm.testing.clock import FakeClock
from tests.providers.conftest import ByteServer, answer
from tests.providers.runpod.conftest import KEY, PROBLEM

HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
GONE = answer("404 Not Found", '{"detail": "resource not found"}', kind=PROBLEM)
BROKEN = answer("502 Bad Gateway", "<html>", kind="text/html")


def event(number: int) -> bytes:
    ts = f"2026-06-01T12:02:{number:02}Z"
    body = json.dumps({"ts": ts, "source": "container", "line": f"line {number}"})
    return f"id: {ts}/{number:012}\ndata: {body}\n\n".encode()


def client_of(server: ByteServer) -> RunpodClient:
    return RunpodClient(ProviderSettings(api_base=server.url), KEY, FakeClock())


def tail(server: ByteServer, count: int = 100) -> list[str]:
    lines = logs.tail(client_of(server), FakeClock(), "pod1", source="pod", count=count)
    return [line.line for line in lines]


def follow(server: ByteServer, clock: FakeClock) -> list[str]:
    lines = logs.follow(client_of(server), clock, "pod1", source="pod", count=100)
    return [line.line for line in lines]


def test_lines_are_read_with_their_time_and_source(byte_server: ByteServer) -> None:
    byte_server.scripts = [HEAD + event(1)]
    lines = list(logs.tail(client_of(byte_server), FakeClock(), "pod1", source="pod", count=5))
    assert lines == [LogLine("2026-06-01T12:02:01Z", "container", "line 1")]
    assert b"GET /v2/pods/pod1/logs?source=container&tail=5 " in byte_server.requests[0]


def test_the_host_writes_the_system_lines(byte_server: ByteServer) -> None:
    byte_server.scripts = [HEAD]
    list(logs.tail(client_of(byte_server), FakeClock(), "pod1", source="system", count=9999))
    assert b"?source=system&tail=5000 " in byte_server.requests[0]


def test_enough_lines_end_it_although_the_stream_stays_open(byte_server: ByteServer) -> None:
    release = threading.Event()

    def stay_open(connection: socket.socket) -> None:
        connection.sendall(HEAD + event(1) + event(2) + event(3))
        release.wait(10)

    byte_server.scripts = [stay_open]
    assert tail(byte_server, count=2) == ["line 1", "line 2"]
    release.set()


def test_a_pause_ends_it_although_the_stream_stays_open(
    byte_server: ByteServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_QUIET_SECONDS", 0.2)
    release = threading.Event()

    def stay_open(connection: socket.socket) -> None:
        connection.sendall(HEAD + event(1))
        release.wait(10)

    byte_server.scripts = [stay_open]
    assert tail(byte_server) == ["line 1"]
    release.set()


@pytest.mark.parametrize("noise", [event(2), b": keepalive\n\n"], ids=["lines", "comments"])
def test_a_stream_that_never_pauses_is_not_listened_to_for_ever(
    byte_server: ByteServer, noise: bytes
) -> None:
    clock, release = FakeClock(), threading.Event()

    def babble(connection: socket.socket) -> None:
        connection.sendall(HEAD + event(1))
        while not release.wait(0.01):
            clock.advance(0.1)
            connection.sendall(noise)

    byte_server.scripts = [babble]
    began = clock.monotonic()
    lines = list(logs.tail(client_of(byte_server), clock, "pod1", source="pod", count=9999))
    release.set()
    assert lines[0].line == "line 1"
    assert 20 <= clock.monotonic() - began < 25


def test_comments_and_odd_events_are_passed_over(byte_server: ByteServer) -> None:
    odd = b": keepalive\n\ndata: no json\n\ndata: [1]\n\ndata: {}\n\nid: 7\n\n"
    crlf = event(2).replace(b"\n", b"\r\n")
    byte_server.scripts = [HEAD + odd + event(1) + crlf + b"data: cut off"]
    assert tail(byte_server) == ["line 1", "line 2"]


def test_events_in_pieces_are_whole_events(byte_server: ByteServer) -> None:
    def bytewise(connection: socket.socket) -> None:
        for byte in HEAD + event(1) + event(2):
            connection.sendall(bytes([byte]))

    byte_server.scripts = [bytewise]
    assert tail(byte_server) == ["line 1", "line 2"]


@pytest.mark.parametrize(
    ("script", "error"),
    [
        (GONE, NotFound),
        (answer("404 Not Found", "<html>", kind="text/html"), ProviderUnreachable),
        (answer("401 Unauthorized", '{"detail": "no"}', kind=PROBLEM), ProviderRefused),
        (answer("200 OK", "{}"), ProviderUnreachable),
        (BROKEN, ProviderUnreachable),
        (b"", ProviderUnreachable),
    ],
)
def test_no_stream_is_an_error_of_its_kind(
    byte_server: ByteServer, script: bytes, error: type[Exception]
) -> None:
    byte_server.scripts = [script]
    with pytest.raises(error) as raised:
        tail(byte_server)
    assert raised.value.__context__ is None  # a library's exception would carry the key


def test_an_event_without_end_is_given_up(
    byte_server: ByteServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_EVENT_MAX", 1000)
    byte_server.scripts = [HEAD + b"data: " + b"x" * 5000]
    with pytest.raises(ProviderUnreachable, match="more than 1000 bytes"):
        tail(byte_server)


def test_a_broken_stream_is_taken_up_after_the_last_event(byte_server: ByteServer) -> None:
    byte_server.scripts = [
        HEAD + event(1) + event(2),
        BROKEN,
        b"",
        HEAD + event(3),
        GONE,
    ]
    clock = FakeClock()
    began = clock.monotonic()
    assert follow(byte_server, clock) == ["line 1", "line 2", "line 3"]
    resumed = b"Last-Event-ID: 2026-06-01T12:02:02Z/000000000002\r\n"
    assert [resumed in request for request in byte_server.requests] == [
        False,
        True,
        True,
        True,
        False,
    ]
    assert b"Last-Event-ID: 2026-06-01T12:02:03Z/" in byte_server.requests[-1]
    assert clock.monotonic() - began >= 4 * 3


def test_a_pod_that_never_was_cannot_be_followed(byte_server: ByteServer) -> None:
    byte_server.scripts = [GONE]
    with pytest.raises(NotFound, match="pod1"):
        follow(byte_server, FakeClock())


def test_following_gives_up_after_six_failures_in_a_row(byte_server: ByteServer) -> None:
    byte_server.scripts = [BROKEN] * 6
    with pytest.raises(ProviderUnreachable):
        follow(byte_server, FakeClock())
    assert len(byte_server.requests) == 6
