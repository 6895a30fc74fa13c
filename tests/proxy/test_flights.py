from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import closing

import pytest

from podman_llm.core.flight import ALONE, Ticket
from podman_llm.errors import UpstreamBroke, UpstreamUnreachable
from podman_llm.proxy.flights import Flight, Flights, Seat

SHARED = Ticket("a", is_shared=True)
RETRY = Ticket("r")
LIMIT = 100


class Call:
    """A call to the upstream, piece by piece as the test says."""

    def __init__(self) -> None:
        self.flight: Flight[str] | None = None
        self.began = asyncio.Event()
        self.ended = asyncio.Event()
        self.cancelled = False
        self._script: asyncio.Queue[bytes | Exception] = asyncio.Queue()

    async def __call__(self, flight: Flight[str]) -> None:
        self.began.set()
        try:
            while piece := await self._next():
                if flight.head is None:
                    flight.begin("pod")
                await flight.add(piece)
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        finally:
            self.ended.set()

    async def _next(self) -> bytes:
        piece = await self._script.get()
        if isinstance(piece, Exception):
            raise piece
        return piece

    def say(self, *pieces: bytes | Exception) -> None:
        for piece in pieces:
            self._script.put_nowait(piece)


async def never(_flight: Flight[str]) -> None:
    raise AssertionError("another call was made")


async def rest(seat: Seat[str]) -> bytes:
    pieces = []
    while piece := await seat.next():
        pieces.append(piece)
    return b"".join(pieces)


async def turns(count: int = 10) -> None:
    """Let everything that can go on do so."""
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.fixture
async def flights() -> AsyncIterator[Flights[str]]:
    flights: Flights[str] = Flights(limit=LIMIT, linger=60)
    yield flights
    await flights.close()


async def test_a_rider_gets_what_came_before_and_then_what_comes(flights: Flights[str]) -> None:
    call = Call()
    with closing(flights.board(SHARED, call)) as leader:
        call.say(b"one ", b"two ")
        assert await leader.head() == "pod"
        await turns()
        with closing(flights.board(SHARED, never)) as rider:
            assert await rider.next() == b"one two "
            call.say(b"three", b"")
            assert (await rest(rider), await rest(leader)) == (b"three", b"one two three")
            assert (leader.is_leader, rider.is_leader) == (True, False)


async def test_the_leader_may_leave_while_others_ride(flights: Flights[str]) -> None:
    call = Call()
    with contextlib.ExitStack() as stays:
        with closing(flights.board(SHARED, call)):
            rider = stays.enter_context(closing(flights.board(SHARED, never)))
        call.say(b"whole", b"")
        assert await rest(rider) == b"whole"


async def test_a_call_is_over_for_boarding_when_it_has_landed(flights: Flights[str]) -> None:
    first, second = Call(), Call()
    with closing(flights.board(SHARED, first)) as rider:
        first.say(b"x", b"")
        await rest(rider)
        with closing(flights.board(SHARED, second)) as later:
            assert later.is_leader


@pytest.mark.parametrize("before", [[], [b"some"]])
async def test_a_failure_is_everybodys_and_the_next_one_calls_anew(
    flights: Flights[str], before: list[bytes]
) -> None:
    call = Call()
    failure = UpstreamUnreachable("down")
    with (
        closing(flights.board(SHARED, call)) as leader,
        closing(flights.board(SHARED, never)) as rider,
    ):
        call.say(*before, failure)
        for seat in (leader, rider):
            with pytest.raises(UpstreamUnreachable) as raised:
                await rest(seat)
            assert raised.value is failure
            assert seat.taken == sum(map(len, before))
        with closing(flights.board(SHARED, Call())) as later:
            assert later.is_leader


async def test_a_call_that_never_begins_its_answer_is_a_broken_one(flights: Flights[str]) -> None:
    call = Call()
    with closing(flights.board(SHARED, call)) as seat:
        call.say(b"")
        with pytest.raises(UpstreamBroke, match="no answer"):
            await seat.head()


@pytest.mark.parametrize(("ticket", "boards"), [(SHARED, True), (RETRY, False), (ALONE, False)])
async def test_who_may_not_share_flies_beside(
    flights: Flights[str], ticket: Ticket, boards: bool
) -> None:
    with closing(flights.board(ticket, Call())), closing(flights.board(ticket, Call())) as second:
        assert second.is_leader is not boards


@pytest.mark.parametrize("ticket", [SHARED, RETRY])
async def test_a_retry_finds_the_call_that_its_client_left(
    flights: Flights[str], ticket: Ticket
) -> None:
    call = Call()
    with closing(flights.board(ticket, call)):
        await call.began.wait()
    call.say(b"early ")
    await turns()
    with closing(flights.board(ticket, never)) as retry:
        call.say(b"late", b"")
        assert await rest(retry) == b"early late"


async def test_each_of_two_that_may_not_share_finds_its_own_again(flights: Flights[str]) -> None:
    first, second = Call(), Call()
    with closing(flights.board(RETRY, first)), closing(flights.board(RETRY, second)):
        await turns()
    first.say(b"first", b"")
    second.say(b"second", b"")
    with closing(flights.board(RETRY, never)) as one, closing(flights.board(RETRY, never)) as other:
        assert [await rest(one), await rest(other)] == [b"first", b"second"]


async def test_a_call_nobody_returns_to_ends_after_the_linger() -> None:
    flights: Flights[str] = Flights(limit=LIMIT, linger=0.05)
    call = Call()
    with closing(flights.board(SHARED, call)):
        await call.began.wait()
    assert not call.ended.is_set()
    await call.ended.wait()
    assert call.cancelled
    with closing(flights.board(SHARED, Call())) as later:
        assert later.is_leader
    await flights.close()


async def test_an_answer_that_is_whole_at_once_is_not_held_for_the_linger(
    flights: Flights[str],
) -> None:
    led: list[Flight[str]] = []

    async def lead(flight: Flight[str]) -> None:
        led.append(flight)
        flight.begin("pod", is_whole=True)
        await asyncio.sleep(0)

    with closing(flights.board(SHARED, lead)) as seat:
        assert await seat.head() == "pod"
    assert led[0].lingering is None


async def test_each_leaving_begins_the_linger_anew() -> None:
    flights: Flights[str] = Flights(limit=LIMIT, linger=0.2)
    call, loop = Call(), asyncio.get_running_loop()
    with closing(flights.board(SHARED, call)):
        await call.began.wait()
    with closing(flights.board(SHARED, never)):
        await asyncio.sleep(0.15)
    left = loop.time()
    await call.ended.wait()
    assert loop.time() - left > 0.15
    await flights.close()


@pytest.mark.parametrize(("linger", "ticket"), [(0, SHARED), (0, RETRY), (60, ALONE)])
async def test_without_anybody_to_wait_for_a_deserted_call_ends_at_once(
    linger: float, ticket: Ticket
) -> None:
    flights: Flights[str] = Flights(limit=LIMIT, linger=linger)
    call = Call()
    with closing(flights.board(ticket, call)):
        await call.began.wait()
    await turns()
    assert call.cancelled


async def test_a_cancelled_call_is_not_boarded_while_it_ends() -> None:
    flights: Flights[str] = Flights(limit=LIMIT, linger=0)
    call = Call()
    with closing(flights.board(SHARED, call)):
        await call.began.wait()
    with closing(flights.board(SHARED, Call())) as next_one:
        assert next_one.is_leader
    await flights.close()


async def test_beyond_the_limit_who_comes_late_calls_for_itself(flights: Flights[str]) -> None:
    call = Call()
    with closing(flights.board(SHARED, call)) as leader:
        for _ in range(12):
            call.say(b"ten bytes ")
            assert await leader.next() == b"ten bytes "
        with closing(flights.board(SHARED, Call())) as late:
            assert late.is_leader
        call.say(b"end", b"")
        assert await rest(leader) == b"end"


async def test_a_slow_rider_holds_up_nobody_and_loses_its_seat(flights: Flights[str]) -> None:
    call = Call()
    with (
        closing(flights.board(SHARED, call)) as fast,
        closing(flights.board(SHARED, never)) as slow,
    ):
        await asyncio.wait_for(_read_all_but(call, fast, 30), 5)
        with pytest.raises(UpstreamBroke, match="too slowly"):
            await slow.next()
        assert len(fast._flight._pieces) * 10 <= 2 * LIMIT


async def _read_all_but(call: Call, fast: Seat[str], count: int) -> None:
    for _ in range(count):
        call.say(b"ten bytes ")
        await fast.next()
    call.say(b"")
    assert await rest(fast) == b""


async def test_a_rider_within_the_limit_keeps_its_seat(flights: Flights[str]) -> None:
    call = Call()
    with (
        closing(flights.board(SHARED, call)) as fast,
        closing(flights.board(SHARED, never)) as slow,
    ):
        for _ in range(30):
            call.say(b"ten bytes ")
            await fast.next()
            if slow._flight._sent - slow.taken >= 80:
                await slow.next()
        call.say(b"")
        await rest(fast)
        assert slow.taken + len(await rest(slow)) == 300


@pytest.mark.parametrize("ticket", [SHARED, ALONE])
async def test_the_upstream_waits_for_the_fastest_rider(
    flights: Flights[str], ticket: Ticket
) -> None:
    call = Call()
    with closing(flights.board(ticket, call)) as seat:
        call.say(*[b"ten bytes "] * 50, b"")
        await turns(100)
        assert seat._flight._sent == LIMIT / 2 + 10
        assert await rest(seat) == b"ten bytes " * 50


async def test_closing_ends_every_call_and_tells_its_riders(flights: Flights[str]) -> None:
    call = Call()
    with closing(flights.board(SHARED, call)) as seat:
        await call.began.wait()
        await flights.close()
        assert call.cancelled
        with pytest.raises(UpstreamBroke, match="given up"):
            await seat.head()
