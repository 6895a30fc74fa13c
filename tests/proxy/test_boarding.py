from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from podman_llm.proxy.flights import Flight, Flights
from podman_llm.testing.openai_config import OpenAIDoubleConfig
from podman_llm.testing.openai_faults import Fault, FaultKind
from podman_llm.testing.openai_server import OpenAIDouble
from tests.proxy.rig import (
    STREAM_END,
    STREAM_HEAD,
    Answered,
    Rig,
    Turn,
    chunk,
    delta,
    proxy,
    request_bytes,
    says,
)

NAME = "lab-model"
CHAT: tuple[str, dict[str, Any]] = (
    "/v1/chat/completions",
    {"messages": [{"role": "user", "content": "Say hello."}]},
)
COMPLETIONS = ("/v1/completions", {"prompt": "Once upon"})
RESPONSES = ("/v1/responses", {"input": "Say hello."})
MESSAGES = ("/v1/messages", CHAT[1] | {"max_tokens": 30})
EMBEDDINGS = ("/v1/embeddings", {"input": "Say hello."})
WORDED = [CHAT, COMPLETIONS, RESPONSES, MESSAGES]
CASES = [
    *((path, body | {"stream": True}) for path, body in WORDED),
    *(*WORDED, EMBEDDINGS),
    (EMBEDDINGS[0], EMBEDDINGS[1] | {"stream": True}),  # is not looked at, and does not harm
]
DONE = b"data: [DONE]\n\n"
every_case = pytest.mark.parametrize(("path", "body"), CASES)


@asynccontextmanager
async def pod(
    *, linger: float = 60, cache: dict[str, Any] | None = None, **config: Any
) -> AsyncIterator[tuple[Rig, OpenAIDouble]]:
    """The proxy in front of a model server that serves every endpoint."""
    double = OpenAIDouble(OpenAIDoubleConfig(served_names=(NAME,), **config))
    await double.start()
    settings = {"proxy": {"linger_seconds": linger}, "cache": cache or {}}
    target = {"url": double.url, "served_by": "pod/abc"}
    try:
        async with proxy(says(), settings=settings, target=target) as rig:
            yield rig, double
    finally:
        await double.stop()


@pytest.fixture
def deserted(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set as soon as a client has left its call."""
    leave, left = Flights._leave_to_itself, asyncio.Event()

    def noted(flights: Flights[Any], flight: Flight[Any]) -> None:
        leave(flights, flight)
        left.set()

    monkeypatch.setattr(Flights, "_leave_to_itself", noted)
    return left


async def until_counted(rig: Rig, coalesced: int) -> None:
    while rig.activity.coalesced < coalesced:
        rig.activity.changed.clear()
        await rig.activity.changed.wait()


def dimensions(path: str) -> dict[str, Any]:
    """Embeddings are another model's."""
    return {"embedding_dimensions": 8} if path.endswith("embeddings") else {}


async def ask(rig: Rig, path: str, body: dict[str, Any], **headers: str) -> Answered:
    return await rig.ask(body | {"model": NAME}, path=path, headers=headers)


@asynccontextmanager
async def unlimited(rig: Rig) -> AsyncIterator[None]:
    """Let the rig's client have as many connections as it likes."""
    usual = rig.session
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as rig.session:
        yield
    rig.session = usual


@asynccontextmanager
async def unread(rig: Rig, request: bytes) -> AsyncIterator[asyncio.StreamReader]:
    """A connection on which the kernel takes next to nothing for a client that does not read."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", rig.port))
    reader, writer = await asyncio.open_connection(sock=sock, limit=4096)
    writer.write(request)
    try:
        yield reader
    finally:
        writer.transport.abort()


def raw(path: str, body: dict[str, Any], extra: str = "") -> bytes:
    return request_bytes(json.dumps(body | {"model": NAME}).encode(), path=path, extra=extra)


async def test_two_hundred_identical_streams_cost_one_call() -> None:
    path, body = CASES[0]
    async with pod(tokens_per_second=200) as (rig, double), unlimited(rig):
        asked = await asyncio.gather(*(ask(rig, path, body) for _ in range(200)))
        assert len(double.requests) == double.completions == 1
        assert {one.body for one in asked} == {asked[0].body}
        assert asked[0].body.endswith(DONE)
        assert sorted(one.cache for one in asked) == ["COALESCED"] * 199 + ["MISS"]
        assert {one.headers["X-Served-By"] for one in asked} == {"pod/abc"}
        assert (rig.activity.coalesced, rig.activity.misses) == (199, 1)
        assert (await ask(rig, path, body)).body == asked[0].body
        assert rig.activity.hits == 1


@every_case
async def test_the_same_question_twice_at_once_is_one_call(path: str, body: dict[str, Any]) -> None:
    async with pod(**dimensions(path)) as (rig, double):
        double.add_fault(Fault(FaultKind.DELAY, seconds=0.1, path=path))
        first, second = await asyncio.gather(ask(rig, path, body), ask(rig, path, body))
        assert len(double.requests) == 1
        assert (first.status, first.body) == (200, second.body)
        assert {first.cache, second.cache} == {"MISS", "COALESCED"}


async def test_without_the_leader_the_others_complete() -> None:
    path, body = CASES[0]
    async with pod(tokens_per_second=100) as (rig, double):
        async with rig.connection(raw(path, body)) as (reader, _):
            await reader.readuntil(b"content")
            others = [asyncio.create_task(ask(rig, path, body)) for _ in range(5)]
            await until_counted(rig, 5)
        answers = await asyncio.gather(*others)
        assert {one.cache for one in answers} == {"COALESCED"}
        assert all(one.body == answers[0].body and DONE in one.body for one in answers)
        assert (len(double.requests), double.cancelled) == (1, 0)
        assert (await ask(rig, path, body)).cache == "HIT"


@every_case
@pytest.mark.parametrize("policy", ["all", "deterministic"])
async def test_a_retry_finds_the_call_that_its_client_left(
    path: str, body: dict[str, Any], policy: str, deserted: asyncio.Event
) -> None:
    async with pod(cache={"policy": policy}, **dimensions(path)) as (rig, double):
        double.add_fault(Fault(FaultKind.DELAY, seconds=0.2, path=path))
        async with rig.connection(raw(path, body)):
            await double.wait_until(lambda: len(double.requests) == 1)
        await deserted.wait()
        retried = await ask(rig, path, body)
        assert (retried.status, retried.cache) == (200, "COALESCED")
        assert (len(double.requests), double.cancelled) == (1, 0)


async def test_a_stream_that_was_left_in_its_middle_is_found_whole(
    deserted: asyncio.Event,
) -> None:
    path, body = CASES[0]
    async with pod(tokens_per_second=200) as (rig, double):
        async with rig.connection(raw(path, body)) as (reader, _):
            await reader.readuntil(b"content")
        await deserted.wait()
        retried = await ask(rig, path, body)
        assert (retried.cache, len(double.requests), double.cancelled) == ("COALESCED", 1, 0)
        assert (await ask(rig, path, body)).body == retried.body


async def test_an_answer_that_ends_while_nobody_listens_is_kept(deserted: asyncio.Event) -> None:
    path, body = CASES[0]
    async with pod(tokens_per_second=200) as (rig, double):
        async with rig.connection(raw(path, body)) as (reader, _):
            await reader.readuntil(b"content")
        await deserted.wait()
        await double.wait_until_idle()
        while rig.activity.in_flight:
            rig.activity.changed.clear()
            await rig.activity.changed.wait()
        assert (await ask(rig, path, body)).cache == "HIT"


@every_case
async def test_without_a_linger_a_client_that_leaves_frees_the_upstream_at_once(
    path: str, body: dict[str, Any]
) -> None:
    async with pod(linger=0, **dimensions(path)) as (rig, double):
        double.add_fault(Fault(FaultKind.DELAY, seconds=60, path=path))
        async with rig.connection(raw(path, body)):
            await double.wait_until(lambda: len(double.requests) == 1)
        async with asyncio.timeout(0.1):
            await double.wait_until(lambda: double.cancelled == 1)


@pytest.mark.parametrize(
    ("path", "extra"),
    [
        ("/v1/chat/completions", {"Cache-Control": "no-store"}),
        ("/v1/chat/completions", {"Cache-Control": "no-cache"}),
        ("/v1/chat/completions", {"Cache-Control": "max-age=0"}),
        ("/nocache/v1/chat/completions", {}),
    ],
)
async def test_who_wants_an_answer_of_their_own_is_never_behind_another(
    path: str, extra: dict[str, str]
) -> None:
    body = CHAT[1]
    async with pod() as (rig, double):
        double.add_fault(Fault(FaultKind.DELAY, seconds=60))
        async with rig.connection(raw(path, body)):
            await double.wait_until(lambda: len(double.requests) == 1)
            own = await asyncio.gather(*(ask(rig, path, body, **extra) for _ in range(2)))
        assert [one.cache for one in own].count("COALESCED") == 0
        assert len(double.requests) == 3


async def test_what_the_policy_keeps_nobody_from_having_anew_is_not_shared() -> None:
    path, body = CHAT
    async with pod(cache={"policy": "deterministic"}) as (rig, double):
        double.add_fault(Fault(FaultKind.DELAY, seconds=0.1))
        asked = await asyncio.gather(ask(rig, path, body), ask(rig, path, body))
        assert [one.cache for one in asked] == ["BYPASS", "BYPASS"]
        assert len(double.requests) == 2


async def test_the_usage_chunk_is_not_shared_with_who_did_not_ask_for_it() -> None:
    path, body = CASES[0]
    with_usage = body | {"stream_options": {"include_usage": True}}
    async with pod() as (rig, double):
        double.add_fault(Fault(FaultKind.DELAY, seconds=0.1, times=2))
        plain, told = await asyncio.gather(ask(rig, path, body), ask(rig, path, with_usage))
        assert (b'"usage"' in plain.body, b'"usage"' in told.body) == (False, True)
        assert len(double.requests) == 2


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault(FaultKind.STATUS, status=500), 500),
        (Fault(FaultKind.JSON_FOR_STREAM), 502),
        (Fault(FaultKind.RESET, after_events=0), 502),
        (Fault(FaultKind.ENGINE_ERROR, after_events=0), 502),
    ],
)
async def test_a_failure_before_content_is_everybodys_and_the_next_one_asks_anew(
    fault: Fault, status: int
) -> None:
    path, body = CASES[0]
    async with pod(tokens_per_second=20) as (rig, double):
        double.add_fault(fault)
        failed = await asyncio.gather(*(ask(rig, path, body) for _ in range(3)))
        assert {one.status for one in failed} == {status}
        assert len({one.body for one in failed}) == len(double.requests) == 1
        again = await ask(rig, path, body)
        assert (again.status, again.cache) == (200, "MISS")


async def test_a_failure_within_content_cuts_everybody_off() -> None:
    path, body = CASES[0]
    async with pod(tokens_per_second=50) as (rig, double):
        double.add_fault(Fault(FaultKind.ABORT, after_events=10))
        failed = await asyncio.gather(
            *(ask(rig, path, body) for _ in range(3)), return_exceptions=True
        )
        assert all(isinstance(one, aiohttp.ClientError) for one in failed)
        assert (len(double.requests), rig.activity.errors) == (1, 3)
        assert (await ask(rig, path, body)).cache == "MISS"


async def test_a_client_that_does_not_read_holds_up_nobody() -> None:
    big = [delta("x" * 60_000) for _ in range(200)]
    events = [delta("begun"), *big, delta("", finish='"stop"'), DONE]

    async def pours(turn: Turn) -> None:
        await turn.send(STREAM_HEAD, chunk(events[0]))
        await until_counted(rig, 1)
        await turn.send(*map(chunk, events[1:]), STREAM_END)

    settings = {"cache": {"max_entry_bytes": 1_000_000}}
    async with proxy(pours, settings=settings) as rig:
        body = {"messages": [], "stream": True}
        async with unread(rig, request_bytes(json.dumps(body).encode())) as reader:
            await reader.readuntil(b"begun")
            async with asyncio.timeout(10):
                quick = await rig.ask(body)
            assert (quick.cache, quick.body) == ("COALESCED", b"".join(events))
        assert len(rig.upstream.turns) == 1
