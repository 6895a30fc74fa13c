from __future__ import annotations

import json

from botocore.eventstream import EventStreamBuffer, EventStreamMessage

from podman_llm.testing.bedrock_frames import (
    encode_frame,
    error_frame,
    event_frame,
    exception_frame,
)


def read(frame: bytes) -> EventStreamMessage:
    buffer = EventStreamBuffer()
    buffer.add_data(frame)
    messages = list(buffer)
    assert len(messages) == 1
    return messages[0]


def test_amazons_decoder_reads_what_was_written() -> None:
    message = read(encode_frame({"a": "b", "name": "vä lue"}, b"payload"))
    assert message.headers == {"a": "b", "name": "vä lue"}
    assert message.payload == b"payload"


def test_events_are_padded() -> None:
    message = read(event_frame("messageStop", {"stopReason": "end_turn"}))
    assert message.headers[":event-type"] == "messageStop"
    assert set(json.loads(message.payload)) == {"stopReason", "p"}


def test_exceptions_begin_in_lower_case() -> None:
    message = read(exception_frame("ThrottlingException", {"message": "x"}))
    assert message.headers[":exception-type"] == "throttlingException"
    assert message.to_response_dict()["status_code"] == 400


def test_errors_tell_everything_in_headers() -> None:
    message = read(error_frame("fault", "words"))
    assert message.headers[":error-message"] == "words"
    assert message.payload == b""
