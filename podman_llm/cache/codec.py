"""An entry as bytes: versioned, checksummed, and nothing that could run.

A frame is ``PLLM``, a version byte, 16 bytes of checksum, the length of the header as four bytes,
the header as JSON, and the body as it is. The checksum covers the key too, so that a frame found
under another question's key is as damaged as one with a flipped bit.
"""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import replace

from podman_llm.cache.base import Entry

_PREFIX = b"PLLM\x01"
_CHECKSUM_BYTES = 16
_LENGTH = struct.Struct(">I")
_PAYLOAD_AT = len(_PREFIX) + _CHECKSUM_BYTES


class Damaged(ValueError):
    """Bytes that are no whole frame of this version for this key."""


def encode_entry(key: str, entry: Entry) -> bytes:
    """The frame of an entry kept under ``key``."""
    header = json.dumps(
        {
            "status": entry.status,
            "headers": entry.headers,
            "stored_at": entry.stored_at,
            "served_by": entry.served_by,
            "session": entry.session,
            "asked_at": entry.asked_at,
            "model": entry.model,
        }
    ).encode("ascii")
    payload = _LENGTH.pack(len(header)) + header + entry.body
    return _PREFIX + _checksum(key, payload) + payload


def decode_entry(key: str, frame: bytes) -> Entry:
    """The entry of a frame found under ``key``. Raises Damaged."""
    payload = memoryview(frame)[_PAYLOAD_AT:]
    if frame[: len(_PREFIX)] != _PREFIX:
        raise Damaged("not a frame of this version")
    if frame[len(_PREFIX) : _PAYLOAD_AT] != _checksum(key, payload):
        raise Damaged("the checksum does not match")
    try:
        return _read_payload(payload)
    except (struct.error, ValueError, TypeError, KeyError) as err:
        raise Damaged(f"not written by this version: {err}") from err


def decode_head(head: bytes) -> Entry | None:
    """The entry of a frame's beginning, without its body and unchecked; None if it is none."""
    try:
        entry = _read_payload(memoryview(head)[_PAYLOAD_AT:])
    except (struct.error, ValueError, TypeError, KeyError):
        return None
    return replace(entry, body=b"") if head.startswith(_PREFIX) else None


def _read_payload(payload: memoryview) -> Entry:
    (length,) = _LENGTH.unpack_from(payload)
    header = json.loads(bytes(payload[_LENGTH.size : _LENGTH.size + length]))
    headers = tuple((name, value) for name, value in header.pop("headers"))
    return Entry(headers=headers, body=bytes(payload[_LENGTH.size + length :]), **header)


def _checksum(key: str, payload: bytes | memoryview) -> bytes:
    digest = hashlib.sha256(key.encode())
    digest.update(payload)
    return digest.digest()[:_CHECKSUM_BYTES]
