from __future__ import annotations

import asyncio

import pytest

from podman_llm.core.completion import Endpoint
from podman_llm.core.judge import StreamJudge
from podman_llm.errors import UpstreamBroke
from podman_llm.proxy.streaming import EventRelay, Keeper, read_up_to, without
from tests.proxy.rig import (
    ANSWER,
    DONE,
    EVENTS,
    STREAM_END,
    STREAM_HEAD,
    Turn,
    chunk,
    delta,
    http,
    proxy,
    request_bytes,
    says,
)

STREAMED = b'{"messages":[],"stream":true}'
AT_ONCE = {"proxy": {"linger_seconds": 0}}
ABORT = delta("", finish='"abort"')
ERROR = b'data: {"error": {"message": "EngineCore encountered an issue.", "code": 500}}\n\n'


class ListAnswer:
    """An answer from a list; an exception in it is raised."""

    status, headers, content_type = 200, (), "text/event-stream"

    def __init__(self, *pieces: bytes | Exception) -> None:
        self._pieces = list(pieces)

    async def read(self) -> bytes:
        piece = self._pieces.pop(0) if self._pieces else b""
        if isinstance(piece, Exception):
            raise piece
        return piece

    def close(self) -> None:
        pass


def relay_of(*pieces: bytes | Exception, limit: int = 10_000) -> tuple[EventRelay, list[bytes]]:
    kept: list[bytes] = []
    keeper = Keeper(limit, kept.append)
    return EventRelay(ListAnswer(*pieces), StreamJudge(Endpoint.CHAT), keeper), kept


async def drained(relay: EventRelay) -> list[bytes]:
    pieces = []
    while piece := await relay.next():
        pieces.append(piece)
    return pieces


async def test_events_pass_as_they_came_and_are_kept_whole() -> None:
    relay, kept = relay_of(*EVENTS)
    assert await drained(relay) == EVENTS
    assert kept == [b"".join(EVENTS)]


async def test_an_event_cut_into_bytes_passes_in_one_piece() -> None:
    whole = b"".join(EVENTS)
    relay, kept = relay_of(*(whole[i : i + 1] for i in range(len(whole))))
    assert await drained(relay) == EVENTS
    assert kept == [whole]


async def test_a_stream_is_kept_before_its_last_event_passes() -> None:
    relay, kept = relay_of(*EVENTS)
    while await relay.next() != DONE:
        assert not kept or kept == [b"".join(EVENTS)]
    assert kept


@pytest.mark.parametrize("bad", [ABORT, ERROR])
async def test_neither_the_event_that_tells_of_failure_nor_what_follows_passes(bad: bytes) -> None:
    relay, kept = relay_of(EVENTS[0], EVENTS[1], bad + DONE)
    assert [await relay.next(), await relay.next()] == EVENTS[:2]
    with pytest.raises(UpstreamBroke):
        await relay.next()
    assert not kept


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param((EVENTS[0], EVENTS[1]), id="a clean end too early"),
        pytest.param((EVENTS[0], EVENTS[1], DONE), id="done without a reason"),
        pytest.param((EVENTS[0], UpstreamBroke("cut")), id="a broken connection"),
    ],
)
async def test_a_stream_without_its_end_is_broken(pieces: tuple[bytes, ...]) -> None:
    relay, kept = relay_of(*pieces)
    with pytest.raises(UpstreamBroke):
        await drained(relay)
    assert not kept


async def test_a_connection_that_breaks_after_the_end_broke_nothing() -> None:
    relay, kept = relay_of(*EVENTS, UpstreamBroke("reset"))
    assert await drained(relay) == EVENTS
    assert kept


async def test_a_filtered_answer_ends_cleanly_and_is_not_kept() -> None:
    events = [EVENTS[1], delta("", finish='"content_filter"'), DONE]
    relay, kept = relay_of(*events)
    assert await drained(relay) == events
    assert not kept


async def test_an_answer_without_the_last_blank_line_loses_nothing() -> None:
    relay, _ = relay_of(*EVENTS[:-1], b"data: [DONE]\n")
    assert await drained(relay) == [*EVENTS[:-1], b"data: [DONE]\n"]


async def test_an_answer_over_the_limit_passes_and_is_not_kept() -> None:
    relay, kept = relay_of(*EVENTS, limit=100)
    assert await drained(relay) == EVENTS
    assert not kept


async def test_reading_stops_beyond_the_limit() -> None:
    assert await read_up_to(ListAnswer(b"12", b"34"), 4) == (b"1234", True)
    assert await read_up_to(ListAnswer(b"12", b"34", b"5", b"6"), 4) == (b"12345", False)


def test_a_body_framed_anew_keeps_every_other_header() -> None:
    assert without({"content-length"}, (("Content-Length", "3"), ("etag", "x"))) == (("etag", "x"),)


async def test_each_event_reaches_the_client_before_the_next_exists() -> None:
    step = asyncio.Event()

    async def slowly(turn: Turn) -> None:
        await turn.send(STREAM_HEAD, chunk(EVENTS[0]))
        for event in EVENTS[1:]:
            await turn.send(chunk(event))
            await step.wait()
            step.clear()
        await turn.send(STREAM_END)

    async with proxy(slowly) as rig, rig.connection(request_bytes(STREAMED)) as (reader, _):
        await reader.readuntil(b"\r\n\r\n")
        # What comes before the first content waits for it: until then another may still answer.
        for event in (EVENTS[0] + EVENTS[1], *EVENTS[2:]):
            assert await reader.readuntil(b"\n\n\r\n") == chunk(event)
            step.set()
        assert await reader.readexactly(len(STREAM_END)) == STREAM_END


@pytest.mark.parametrize(
    "tail",
    [
        pytest.param([chunk(ABORT), chunk(DONE), STREAM_END], id="abort"),
        pytest.param([chunk(ERROR), chunk(DONE), STREAM_END], id="error"),
        pytest.param([STREAM_END], id="clean end without done"),
        pytest.param([], id="connection closed"),
    ],
)
async def test_a_stream_that_breaks_after_content_resets_the_client(tail: list[bytes]) -> None:
    may_break = asyncio.Event()

    async def breaking(turn: Turn) -> None:
        await turn.send(STREAM_HEAD, chunk(EVENTS[0]), chunk(EVENTS[1]))
        await may_break.wait()
        await turn.send(*tail)
        turn.close()

    async with proxy(breaking) as rig, rig.connection(request_bytes(STREAMED)) as (reader, _):
        await reader.readuntil(EVENTS[1])
        may_break.set()
        with pytest.raises(ConnectionResetError):
            assert await reader.read() == b"nothing more, least of all a clean end"
        assert rig.activity.errors == 1
        assert rig.cache
        assert (await rig.cache.stats()).entries == 0


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([STREAM_HEAD, chunk(ABORT), chunk(DONE), STREAM_END], id="abort"),
        pytest.param([STREAM_HEAD, chunk(ERROR), chunk(DONE), STREAM_END], id="error"),
        pytest.param([STREAM_HEAD, STREAM_END], id="nothing at all"),
        pytest.param([http(ANSWER)], id="JSON instead of a stream"),
    ],
)
async def test_a_stream_that_breaks_before_its_first_event_is_an_honest_error(
    script: list[bytes],
) -> None:
    async with proxy(says(*script)) as rig:
        answer = await rig.ask({"messages": [], "stream": True})
        assert answer.status == 502
        assert answer.headers["Content-Type"] == "application/json"
        assert answer.headers["Retry-After"] == "2"
        assert b'"code": "upstream_failed"' in answer.body


async def test_a_client_that_leaves_cancels_the_stream_within_a_tenth_of_a_second() -> None:
    async def endless(turn: Turn) -> None:
        await turn.send(STREAM_HEAD, chunk(EVENTS[0]), chunk(EVENTS[1]))
        await asyncio.Event().wait()

    async with proxy(endless, settings=AT_ONCE) as rig:
        async with rig.connection(request_bytes(STREAMED)) as (reader, _):
            await reader.readuntil(EVENTS[1])
        await asyncio.wait_for(rig.upstream.turns[0].gone.wait(), 0.1)
        assert rig.activity.in_flight == 0


@pytest.mark.parametrize("body", [STREAMED, b'{"messages":[]}'])
async def test_a_client_that_leaves_before_the_first_byte_cancels_too(body: bytes) -> None:
    arrived = asyncio.Event()

    async def silent(_turn: Turn) -> None:
        arrived.set()
        await asyncio.Event().wait()

    async with proxy(silent, settings=AT_ONCE) as rig:
        async with rig.connection(request_bytes(body)):
            await arrived.wait()
        await asyncio.wait_for(rig.upstream.turns[0].gone.wait(), 0.1)


async def test_a_client_that_leaves_at_done_has_its_answer_kept() -> None:
    async def lingering(turn: Turn) -> None:
        await turn.send(STREAM_HEAD, *map(chunk, EVENTS))
        await asyncio.Event().wait()  # the end of the body never comes

    async with proxy(lingering) as rig:
        async with rig.connection(request_bytes(STREAMED)) as (reader, _):
            await reader.readuntil(DONE)
        again = await rig.ask({"messages": [], "stream": True})
        assert (again.cache, again.body) == ("HIT", b"".join(EVENTS))
