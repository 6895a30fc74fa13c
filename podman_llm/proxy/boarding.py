"""Attempts, made once for all who ask the same at the same time."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from aiohttp import hdrs

from podman_llm.core.flight import ALONE, Ticket, retry_ticket, shared_ticket
from podman_llm.proxy.activity import Activity
from podman_llm.proxy.attempts import Attempts, Won
from podman_llm.proxy.flights import Flight, Flights, Seat
from podman_llm.proxy.inquiry import Inquiry


class Boarding:
    """Opens answers as ``Attempts`` does, and lets requests share them."""

    def __init__(
        self, *, attempts: Attempts, activity: Activity, limit: int, linger: float
    ) -> None:
        self._attempts = attempts
        self._activity = activity
        self._flights: Flights[Won] = Flights(limit=limit, linger=linger)

    async def open(self, inquiry: Inquiry) -> Won:
        """The answer that has begun, whoever made the call. Raises Refusal or UpstreamError."""
        if inquiry.method != hdrs.METH_POST or inquiry.ask.route.endpoint is None:
            return await self._attempts.open(inquiry)

        seat = self._flights.board(ticket_of(inquiry), lambda flight: self._lead(flight, inquiry))
        try:
            won = await seat.head()
        except BaseException:
            seat.close()
            raise
        if not seat.is_leader:
            self._activity.count("COALESCED" if won.age is None else "HIT")
        return _share(won, seat)

    async def _lead(self, flight: Flight[Won], inquiry: Inquiry) -> None:
        with contextlib.closing(await self._attempts.open(inquiry)) as won:
            flight.begin(won, is_whole=won.opened.is_whole)
            if won.opened.is_whole:
                return
            piece = won.opened.begun or await won.opened.read()
            while piece:
                await flight.add(piece)
                piece = await won.opened.read()

    async def close(self) -> None:
        """End the calls that nobody waits for any more, or whose clients are cut."""
        await self._flights.close()


def _share(won: Won, seat: Seat[Won]) -> Won:
    """One rider's part of an answer: its own place in the body, its own end."""
    opened = won.opened
    if not opened.is_whole:
        opened = replace(opened, begun=b"", read=seat.next)
    word = won.cache if seat.is_leader else won.cache or "COALESCED"
    return replace(won, opened=opened, resources=seat, cache=word)


def ticket_of(inquiry: Inquiry) -> Ticket:
    """Whose call the request may join.

    What must not be stored is shared with nobody. Who wants a new answer joins no call either, but
    others join that one: what it gives is new, and will be kept.
    """
    ask = inquiry.ask
    directives = ask.directives
    if ask.route.bypass or directives.no_store or directives.only_if_cached:
        return ALONE
    way = f"{inquiry.policy} {inquiry.target.model_tag} {inquiry.ceiling}"
    key = ask.question.key
    if key is None:
        if directives.no_cache:
            return ALONE
        shown = [inquiry.headers.get(name, "") for name in (hdrs.AUTHORIZATION, "x-api-key")]
        target = f"{ask.route.path}?{ask.query} {way}"
        return retry_ticket(ask.body, target=target, tenant=" ".join(shown))
    return shared_ticket(
        key,
        way=way,
        wants_usage=ask.question.wants_usage,
        session=ask.session,
        max_age=0 if directives.no_cache else directives.max_age,
    )
