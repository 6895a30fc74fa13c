"""From a question that the cache did not answer to an answer that has begun."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from aiohttp import hdrs

from podman_llm.config.models import RoutingSettings
from podman_llm.core.failover import (
    Effect,
    Outcome,
    Tried,
    all_failed,
    edge_error,
    fallback_reason,
    in_full,
    judge_error,
    judge_status,
    may_have_arrived,
    status_text,
    trail,
)
from podman_llm.core.routing import NOT_CACHED, POD, Exclusion, Plan, Refuse, refuse, told
from podman_llm.errors import UpstreamBroke, UpstreamError
from podman_llm.proxy.activity import Activity
from podman_llm.proxy.asking import Asked, Asking
from podman_llm.proxy.circuits import Circuits, Turn
from podman_llm.proxy.envelope import Refusal, from_upstream_error
from podman_llm.proxy.inquiry import Inquiry
from podman_llm.proxy.opening import Opened, open_answer
from podman_llm.proxy.roster import Roster
from podman_llm.proxy.shelf import Found
from podman_llm.telemetry import names
from podman_llm.upstreams.base import HTML, Answer, Call, Headers

_log = logging.getLogger(__name__)
_TOO_LATE: Final = 504
_OK: Final = 200
_STRUCK: Final = b"[secret]"


class Closable(Protocol):
    """What an answer holds."""

    def close(self) -> None:
        """Let go of it."""


@dataclass(frozen=True, slots=True)
class Won:
    """The answer that the client gets, and who gives it. It must be closed.

    ``attempts`` and ``reason`` are what headers say of the way there; ``reason`` is empty if it is
    the pod's. ``age`` is in seconds, of an answer that a fallback gave before and that was kept.
    ``cache`` is its ``X-Cache`` word, where that is not the request's own.
    """

    opened: Opened
    served_by: str
    resources: Closable
    cache: str = ""
    attempts: str = ""
    reason: str = ""
    age: int | None = None

    def close(self) -> None:
        """Be done with it, at its end or before."""
        self.resources.close()


class Attempts:
    """Asks by the plan until somebody answers; holds nothing of any request."""

    def __init__(
        self,
        *,
        roster: Roster,
        asking: Asking,
        circuits: Circuits,
        activity: Activity,
        routing: RoutingSettings,
    ) -> None:
        self._roster = roster
        self._asking = asking
        self._circuits = circuits
        self._activity = activity
        self._routing = routing

    async def open(self, inquiry: Inquiry) -> Won:
        """The answer that has begun. Raises Refusal or UpstreamError."""
        if inquiry.ask.directives.only_if_cached:
            raise _refusal(NOT_CACHED)
        planned = self._roster.plan(inquiry)
        if not planned.plan.attempts:
            raise _refusal(refuse(planned.pod, planned.plan))
        word = inquiry.cache
        try:
            won = await self._walk(inquiry, planned.plan)
            word = "HIT" if won.age is not None else word
        finally:
            self._activity.count(word)
        return won

    async def _walk(self, inquiry: Inquiry, plan: Plan) -> Won:
        tried, excluded = list[Tried](), [*plan.excluded]
        for name in plan.attempts:
            shelved = self._asking.shelved(name, inquiry)
            if name != POD and (found := await shelved.find()) and found.answers:
                reason = fallback_reason(tried, excluded)
                return replace(won_before(found), attempts=trail(tried), reason=reason)
            limit = self._limit(inquiry, is_last=name == plan.attempts[-1])
            if why := self._forbidden(name, inquiry, tried, limit):
                excluded.append(Exclusion(name, why))
                continue
            asked = await self._asking.asked(name, inquiry, shelved)
            end, opened, resources = await self._try(asked, inquiry, limit, plan)
            if opened is not None:
                self._note(inquiry, tried, answered_by=asked)
                reason = "" if asked.is_pod else fallback_reason(tried, excluded)
                said = trail([*tried, end])
                return Won(opened, asked.served_by, resources, attempts=said, reason=reason)
            tried.append(end)
        self._note(inquiry, tried, answered_by=None)
        raise _refusal(all_failed(tried, excluded), trail(tried))

    def _forbidden(self, name: str, inquiry: Inquiry, tried: Sequence[Tried], limit: float) -> str:
        """Why one of the plan is not asked after those before it; empty if it is."""
        if not limit:
            return "is not asked: no time is left"
        return self._asking.beyond(name, inquiry, spent=sum(one.spent for one in tried))

    def _limit(self, inquiry: Inquiry, *, is_last: bool) -> float:
        """How long one attempt may take to its first content.

        Only a stream shows life early: any other answer comes whole, however long it is.
        """
        left = max(0.0, inquiry.ends - asyncio.get_running_loop().time())
        if is_last or not inquiry.ask.question.wants_stream:
            return left
        return min(left, self._routing.first_content_seconds)

    async def _try(
        self, asked: Asked, inquiry: Inquiry, limit: float, plan: Plan
    ) -> tuple[Tried, Opened | None, Closable]:
        """One attempt, and what its answer holds.

        With nobody else to ask, the pod's failure is told as it is.
        """
        is_only = plan.attempts == (POD,)
        with contextlib.ExitStack() as resources, self._circuits.asking(asked.name) as turn:
            if asked.is_pod and not inquiry.is_probe:
                resources.enter_context(self._activity.running())
            try:
                opened = await _opened(asked, inquiry, limit, resources)
            except UpstreamError as err:
                tried = _failed(asked, err)
                self._tell(turn, tried, inquiry)
                if is_only:
                    self._note(inquiry, [tried], answered_by=None)
                    raise _alone(err, tried, plan) from err
                return tried, None, resources
            tried = _judged(asked, opened)
            self._tell(turn, tried, inquiry)
            if tried.outcome.fails_over and not is_only:
                return tried, None, resources
            if not opened.is_whole:
                opened = replace(opened, read=self._watched(opened.read, asked, inquiry))
            return tried, opened, resources.pop_all()

    def _tell(self, turn: Turn, tried: Tried, inquiry: Inquiry) -> None:
        turn.effect, turn.why = self._effect(tried.outcome, inquiry, is_pod=tried.is_pod), tried.why

    def _effect(self, outcome: Outcome, inquiry: Inquiry, *, is_pod: bool) -> Effect:
        """What the circuit learns; nothing from a pod that ends or starts by plan."""
        if is_pod and outcome.fails_over and self._roster.has_moved(inquiry.target):
            return Effect.NONE
        return outcome.effect

    def _watched(
        self, read: Callable[[], Awaitable[bytes]], asked: Asked, inquiry: Inquiry
    ) -> Callable[[], Awaitable[bytes]]:
        """``read``, with the circuit learning of an answer that breaks on its way."""

        async def watched() -> bytes:
            try:
                return await read()
            except UpstreamBroke as err:
                effect = self._effect(Outcome.BROKE, inquiry, is_pod=asked.is_pod)
                self._circuits.learn(asked.name, effect, str(err))
                raise

        return watched

    def _note(self, inquiry: Inquiry, failed: Sequence[Tried], answered_by: Asked | None) -> None:
        """Remember, count and log how it went."""
        self._activity.failed_attempts += len(failed)
        if answered_by is not None:
            self._roster.note(inquiry.ask.session, is_pod=answered_by.is_pod)
            self._activity.fallbacks += not answered_by.is_pod
        if failed:
            why = "; ".join(f"{one.served_by}: {one.why}" for one in failed)
            facts = {"request_id": inquiry.request_id, "attempts": trail(failed), "why": why}
            _log.warning(names.FAILED_OVER, extra=facts)


async def _opened(
    asked: Asked, inquiry: Inquiry, limit: float, resources: contextlib.ExitStack
) -> Opened:
    try:
        async with asyncio.timeout(limit):
            answer = await asked.upstream.send(asked.call)
            resources.callback(answer.close)
            shelved = asked.shelved
            opened = await open_answer(answer, shelved.ask, shelved.keeper(answer))
            if opened.status != _OK:
                _check_edge(asked, inquiry, answer)
                return replace(opened, begun=_without_key(opened.begun, asked.call))
            if shelved.part is None or not opened.is_whole:
                return opened
            return replace(opened, begun=await shelved.part.complete(opened.begun))
    except TimeoutError as err:
        raise UpstreamError(f"no content within {limit:.0f} s", status=_TOO_LATE) from err


def _check_edge(asked: Asked, inquiry: Inquiry, answer: Answer) -> None:
    """Raise UpstreamError if not the pod answers a question but the edge before it."""
    if asked.is_pod and inquiry.ask.route.endpoint and answer.content_type == HTML:
        err = edge_error(answer.status, is_rented=inquiry.target.is_rented)
        if err is not None:
            raise err


def _failed(asked: Asked, err: UpstreamError) -> Tried:
    return Tried(
        asked.served_by,
        judge_error(err),
        in_full(err),
        is_pod=asked.is_pod,
        micros=asked.micros,
        was_asked=may_have_arrived(err),
    )


def _judged(asked: Asked, opened: Opened) -> Tried:
    if opened.status == _OK:
        return Tried(asked.served_by, Outcome.ANSWERED, is_pod=asked.is_pod)
    kind = _header(opened.headers, hdrs.CONTENT_TYPE)
    outcome = judge_status(opened.status, is_pod=asked.is_pod, is_page=kind.startswith(HTML))
    if not outcome.fails_over:
        return Tried(asked.served_by, outcome, is_pod=asked.is_pod)
    wait = _header(opened.headers, hdrs.RETRY_AFTER)
    return Tried(
        asked.served_by,
        outcome,
        status_text(opened.status, opened.begun),
        retry_after=int(wait) if wait.isascii() and wait.isdigit() else None,
        is_pod=asked.is_pod,
        micros=asked.micros,
    )


def _without_key(body: bytes, call: Call) -> bytes:
    """A refusal without the key it refuses: some servers repeat what the client must not see."""
    _, _, key = _header(call.headers, hdrs.AUTHORIZATION).partition(" ")
    return body.replace(key.encode(), _STRUCK) if key else body


def _header(headers: Headers, name: str) -> str:
    return next((value for key, value in headers if key.lower() == name.lower()), "")


def won_before(found: Found) -> Won:
    """An answer that was given before and kept."""

    async def end() -> bytes:
        return b""

    entry = found.entry
    opened = Opened(entry.status, entry.headers, entry.body, is_whole=True, read=end)
    return Won(opened, entry.served_by, contextlib.ExitStack(), found.word, age=found.age)


def _alone(err: UpstreamError, tried: Tried, plan: Plan) -> Refusal:
    also = " ".join(told(plan.excluded))
    return from_upstream_error(err, tried.served_by, also=also, attempts=trail([tried]))


def _refusal(said: Refuse, attempts: str = "") -> Refusal:
    return Refusal(
        said.status,
        said.message,
        code=said.code,
        retry_after=said.retry_after,
        is_final=said.is_final,
        attempts=attempts,
    )
