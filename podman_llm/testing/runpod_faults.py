"""Things that go wrong on order: a queue of faults, and what each does to a request.

A fault is matched by method and path (``*`` matches anything) and used up after ``times`` hits:

    {"on": "POST /v2/pods", "fault": "lost_but_created", "times": 1}
    {"on": "GET /v2/pods", "fault": "status", "status": 503, "times": 3}
    {"on": "* /*-8000/v1/models", "fault": "bad_gateway", "times": 2}
    {"on": "POST /graphql podTerminate", "fault": "graphql_error", "detail": "pod not found to terminate"}

GraphQL requests are matched as ``POST /graphql <head>``, because they all share one path.
"""  # noqa: E501 - an example that must be one line to be copied

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

from aiohttp import web

from podman_llm.testing.runpod_pod import Fate
from podman_llm.testing.runpod_problem import (
    Problem,
    edge_page,
    no_balance,
    no_capacity,
    rate_limited,
)
from podman_llm.testing.runpod_schema import Json

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Kind(StrEnum):
    """What goes wrong."""

    # The request is refused and nothing was done.
    STATUS = "status"  # problem+json with the fault's ``status`` and ``detail``
    UNAUTHORIZED = "unauthorized"
    NO_BALANCE = "no_balance"
    POOL_DENIED = "pool_denied"
    NO_CAPACITY = "no_capacity"
    RATE_LIMITED = "rate_limited"  # ``seconds`` is the Retry-After
    SERVER_ERROR = "server_error"  # 500
    BAD_GATEWAY = "bad_gateway"  # the edge's HTML; ``status`` may name another 5xx
    TIMEOUT = "timeout"  # never answered
    RESET = "reset"  # the connection is closed without an answer
    EMPTY_LIST = "empty_list"  # a 200 that lists nothing, whatever there is
    GARBAGE = "garbage"  # a 200 that is no JSON
    GRAPHQL_ERROR = "graphql_error"  # HTTP 200 with errors

    # The deed is done; only the answer suffers.
    LOST_BUT_CREATED = "lost_but_created"  # the connection is closed instead of an answer
    ERROR_BUT_CREATED = "error_but_created"  # 500
    GATEWAY_BUT_CREATED = "gateway_but_created"  # the edge's HTML
    TIMEOUT_BUT_CREATED = "timeout_but_created"  # never answered
    CUT_MID_BODY = "cut_mid_body"  # headers and half of the body
    LATE_CREATION = "late_creation"  # 500; the pod appears after ``seconds``
    SLOW = "slow"  # a good answer, after ``seconds`` of real time

    # The create is answered well; the pod is not well.
    STUCK_PROVISIONING = "stuck_provisioning"
    BROKEN_HOST = "broken_host"
    CONTAINER_ERROR = "container_error"
    CRASH_LOOP = "crash_loop"
    NEVER_SERVES = "never_serves"
    NO_GPU = "no_gpu"
    UNGUARDED = "unguarded"
    LIST_LAG = "list_lag"  # this pod is missing from the next ``reads`` lists


_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "on": str,
    "fault": str,
    "times": (int, type(None)),
    "skip": int,
    "seconds": (int, float),
    "status": int,
    "detail": str,
    "reads": int,
}
"""The fields of a fault as JSON, and what each may be."""


@dataclass
class Fault:
    """One order to go wrong. ``skip`` matches pass unharmed first; ``times`` None is for ever."""

    on: str
    fault: Kind
    times: int | None = 1
    skip: int = 0
    seconds: float = 0.0
    status: int = 500
    detail: str = "internal server error"
    reads: int = 3

    @classmethod
    def parse(cls, raw: Json) -> Fault:
        """A fault from JSON.

        Raises:
            ValueError: it is none; the message names what is allowed.
        """
        if not isinstance(raw, dict) or not {"on", "fault"} <= raw.keys() <= _TYPES.keys():
            raise ValueError(f"a fault is an object with on, fault, and any of {', '.join(_TYPES)}")
        for name, value in raw.items():
            if not isinstance(value, _TYPES[name]):
                raise ValueError(f"{name} of a fault cannot be {value!r}")  # noqa: TRY004 - a value from JSON
        return cls(**{**raw, "fault": Kind(raw["fault"])})

    def hits(self, request: str) -> bool:
        """Whether it strikes this ``METHOD /path``; counts the hit."""
        if self.times == 0 or not fnmatchcase(request, self.on):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times = None if self.times is None else self.times - 1
        return True


@dataclass(frozen=True)
class Destiny:
    """What a fault has decided about the pod that this request creates."""

    fate: Fate = Fate.HEALTHY
    delay: float = 0.0
    hidden: int = 0


DESTINY: Final = web.RequestKey("destiny", Destiny)


@dataclass
class Faults:
    """The queue; the first that matches strikes."""

    queue: list[Fault] = field(default_factory=list)

    def take(self, request: str) -> Fault | None:
        """The fault that strikes this request, if one does."""
        return next((fault for fault in self.queue if fault.hits(request)), None)

    async def around(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let ``handler`` answer, unless a fault strikes."""
        fault = self.take(f"{request.method} {request.path}")
        return await handler(request) if fault is None else await strike(fault, request, handler)


async def strike(fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer as the fault has it.

    Raises:
        Problem: the refusals in problem+json.
    """
    await request.read()
    if fault.fault in _PROBLEMS:
        raise _PROBLEMS[fault.fault](fault)
    if fault.fault in _NOTHING_DONE:
        return await _refuse(fault, request)
    if fault.fault.value in {fate.value for fate in Fate}:
        request[DESTINY] = Destiny(fate=Fate(fault.fault.value))
        return await handler(request)
    if fault.fault is Kind.LIST_LAG:
        request[DESTINY] = Destiny(hidden=fault.reads)
        return await handler(request)
    if fault.fault is Kind.LATE_CREATION:
        request[DESTINY] = Destiny(delay=fault.seconds)
    return await _spoil(fault, request, await handler(request))


_PROBLEMS: Final[Mapping[Kind, Callable[[Fault], Problem]]] = {
    Kind.STATUS: lambda fault: Problem(fault.status, fault.detail),
    Kind.UNAUTHORIZED: lambda _: Problem(401, "invalid bearer token"),
    Kind.NO_BALANCE: lambda _: no_balance(),
    Kind.POOL_DENIED: lambda _: Problem(403, "access denied"),
    Kind.NO_CAPACITY: lambda _: no_capacity(),
    Kind.RATE_LIMITED: lambda fault: rate_limited(fault.seconds),
    Kind.SERVER_ERROR: lambda _: Problem(500, "internal server error"),
}

_NOTHING_DONE: Final = frozenset(
    {Kind.BAD_GATEWAY, Kind.TIMEOUT, Kind.RESET, Kind.EMPTY_LIST, Kind.GARBAGE}
)


async def _refuse(fault: Fault, request: web.Request) -> web.StreamResponse:
    match fault.fault:
        case Kind.BAD_GATEWAY:
            return edge_page(502 if fault.status == 500 else fault.status)  # noqa: PLR2004 - the default
        case Kind.TIMEOUT:
            return await _never()
        case Kind.EMPTY_LIST:
            pages = {"hasNextPage": False, "nextCursor": None}
            return web.json_response({"pods": [], "pagination": pages})
        case Kind.GARBAGE:
            return web.Response(text="<html>maintenance</html>", content_type="text/html")
        case _:
            return _closed(request)


async def _spoil(
    fault: Fault, request: web.Request, answer: web.StreamResponse
) -> web.StreamResponse:
    match fault.fault:
        case Kind.ERROR_BUT_CREATED | Kind.LATE_CREATION:
            raise Problem(500, "internal server error")
        case Kind.GATEWAY_BUT_CREATED:
            return edge_page(502)
        case Kind.TIMEOUT_BUT_CREATED:
            return await _never()
        case Kind.CUT_MID_BODY:
            return await _cut(request, answer)
        case Kind.SLOW:
            await asyncio.sleep(fault.seconds)
            return answer
        case _:
            return _closed(request)


async def _never() -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError("only the client's leaving ends this wait")


def _closed(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.close()
    return web.Response()


async def _cut(request: web.Request, answer: web.StreamResponse) -> web.StreamResponse:
    whole = answer.body if isinstance(answer, web.Response) else None
    body = whole if isinstance(whole, bytes) else b" " * 64
    cut = web.StreamResponse(status=answer.status, headers={"Content-Length": str(len(body))})
    cut.content_type = answer.content_type
    await cut.prepare(request)
    await cut.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return cut
