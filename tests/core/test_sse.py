from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podman_llm.core.sse import EventTooLarge, SseParser, event_data, event_name, split_events

lines = st.sampled_from(
    [b"data: x", b"data:y", b"data: {}", b": keepalive", b"event: e", b"id: 1", b"data", b""]
)
ends = st.sampled_from([b"\n", b"\r\n"])
streams = st.lists(st.tuples(lines, ends).map(b"".join), max_size=30).map(b"".join)


def fragments(stream: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    return [stream[a:b] for a, b in itertools.pairwise(places)]


def parse(chunks: list[bytes], limit: int = 1000) -> tuple[list[bytes], bytes]:
    parser = SseParser(limit)
    events = [event for chunk in chunks for event in parser.feed(chunk)]
    return events, parser.rest


@given(streams, st.lists(st.integers(0, 10_000), max_size=40))
def test_any_fragments_give_the_same_events(stream: bytes, cuts: list[int]) -> None:
    events, rest = parse(fragments(stream, cuts))
    assert (events, rest) == parse([stream])
    assert b"".join(events) + rest == stream


@given(streams)
def test_byte_by_byte_is_a_fragmentation_too(stream: bytes) -> None:
    assert parse([bytes([byte]) for byte in stream]) == parse([stream])


@given(streams)
def test_splitting_a_whole_stream_is_parsing_it(stream: bytes) -> None:
    events, rest = parse([stream])
    assert split_events(stream) == events + ([rest] if rest else [])


@given(streams, st.integers(1, 40), st.lists(st.integers(0, 10_000), max_size=20))
def test_the_bound_holds_whatever_the_fragments(stream: bytes, limit: int, cuts: list[int]) -> None:
    events, rest = parse([stream])
    fits = all(len(event) <= limit for event in [*events, rest])
    try:
        parse(fragments(stream, cuts), limit)
    except EventTooLarge:
        assert not fits
    else:
        assert fits


@pytest.mark.parametrize(
    ("event", "data"),
    [
        (b"data: x\n\n", b"x"),
        (b"data:x\n\n", b"x"),
        (b"data: x\r\n\r\n", b"x"),
        (b"data:  two spaces\n\n", b" two spaces"),
        (b"data: a\ndata: b\n\n", b"a\nb"),
        (b"data: a\r\ndata: b\r\n\r\n", b"a\nb"),
        (b"event: e\nid: 1\ndata: x\n\n", b"x"),
        (b"data: x\nevent: e\n\n", b"x"),
        (b"data\n\n", b""),
        (b"data:\n\n", b""),
        (b"\ndata: x\n\n", b"x"),
        (b"\xef\xbb\xbfdata: x\n\n", b"x"),
        (b"data: cut", b"cut"),
        (b": keepalive\n\n", None),
        (b"database: x\n\n", None),
        (b"event: e\n\n", None),
        (b"\n\n", None),
    ],
)
def test_the_data_of_an_event(event: bytes, data: bytes | None) -> None:
    assert event_data(event) == data


@pytest.mark.parametrize(
    ("event", "name"),
    [
        (b"event: response.completed\ndata: {}\n\n", b"response.completed"),
        (b"event:ping\r\ndata: {}\r\n\r\n", b"ping"),
        (b"data: {}\nevent: late\n\n", b"late"),
        (b"event: a\nevent: b\n\n", b"b"),
        (b"data: event: x\n\n", b""),
        (b"data: {}\n\n", b""),
        (b": event: x\n\n", b""),
    ],
)
def test_the_name_of_an_event(event: bytes, name: bytes) -> None:
    assert event_name(event) == name
