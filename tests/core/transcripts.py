"""Recorded answers of a real server, taken out of their HTTP framing."""

from __future__ import annotations

import re
from pathlib import Path

from podman_llm.core.completion import Endpoint

_PATH = re.compile(rb"^\w+ /v1/(\S+) ")


def answer(path: Path) -> tuple[int, bytes]:
    """Status and body of a recorded answer, chunks joined."""
    head, _, body = path.read_bytes().partition(b"\r\n\r\n")
    status = int(head.split()[1])
    return status, _joined(body) if b"transfer-encoding: chunked" in head.lower() else body


def is_stream(path: Path) -> bool:
    return b"text/event-stream" in path.read_bytes().partition(b"\r\n\r\n")[0]


def endpoint(path: Path) -> Endpoint | None:
    """What the recorded request asked for, if it is an endpoint whose answers are understood."""
    request = path.with_name(path.name.replace(".response.raw", ".request.txt"))
    if request == path:
        return Endpoint.CHAT  # the scenarios are all chats
    found = _PATH.match(request.read_bytes())
    try:
        return Endpoint(found[1].decode()) if found else None
    except ValueError:
        return None


def _joined(body: bytes) -> bytes:
    chunks = []
    while body:
        size, _, body = body.partition(b"\r\n")
        chunks.append(body[: int(size, 16)])
        body = body[int(size, 16) + 2 :]
    return b"".join(chunks)
