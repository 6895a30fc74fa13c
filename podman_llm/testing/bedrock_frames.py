"""Amazon's event-stream framing, written by hand: what a decoder is held against."""

from __future__ import annotations

import json
import struct
import zlib

from podman_llm.testing.openai_errors import Json

_STRING = 7
_PADDING = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


def encode_frame(headers: dict[str, str], payload: bytes) -> bytes:
    """One message: lengths, their checksum, headers, payload, the checksum of all of it."""
    told = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack(">II", 16 + len(told) + len(payload), len(told))
    message = prelude + struct.pack(">I", zlib.crc32(prelude)) + told + payload
    return message + struct.pack(">I", zlib.crc32(message))


def event_frame(name: str, payload: Json) -> bytes:
    """An event. Its payload is padded, as Amazon does so that lengths tell less of the text."""
    padded = {**payload, "p": _PADDING[: len(str(payload)) * 7 % len(_PADDING)]}
    return encode_frame(
        {":event-type": name, ":content-type": "application/json", ":message-type": "event"},
        _json(padded),
    )


def exception_frame(name: str, payload: Json) -> bytes:
    """A modelled exception; its name begins in lower case here."""
    kind = name[:1].lower() + name[1:]
    return encode_frame(
        {
            ":exception-type": kind,
            ":content-type": "application/json",
            ":message-type": "exception",
        },
        _json(payload),
    )


def error_frame(code: str, message: str) -> bytes:
    """An error that no model describes."""
    return encode_frame(
        {":error-code": code, ":error-message": message, ":message-type": "error"}, b""
    )


def _header(name: str, value: str) -> bytes:
    told = value.encode()
    return (
        struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", _STRING, len(told)) + told
    )


def _json(payload: Json) -> bytes:
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
