"""Calls to an upstream that several requests share: one leads, all who ask the same meanwhile ride.

A call runs in a task of its own, for no particular client. Whoever boards gets what has come so
far and then what comes, each at the pace of its own connection:

- While the beginning is still held, anybody may board; beyond the limit it is let go, and who comes
  later makes a call of their own.
- The fastest rider sets the pace of the upstream. Who falls behind by more than the limit loses
  its seat: nobody waits for it, and memory stays bounded.
- A call without riders goes on for the linger, in which a client that re-sends its request finds
  it, and is cancelled then: no GPU works for nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Generic, TypeVar

from podman_llm.core.flight import Ticket
from podman_llm.errors import UpstreamBroke

F = TypeVar("F")


class Flight(Generic[F]):
    """One call, as whoever makes it sees it: ``begin`` once, then ``add`` each piece of the body.

    ``head`` is all there is to say before the body. It has ended when the task that makes it has,
    well or by an exception.
    """

    def __init__(self, ticket: Ticket, *, limit: int) -> None:
        self.ticket = ticket
        self.born = asyncio.get_running_loop().time()
        self.head: F | None = None
        self.has_landed = False
        self.failure: BaseException | None = None
        self.seats: set[Seat[F]] = set()
        self.is_open = bool(ticket.flight)
        self.lingering: asyncio.TimerHandle | None = None
        self._limit = limit
        self._pieces: list[bytes] = []
        self._dropped = 0  # pieces that are no longer held
        self._sent = 0  # bytes of all pieces
        self._waiting: list[asyncio.Future[None]] = []
        self._progress = asyncio.Event()

    def begin(self, head: F, *, is_whole: bool = False) -> None:
        """It is certain that there is an answer, and this is how it begins.

        ``is_whole``: it has no body apart, and nothing to linger for once all have left.
        """
        self.head = head
        self.has_landed = is_whole
        self._tell()

    async def add(self, piece: bytes) -> None:
        """The next bytes of the body. Waits while even the fastest rider is far behind."""
        while self.seats and self._lag(max(seat.taken for seat in self.seats)) > self._limit / 2:
            self._progress.clear()
            await self._progress.wait()
        self.is_open = self.is_open and self._sent <= self._limit
        if not self.is_open:
            self._let_go()
        self._pieces.append(piece)
        self._sent += len(piece)
        self._tell()

    def _let_go(self) -> None:
        """Drop what everybody has had, and everybody who would keep it from being dropped."""
        for seat in [seat for seat in self.seats if self._lag(seat.taken) > self._limit]:
            seat.lose()
        position = min((seat.position for seat in self.seats), default=self._dropped)
        if not self.seats:
            position += len(self._pieces)
        del self._pieces[: position - self._dropped]
        self._dropped = position

    def _lag(self, taken: int) -> int:
        return self._sent - taken

    def land(self, failure: BaseException | None) -> None:
        """It has ended; ``failure`` is what every rider is told then."""
        if failure is None and self.head is None:
            failure = UpstreamBroke("no answer was begun")
        self.failure = failure
        self.has_landed = True
        self._tell()

    def _tell(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            if not one.done():
                one.set_result(None)

    async def news(self) -> None:
        """Return when anything changes from now on."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    def pieces_from(self, position: int) -> list[bytes]:
        """What came since a position; it must still be held."""
        return self._pieces[position - self._dropped :]

    def note_progress(self) -> None:
        """A rider has taken something, or left."""
        self._progress.set()


class Seat(Generic[F]):
    """One request's place in a flight, to be closed. ``is_leader``: this request began the call."""

    def __init__(
        self, flight: Flight[F], *, is_leader: bool, leave: Callable[[Flight[F]], None]
    ) -> None:
        self.is_leader = is_leader
        self.position = 0  # pieces taken
        self.taken = 0  # bytes of them
        self._flight = flight
        self._leave = leave
        self._is_lost = False
        flight.seats.add(self)

    def close(self) -> None:
        """Leave, at the end of the answer or before."""
        self._flight.seats.discard(self)
        self._flight.note_progress()
        self._leave(self._flight)

    async def head(self) -> F:
        """How the answer begins. Raises what the call failed with."""
        while self._flight.head is None:
            self._check()
            await self._flight.news()
        return self._flight.head

    async def next(self) -> bytes:
        """What came since, at least one piece; empty at a clean end. Raises as ``head``.

        Raises UpstreamBroke too for who read too slowly to be waited for.
        """
        while True:
            if self._is_lost:
                raise UpstreamBroke("the client reads too slowly")
            if pieces := self._flight.pieces_from(self.position):
                return self._take(pieces)
            self._check()
            if self._flight.has_landed:
                return b""
            await self._flight.news()

    def _take(self, pieces: list[bytes]) -> bytes:
        taken = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self.position += len(pieces)
        self.taken += len(taken)
        self._flight.note_progress()
        return taken

    def _check(self) -> None:
        if self._flight.failure is not None:
            # One exception is raised to many: none of them shall show the others' way.
            raise self._flight.failure.with_traceback(None)

    def lose(self) -> None:
        """Give the seat up from the other side: it holds up too much."""
        self._is_lost = True
        self._flight.seats.discard(self)


class Flights(Generic[F]):
    """The calls under way in this worker.

    ``limit`` is how many bytes of an answer are held for who boards late or reads slowly;
    ``linger`` how many seconds a call goes on without riders.
    """

    def __init__(self, *, limit: int, linger: float) -> None:
        self._limit = limit
        self._linger = linger
        self._boarding: dict[str, list[Flight[F]]] = {}
        self._tasks: dict[Flight[F], asyncio.Task[None]] = {}

    def board(
        self, ticket: Ticket, lead: Callable[[Flight[F]], Coroutine[None, None, None]]
    ) -> Seat[F]:
        """A seat in a flight under way that suits the ticket, or in a new one that ``lead`` makes.

        Whatever ``lead`` raises is raised to each rider.
        """
        flight = self._find(ticket)
        if flight is None:
            return Seat(self._start(ticket, lead), is_leader=True, leave=self._leave_to_itself)
        if flight.lingering is not None:
            flight.lingering.cancel()
        return Seat(flight, is_leader=False, leave=self._leave_to_itself)

    def _find(self, ticket: Ticket) -> Flight[F] | None:
        now = asyncio.get_running_loop().time()
        for flight in self._boarding.get(ticket.flight, ()):
            age, is_deserted = now - flight.born, not flight.seats
            if flight.is_open and ticket.may_board(flight.ticket, age=age, is_deserted=is_deserted):
                return flight
        return None

    def _start(
        self, ticket: Ticket, lead: Callable[[Flight[F]], Coroutine[None, None, None]]
    ) -> Flight[F]:
        flight: Flight[F] = Flight(ticket, limit=self._limit)
        if flight.is_open:
            self._boarding.setdefault(ticket.flight, []).append(flight)
        task = self._tasks[flight] = asyncio.create_task(lead(flight))
        task.add_done_callback(lambda done: self._land(flight, done))
        return flight

    def _land(self, flight: Flight[F], task: asyncio.Task[None]) -> None:
        """Nobody boards any more, and then the riders hear of it."""
        del self._tasks[flight]
        if same := self._boarding.get(flight.ticket.flight):
            same[:] = [other for other in same if other is not flight]
            if not same:
                del self._boarding[flight.ticket.flight]
        flight.land(_given_up() if task.cancelled() else task.exception())

    def _leave_to_itself(self, flight: Flight[F]) -> None:
        if flight.seats or flight.has_landed:
            return
        if self._linger and flight.is_open:
            loop = asyncio.get_running_loop()
            flight.lingering = loop.call_later(self._linger, self._cancel, flight)
        else:
            self._cancel(flight)

    def _cancel(self, flight: Flight[F]) -> None:
        if task := self._tasks.get(flight):
            flight.is_open = False
            task.cancel()

    async def close(self) -> None:
        """End what is under way."""
        for flight in list(self._tasks):
            self._cancel(flight)
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


def _given_up() -> UpstreamBroke:
    return UpstreamBroke("the call was given up")
