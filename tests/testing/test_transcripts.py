"""Transcripts are read to the byte, and played to the byte."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from podman_llm.testing.transcripts import (
    BadTranscript,
    RecordedRequest,
    SseEvent,
    exchange,
    load_transcript,
    parse_events,
    parse_request,
    parse_response,
    transcript_names,
)

_CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.fixture
def vllm(recordings: Path) -> Path:
    return recordings / "vllm"


def test_every_recorded_exchange_can_be_read(vllm: Path) -> None:
    names = transcript_names(vllm)
    assert len(names) > 100
    for name in names:
        transcript = load_transcript(vllm, name)
        # Paths inside this one body were shortened after recording; its length header was not.
        assert transcript.response.complete or name == "models", name


def test_a_request_is_encoded_to_the_bytes_it_was_read_from(vllm: Path) -> None:
    raw = (vllm / "chat.request.txt").read_bytes()
    assert parse_request(raw).encode() == raw


def test_header_case_and_order_are_kept(vllm: Path) -> None:
    transcript = load_transcript(vllm, "chat")
    assert [name for name, _ in transcript.request.headers][:2] == ["Host", "User-Agent"]
    assert transcript.response.header("Server") == "uvicorn"
    assert transcript.response.headers[1] == ("server", "uvicorn")


def test_a_stream_gives_its_chunks_and_its_events(vllm: Path) -> None:
    response = load_transcript(vllm, "stream").response
    events = response.events()
    assert response.is_stream
    assert len(response.chunks) == len(events)
    assert events[-1] == SseEvent("[DONE]")


def test_a_named_event_keeps_its_name(vllm: Path) -> None:
    events = load_transcript(vllm, "responses_stream").response.events()
    assert events[0].event == "response.created"


def test_comments_and_unfinished_events_are_no_events() -> None:
    assert parse_events(b": keepalive\n\ndata: 1\r\n\r\ndata: half") == (SseEvent("1"),)


@pytest.mark.parametrize("cut", [b"", b"5\r\nab", b"2\r\nab\r\n", b"2\r\nab\r\n0"])
def test_a_chunked_body_without_its_last_chunk_is_incomplete(cut: bytes) -> None:
    assert not parse_response(_CHUNKED + cut).complete
    assert parse_response(_CHUNKED + b"2\r\nab\r\n0\r\n\r\n").complete


def test_a_replaced_header_is_sent_once() -> None:
    request = RecordedRequest("GET", "/", "HTTP/1.1", (("Host", "a"), ("host", "b")), b"")
    assert request.with_header("Host", "c").headers == (("Host", "c"),)


@pytest.mark.parametrize("raw", [b"GET /", b"nonsense\r\n\r\n"])
def test_bytes_that_are_no_message_are_refused(raw: bytes) -> None:
    with pytest.raises(BadTranscript):
        parse_request(raw)
    with pytest.raises(BadTranscript):
        parse_response(raw)


async def _serve_once(answer: bytes) -> tuple[asyncio.Server, int]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("answer", "body", "complete"),
    [
        (_CHUNKED + b"2\r\nab\r\n0\r\n\r\n", b"ab", True),
        (_CHUNKED + b"2\r\nab\r\n5\r\nc", b"ab", False),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab", b"ab", True),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab", b"ab", False),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nab", b"ab", True),
    ],
)
async def test_an_exchange_reads_to_the_end_and_says_whether_it_was_cut(
    answer: bytes, body: bytes, complete: bool
) -> None:
    server, port = await _serve_once(answer)
    async with server:
        request = RecordedRequest("GET", "/", "HTTP/1.1", (("Host", "x"),), b"")
        response = await exchange("127.0.0.1", port, request)
    assert (response.body, response.complete) == (body, complete)


async def test_a_connection_closed_before_the_headers_is_a_connection_error() -> None:
    server, port = await _serve_once(b"HTTP/1.1 200")
    async with server:
        request = RecordedRequest("GET", "/", "HTTP/1.1", (("Host", "x"),), b"")
        with pytest.raises(ConnectionError):
            await exchange("127.0.0.1", port, request)
