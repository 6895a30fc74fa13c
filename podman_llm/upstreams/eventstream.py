"""Amazon's event-stream framing: length-prefixed messages with checksums, in any fragments."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any

from podman_llm.errors import ConfigError, UpstreamBroke

try:
    from botocore.eventstream import EventStreamBuffer, EventStreamMessage, ParserError
except ImportError as err:
    raise ConfigError(
        "Bedrock needs botocore, which is not installed", hint="pip install 'podman-llm[aws]'"
    ) from err


@dataclass(frozen=True, slots=True)
class StreamEvent:
    """One message: an event, or the failure that ended the stream. ``name`` says which."""

    name: str
    payload: dict[str, Any]
    is_failure: bool = False


class FrameDecoder:
    """Cuts a byte stream into events."""

    def __init__(self) -> None:
        self._buffer = EventStreamBuffer()
        self._unread = 0

    def feed(self, chunk: bytes) -> list[StreamEvent]:
        """The events that ``chunk`` completes; raises UpstreamBroke for what is no such stream."""
        self._buffer.add_data(chunk)
        self._unread += len(chunk)
        events = []
        try:
            for message in self._buffer:
                self._unread -= message.prelude.total_length
                events.append(_event(message))
        except (ParserError, KeyError, ValueError, struct.error) as err:
            raise UpstreamBroke(f"the event stream is damaged ({type(err).__name__})") from err
        return events

    @property
    def is_between_events(self) -> bool:
        """Whether a stream that ends here has not been cut within an event."""
        return not self._unread


def _event(message: EventStreamMessage) -> StreamEvent:
    headers = message.headers
    match headers[":message-type"]:
        case "event":
            return StreamEvent(headers[":event-type"], _payload(message))
        case "exception":
            return StreamEvent(headers[":exception-type"], _payload(message), is_failure=True)
        case _:
            said = {"message": headers.get(":error-message", "")}
            return StreamEvent(str(headers.get(":error-code")), said, is_failure=True)


def _payload(message: EventStreamMessage) -> dict[str, Any]:
    payload = json.loads(message.payload or b"{}")
    if not isinstance(payload, dict):
        raise ValueError("a payload is not an object")  # noqa: TRY004 - a fault of the data
    return payload
