"""Server-sent events as raw bytes: found, never rewritten.

An event here is the bytes of one event exactly as received, its blank line included, so that what
is relayed, judged and stored is what the upstream said. Lines end in LF or CRLF, mixed at will; a
bare CR, which the standard also allows and no server of models sends, ends nothing.
"""

from __future__ import annotations

import re

_BLANK_LINE = re.compile(rb"\n\r?\n")
_ENDS = (b"\n\n", b"\n\r\n")
_BOM = b"\xef\xbb\xbf"


class EventTooLarge(ValueError):
    """One event outgrew the bound; the parser that raised it is of no more use."""


class SseParser:
    """Cuts a byte stream into events, whatever the fragments it arrives in.

    ``max_event_bytes`` bounds one event, and with it the memory held: an upstream that never sends
    a blank line must not fill it.
    """

    __slots__ = ("_held", "_limit")

    def __init__(self, max_event_bytes: int) -> None:
        self._held = bytearray()
        self._limit = max_event_bytes

    def feed(self, chunk: bytes) -> list[bytes]:
        """The events that ``chunk`` completes. Raises EventTooLarge."""
        held = self._held
        if not held and (blank := _BLANK_LINE.search(chunk)) and blank.end() == len(chunk):
            self._check(len(chunk))
            return [chunk]  # one whole event, as servers mostly send them: no copy
        scanned = max(0, len(held) - 2)  # a blank line may straddle two chunks, by two bytes
        held += chunk
        events, start = [], 0
        while blank := _BLANK_LINE.search(held, scanned):
            scanned = blank.end()
            self._check(scanned - start)
            events.append(bytes(held[start:scanned]))
            start = scanned
        if start:
            del held[:start]
        self._check(len(held))
        return events

    def _check(self, size: int) -> None:
        if size > self._limit:
            raise EventTooLarge(f"an event of more than {self._limit} bytes")

    @property
    def rest(self) -> bytes:
        """What came after the last complete event; empty if the stream ended between events."""
        return bytes(self._held)


def split_events(stream: bytes) -> list[bytes]:
    """The events of a whole stream; joined they are the stream again.

    What follows the last blank line is the last element, should there be anything.
    """
    ends = [blank.end() for blank in _BLANK_LINE.finditer(stream)]
    if not ends or ends[-1] < len(stream):
        ends.append(len(stream))
    starts = [0, *ends]
    return [stream[start:end] for start, end in zip(starts, ends, strict=False) if end > start]


def event_data(event: bytes) -> bytes | None:
    """What the event says: its ``data:`` lines joined by LF; None for a mere comment."""
    end = event.find(b"\n")
    if event.startswith(b"data:") and event[end:] in _ENDS:  # one line, as nearly always
        return event[5:end].removesuffix(b"\r").removeprefix(b" ")
    lines = _field_values(event, b"data")
    return b"\n".join(lines) if lines else None


def event_name(event: bytes) -> bytes:
    """The value of the event's ``event:`` line; empty if it has none."""
    if event.startswith(b"data:") and b"\nevent" not in event:
        return b""
    values = _field_values(event, b"event")
    return values[-1] if values else b""


def _field_values(event: bytes, field: bytes) -> list[bytes]:
    values = []
    for line in event.removeprefix(_BOM).split(b"\n"):
        name, _, value = line.removesuffix(b"\r").partition(b":")
        if name == field:
            values.append(value.removeprefix(b" "))
    return values
