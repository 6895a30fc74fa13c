from __future__ import annotations

import gzip
import socket
import threading
from pathlib import Path

import pytest

from podman_llm.host.clock import SystemClock
from podman_llm.providers import wire
from podman_llm.providers.wire import NoReply, Reply, Wire, is_loopback
from podman_llm.testing.clock import FakeClock
from tests.providers.conftest import ByteServer, answer

KEY = "rpa_SECRET123"


def wire_to(url: str, *, read_timeout: float = 5.0) -> Wire:
    return Wire(url, key=KEY, clock=SystemClock(), connect_timeout=2.0, read_timeout=read_timeout)


def closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


def test_an_answer_comes_back_whole(byte_server: ByteServer) -> None:
    byte_server.scripts = [answer("200 OK", '{"a": 1}', kind="Application/JSON; charset=utf-8")]
    reply = wire_to(byte_server.url).exchange("GET", "/v2/pods", query={"limit": "10"})
    assert isinstance(reply, Reply)
    assert (reply.status, reply.json(), reply.media_type) == (200, {"a": 1}, "application/json")
    assert byte_server.requests[0].startswith(b"GET /v2/pods?limit=10 HTTP/1.1\r\n")


def test_it_says_who_it_is_and_sends_the_key_as_bearer_only(byte_server: ByteServer) -> None:
    byte_server.scripts = [answer("200 OK")]
    wire_to(byte_server.url).exchange("POST", "/v2/pods", payload={"name": "x"})
    head = byte_server.requests[0].decode()
    assert "User-Agent: podman-llm/" in head
    assert head.count(KEY) == 1
    assert f"Authorization: Bearer {KEY}\r\n" in head


def test_a_netrc_entry_does_not_replace_the_key(
    byte_server: ByteServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine api.example login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    port = byte_server.url.rpartition(":")[2]
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{port}")
    byte_server.scripts = [answer("200 OK")]
    wire_to("http://api.example").exchange("GET", "/")
    assert f"Authorization: Bearer {KEY}\r\n".encode() in byte_server.requests[0]


def test_loopback_is_reached_directly_whatever_proxy_the_environment_names(
    byte_server: ByteServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    byte_server.scripts = [answer("200 OK")]
    assert isinstance(wire_to(byte_server.url).exchange("GET", "/"), Reply)


@pytest.mark.parametrize("status", ["500 Oops", "429 Slow", "502 Bad", "307 Elsewhere"])
def test_nothing_is_repeated_and_no_redirect_followed(byte_server: ByteServer, status: str) -> None:
    location = f"location: {byte_server.url}/elsewhere\r\nretry-after: 0\r\n"
    byte_server.scripts = [answer(status, head=location), answer("200 OK")]
    reply = wire_to(byte_server.url).exchange("POST", "/v2/pods", payload={})
    assert isinstance(reply, Reply)
    assert reply.status == int(status[:3])
    assert len(byte_server.requests) == 1


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")


@pytest.mark.parametrize(
    "script",
    [
        b"",
        reset,
        b"HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\n{",
        b"HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\n5\r\nabc",
        b"HTTP/1.1 201 Created\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nabc\r\n",
        b"HTTP/1.1 201 Created\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc",
        b"not http at all\r\n\r\n",
    ],
)
def test_an_answer_that_breaks_off_may_have_been_acted_on(
    byte_server: ByteServer, script: bytes
) -> None:
    byte_server.scripts = [script]
    silence = wire_to(byte_server.url).exchange("POST", "/v2/pods", payload={})
    assert isinstance(silence, NoReply)
    assert not silence.never_sent
    assert len(byte_server.requests) == 1


def test_a_refused_connection_was_never_used() -> None:
    silence = wire_to(f"http://127.0.0.1:{closed_port()}").exchange("POST", "/v2/pods")
    assert silence == NoReply("connection refused", never_sent=True)


def test_a_name_that_does_not_resolve_is_a_fault_of_this_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unknown(*args: object, **kwargs: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.delenv("HTTP_PROXY", raising=False)
    monkeypatch.delenv("http_proxy", raising=False)
    silence = wire_to("http://api.invalid").exchange("GET", "/")
    assert silence == NoReply("its name does not resolve", never_sent=True, offline=True)


@pytest.mark.parametrize("url", ["http://", "ftp://127.0.0.1", "http://[::1"])
def test_an_impossible_url_is_a_fault_of_this_host(url: str) -> None:
    assert isinstance(silence := wire_to(url).exchange("GET", "/"), NoReply)
    assert silence.why


def test_an_outer_exception_in_flight_does_not_make_a_lost_answer_look_unsent(
    byte_server: ByteServer,
) -> None:
    byte_server.scripts = [b""]
    silence: object = None
    try:
        socket.create_connection(("127.0.0.1", closed_port()))
    except ConnectionRefusedError:
        silence = wire_to(byte_server.url).exchange("POST", "/v2/pods")
    assert isinstance(silence, NoReply)
    assert not silence.never_sent


def test_silence_ends_at_the_read_timeout(byte_server: ByteServer) -> None:
    release = threading.Event()

    def mute(connection: socket.socket) -> None:
        release.wait(10)

    byte_server.scripts = [mute]
    silence = wire_to(byte_server.url, read_timeout=0.1).exchange("GET", "/")
    release.set()
    assert silence == NoReply("no answer in time")


class WatchedClock(FakeClock):
    """Every look at it takes a second, and is noticed."""

    def __init__(self) -> None:
        super().__init__()
        self.looked = threading.Event()

    def monotonic(self) -> float:
        self.advance(1.0)
        self.looked.set()
        return super().monotonic()


def test_a_trickle_ends_although_every_byte_comes_in_time(byte_server: ByteServer) -> None:
    clock = WatchedClock()

    def trickle(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        for _ in range(1000):
            clock.looked.wait(10)
            clock.looked.clear()
            connection.sendall(b"x")

    byte_server.scripts = [trickle]
    slow = Wire(byte_server.url, key=None, clock=clock, connect_timeout=2.0, read_timeout=5.0)
    assert slow.exchange("GET", "/") == NoReply("no answer in time")
    clock.looked.set()


def test_an_endless_answer_is_given_up(
    byte_server: ByteServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "MAX_BODY", 1000)
    byte_server.scripts = [answer("200 OK", b"x" * 2000)]
    silence = wire_to(byte_server.url).exchange("GET", "/")
    assert isinstance(silence, NoReply)
    assert "more than" in silence.why


def test_a_compressed_answer_is_read(byte_server: ByteServer) -> None:
    body = gzip.compress(b'{"pods": []}')
    byte_server.scripts = [answer("200 OK", body, head="content-encoding: gzip\r\n")]
    reply = wire_to(byte_server.url).exchange("GET", "/")
    assert isinstance(reply, Reply)
    assert reply.json() == {"pods": []}


def test_an_error_page_that_echoes_the_key_comes_without_it(byte_server: ByteServer) -> None:
    byte_server.scripts = [answer("400 Bad", f"<p>Authorization: Bearer {KEY}</p>")]
    assert KEY not in repr(wire_to(byte_server.url).exchange("GET", "/"))


def test_a_body_that_is_no_json_reads_as_nothing() -> None:
    for body in (b"<html>", b"", b"\xff", b"[" * 100_000):
        assert Reply(502, {}, body).json() is None


def test_fresh_does_not_use_a_pooled_connection(byte_server: ByteServer) -> None:
    def keep_alive(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    byte_server.scripts = [keep_alive, answer("201 Created")]
    pooled = wire_to(byte_server.url)
    pooled.exchange("GET", "/first")
    reply = pooled.exchange("POST", "/second", fresh=True)
    assert isinstance(reply, Reply)
    assert reply.status == 201


def test_a_stream_is_read_as_it_comes_and_ends_when_silent(byte_server: ByteServer) -> None:
    told, release = threading.Event(), threading.Event()

    def drip(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\none")
        told.wait(10)
        connection.sendall(b"two")
        release.wait(10)

    byte_server.scripts = [drip]
    with wire_to(byte_server.url).stream("/logs", query={}, headers={}, quiet=0.2) as (
        head,
        chunks,
    ):
        assert isinstance(head, Reply)
        assert next(chunks) == b"one"
        told.set()
        assert list(chunks) == [b"two"]
    release.set()


def test_a_refused_stream_has_a_body_and_no_bytes(byte_server: ByteServer) -> None:
    byte_server.scripts = [answer("404 Not Found", '{"detail": "no"}')]
    with wire_to(byte_server.url).stream("/logs", query={}, headers={}, quiet=5) as (head, chunks):
        assert isinstance(head, Reply)
        assert (head.status, head.json(), list(chunks)) == (404, {"detail": "no"}, [])


def test_a_stream_that_cannot_be_opened_says_why() -> None:
    unreachable = wire_to(f"http://127.0.0.1:{closed_port()}")
    with unreachable.stream("/logs", query={}, headers={}, quiet=5) as (head, chunks):
        assert head == NoReply("connection refused", never_sent=True)
        assert list(chunks) == []


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://[::1]:8000/v1", True),
        ("http://localhost", True),
        ("https://api.runpod.io", False),
        ("http://10.0.0.1", False),
        ("nonsense", False),
    ],
)
def test_loopback_is_told_by_its_address(url: str, expected: bool) -> None:
    assert is_loopback(url) is expected
