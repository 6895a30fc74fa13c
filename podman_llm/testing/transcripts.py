"""Recorded exchanges, read back as bytes and as what they mean, and a client that plays them.

A transcript is two files: ``NAME.request.txt`` holds the exact bytes sent, ``NAME.response.raw``
the exact bytes received. HTTP is parsed here by hand, because the point of a recording is what a
client library hides: the case and order of headers, and where the chunk boundaries fell.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field, replace
from pathlib import Path

Headers = tuple[tuple[str, str], ...]


class BadTranscript(ValueError):
    """The bytes are no HTTP message."""


def _find(headers: Headers, name: str) -> str | None:
    return next((value for key, value in headers if key.lower() == name.lower()), None)


@dataclass(frozen=True)
class SseEvent:
    """One server-sent event; ``event`` is empty when the stream named none."""

    data: str
    event: str = ""


@dataclass(frozen=True)
class RecordedRequest:
    """A request as it was sent; ``headers`` keep their order and case."""

    method: str
    path: str
    version: str
    headers: Headers
    body: bytes

    def header(self, name: str) -> str | None:
        """The first value of ``name``, whatever its case."""
        return _find(self.headers, name)

    def with_header(self, name: str, value: str) -> RecordedRequest:
        """A copy in which ``name`` is sent with ``value`` and nothing else."""
        others = tuple((key, kept) for key, kept in self.headers if key.lower() != name.lower())
        return replace(self, headers=(*others, (name, value)))

    def encode(self) -> bytes:
        """The bytes to send."""
        lines = [f"{self.method} {self.path} {self.version}"]
        lines += [f"{key}: {value}" for key, value in self.headers]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


@dataclass(frozen=True)
class RecordedResponse:
    """A response as it arrived.

    ``chunks`` are the HTTP chunks in order, or the whole body as one. ``complete`` is whether the
    framing was honoured: a chunked body without its last chunk is an answer cut short, although
    each event in it may look fine.
    """

    version: str
    status: int
    reason: str
    headers: Headers
    chunks: tuple[bytes, ...] = field(repr=False)
    chunked: bool
    complete: bool

    def header(self, name: str) -> str | None:
        """The first value of ``name``, whatever its case."""
        return _find(self.headers, name)

    @property
    def body(self) -> bytes:
        """The body without its framing."""
        return b"".join(self.chunks)

    @property
    def is_stream(self) -> bool:
        """Whether the answer is an event stream."""
        return (self.header("content-type") or "").startswith("text/event-stream")

    def events(self) -> tuple[SseEvent, ...]:
        """The server-sent events, comments left out."""
        return parse_events(self.body)


@dataclass(frozen=True)
class Transcript:
    """A recorded exchange."""

    name: str
    request: RecordedRequest
    response: RecordedResponse


def transcript_names(folder: Path) -> tuple[str, ...]:
    """Every exchange recorded in ``folder``, sorted."""
    suffix = ".request.txt"
    return tuple(sorted(path.name.removesuffix(suffix) for path in folder.glob(f"*{suffix}")))


def load_transcript(folder: Path, name: str) -> Transcript:
    """Read one exchange; raises OSError or BadTranscript."""
    request = parse_request((folder / f"{name}.request.txt").read_bytes())
    response = parse_response(
        (folder / f"{name}.response.raw").read_bytes(), to_head=request.method == "HEAD"
    )
    return Transcript(name, request, response)


def parse_request(raw: bytes) -> RecordedRequest:
    """Read the bytes of one request."""
    start, headers, body = _split(raw)
    words = start.split(" ")
    if len(words) != 3:  # noqa: PLR2004 - method, path, version
        raise BadTranscript(f"no request line: {start!r}")
    return RecordedRequest(words[0], words[1], words[2], headers, body)


def parse_response(raw: bytes, *, to_head: bool = False) -> RecordedResponse:
    """Read the bytes of one response; ``to_head`` says that it answers a HEAD and has no body."""
    start, headers, body = _split(raw)
    version, _, rest = start.partition(" ")
    status, _, reason = rest.partition(" ")
    if not status.isdigit():
        raise BadTranscript(f"no status line: {start!r}")
    chunked = _find(headers, "transfer-encoding") == "chunked"
    length = _find(headers, "content-length")
    if chunked:
        chunks, complete = _dechunk(body)
    else:
        chunks = (body,) if body else ()
        complete = to_head or length is None or len(body) >= int(length)
    return RecordedResponse(version, int(status), reason, headers, chunks, chunked, complete)


def parse_events(body: bytes) -> tuple[SseEvent, ...]:
    """The events of a stream; text after the last blank line is no event yet and is left out."""
    text = body.decode("utf-8", errors="replace").replace("\r\n", "\n")
    blocks = text.split("\n\n")[:-1]
    return tuple(event for block in blocks if (event := _parse_event(block)) is not None)


def _parse_event(block: str) -> SseEvent | None:
    data: list[str] = []
    name = ""
    for line in block.split("\n"):
        key, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if key == "data":
            data.append(value)
        elif key == "event":
            name = value
    return SseEvent("\n".join(data), name) if data else None


def _split(raw: bytes) -> tuple[str, Headers, bytes]:
    head, blank, body = raw.partition(b"\r\n\r\n")
    if not blank:
        raise BadTranscript("the headers do not end")
    start, *lines = head.decode("latin-1").split("\r\n")
    headers = tuple((key, value.strip()) for key, _, value in (ln.partition(":") for ln in lines))
    return start, headers, body


def _dechunk(body: bytes) -> tuple[tuple[bytes, ...], bool]:
    chunks: list[bytes] = []
    while True:
        size_line, newline, rest = body.partition(b"\r\n")
        if not newline:
            return tuple(chunks), False
        size = int(size_line.split(b";")[0], 16)
        if size == 0:
            return tuple(chunks), True
        if len(rest) < size + 2:
            return tuple(chunks), False
        chunks.append(rest[:size])
        body = rest[size + 2 :]


async def exchange(host: str, port: int, request: RecordedRequest) -> RecordedResponse:
    """Send ``request`` as it is and read the answer to its end.

    An answer that is cut comes back with ``complete`` false; a connection that is reset or closed
    before the headers ended raises ConnectionError.
    """
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(request.encode())
        return await read_response(reader, to_head=request.method == "HEAD")
    finally:
        writer.transport.abort()


async def read_response(reader: asyncio.StreamReader, *, to_head: bool = False) -> RecordedResponse:
    """Read one answer from an open connection, and not a byte more."""
    try:
        raw = bytearray(await reader.readuntil(b"\r\n\r\n"))
    except asyncio.IncompleteReadError as error:
        raise ConnectionResetError("the connection closed before the headers ended") from error
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        await _read_body(reader, raw, to_head=to_head)
    return parse_response(bytes(raw), to_head=to_head)


async def _read_body(reader: asyncio.StreamReader, raw: bytearray, *, to_head: bool) -> None:
    """Append the body to ``raw`` piece by piece, so that a cut leaves what had arrived."""
    head = parse_response(bytes(raw), to_head=to_head)
    length = head.header("content-length")
    if head.chunked:
        size = -1
        while size != 0:
            raw += (size_line := await reader.readuntil(b"\r\n"))
            size = int(size_line, 16)
            raw += await reader.readexactly(size + 2)
    elif length is None:
        raw += await reader.read()
    elif not to_head:
        remaining = int(length)
        while remaining and (piece := await reader.read(remaining)):
            raw += piece
            remaining -= len(piece)
