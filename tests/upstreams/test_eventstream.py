from __future__ import annotations

import itertools
import struct
import subprocess
import sys
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podman_llm.errors import UpstreamBroke
from podman_llm.testing.bedrock_frames import (
    encode_frame,
    error_frame,
    event_frame,
    exception_frame,
)
from podman_llm.testing.bedrock_model import Reply
from podman_llm.upstreams.eventstream import FrameDecoder, StreamEvent

STREAM = b"".join(event_frame(*event) for event in Reply(({"text": "Hello you"},)).events())


def decoded(*pieces: bytes) -> list[StreamEvent]:
    decoder = FrameDecoder()
    events = [event for piece in pieces for event in decoder.feed(piece)]
    assert decoder.is_between_events
    return events


def test_events_come_with_their_payload() -> None:
    events = decoded(STREAM)
    assert [event.name for event in events][:2] == ["messageStart", "contentBlockDelta"]
    assert events[1].payload["delta"] == {"text": "Hello"}
    assert not any(event.is_failure for event in events)


@given(st.sets(st.integers(1, len(STREAM) - 1), max_size=12))
def test_fragments_change_nothing(cuts: set[int]) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    pieces = [STREAM[start:end] for start, end in itertools.pairwise(edges)]
    assert decoded(*pieces) == decoded(STREAM)


@given(st.integers(1, len(STREAM) - 1))
def test_a_cut_within_an_event_shows(end: int) -> None:
    decoder = FrameDecoder()
    decoder.feed(STREAM[:end])
    assert decoder.is_between_events is (end in _ends())


def _ends() -> set[int]:
    ends, at = set(), 0
    while at < len(STREAM):
        at += int.from_bytes(STREAM[at : at + 4], "big")
        ends.add(at)
    return ends


def test_exceptions_and_errors_are_failures() -> None:
    raised = exception_frame("ThrottlingException", {"message": "slow"})
    first, second = decoded(raised, error_frame("fault", "words"))
    assert first == StreamEvent("throttlingException", {"message": "slow"}, is_failure=True)
    assert second == StreamEvent("fault", {"message": "words"}, is_failure=True)


EVENT = {":message-type": "event", ":event-type": "x"}


@pytest.mark.parametrize(
    "bytes_",
    [
        b"<html>no event stream at all</html>",
        STREAM[:-1] + b"\x00",
        encode_frame(EVENT, b"[]"),
        encode_frame(EVENT, b"{"),
        encode_frame({":event-type": "x"}, b"{}"),
        encode_frame({":message-type": "event"}, b"{}"),
        b"".join(
            (
                prelude := struct.pack(">II", 30 * 1024 * 1024, 0),
                struct.pack(">I", zlib.crc32(prelude)),
            )
        ),
    ],
)
def test_what_is_damaged_breaks(bytes_: bytes) -> None:
    with pytest.raises(UpstreamBroke, match="damaged"):
        FrameDecoder().feed(bytes_)


@pytest.mark.parametrize("module", ["eventstream", "sigv4", "bedrock"])
def test_without_botocore_the_extra_is_named(module: str) -> None:
    script = (
        "import sys; sys.modules['botocore'] = None\n"
        "from podman_llm.errors import ConfigError\n"
        "try:\n"
        f"    import podman_llm.upstreams.{module}\n"
        "except ConfigError as err:\n"
        "    print(err.hint)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "pip install 'podman-llm[aws]'"
