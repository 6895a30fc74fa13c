"""Who shares a call and who ends one, through a proxy that is a process of its own."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import Any

import aiohttp
import pytest

from podman_llm.testing.openai_config import OpenAIDoubleConfig
from podman_llm.testing.openai_faults import Fault, FaultKind
from podman_llm.testing.openai_server import OpenAIDouble
from podman_llm.testing.server_thread import ServerThread
from tests.e2e.editor import Answering, Editor, serving
from tests.e2e.machine import Machine

CROWD = 200
QUESTIONS: dict[str, dict[str, Any]] = {
    "chat/completions": {},
    "completions": {"messages": None, "prompt": "Once upon"},
    "responses": {"messages": None, "input": "Say hello."},
    "messages": {},
    "embeddings": {"messages": None, "input": "Say hello."},
}
HAIKU: dict[str, Any] = {"seed": 1, "max_tokens": 60, "stream": True}
HAIKU |= {"model": "podman-llm", "messages": [{"role": "user", "content": "A haiku, please."}]}
CASES = [(path, stream) for path in QUESTIONS for stream in (True, False)]
Pod = ServerThread[OpenAIDouble]


@pytest.fixture
def pod() -> Iterator[Pod]:
    config = OpenAIDoubleConfig(
        served_names=("podman-llm",), tokens_per_second=50, embedding_dimensions=8
    )
    with ServerThread(OpenAIDouble(config)) as thread:
        yield thread


async def freeze(pod: Pod) -> None:
    pod.server.freeze()


async def thaw(pod: Pod) -> None:
    pod.server.thaw()


async def crowd(machine: Machine, when_all_ride: Callable[[], None]) -> list[tuple[str, bytes]]:
    """The same question from many at once: each one's ``X-Cache`` and body, read to its end."""
    begun = asyncio.Barrier(CROWD + 1)

    async def one(session: aiohttp.ClientSession) -> tuple[str, bytes]:
        async with session.post(f"{machine.url}/chat/completions", json=HAIKU) as response:
            first = await response.content.readany()
            await begun.wait()
            return response.headers["X-Cache"], first + await response.read()

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        asking = asyncio.gather(*(one(session) for _ in range(CROWD)))
        await begun.wait()
        when_all_ride()
        return await asking


@pytest.mark.parametrize("is_killed", [False, True])
def test_two_hundred_identical_streams_cost_one_call_with_their_leader_or_without(
    machine: Machine, pod: Pod, editor: Editor, is_killed: bool
) -> None:
    with serving(machine, pod.url), editor.asking(**HAIKU) as leader:
        leader.read_some(events=2)
        pod.call(freeze(pod))

        def go_on() -> None:
            if is_killed:
                leader.leave()
            pod.call(thaw(pod))

        answers = asyncio.run(crowd(machine, go_on))
        assert pod.server.completions == len(pod.server.requests) == 1
        assert pod.server.cancelled == 0
        assert {word for word, _ in answers} == {"COALESCED"}
        [body] = {body for _, body in answers}
        assert body.endswith(b"data: [DONE]\n\n")
        assert is_killed or leader.rest().body == body
        again = editor.ask(**HAIKU)
        assert (again.headers["X-Cache"], again.body) == ("HIT", body)


def test_without_a_linger_a_client_that_leaves_frees_the_pod_within_a_tenth_of_a_second(
    machine: Machine, pod: Pod, editor: Editor
) -> None:
    with serving(machine, pod.url, proxy={"linger_seconds": 0}):
        for path, stream in CASES:
            # The bound; the best of three, because a busy machine has pauses of its own.
            taken = [seconds_to_free(pod, editor, path, stream=stream) for _ in range(3)]
            assert min(taken) <= 0.1, (path, stream, taken)


def seconds_to_free(pod: Pod, editor: Editor, path: str, *, stream: bool) -> float:
    """From the moment when a client leaves until the pod hears of it; a stream is left within."""
    asked, cancelled = len(pod.server.requests), pod.server.cancelled
    is_streamed = stream and path != "embeddings"
    kind = FaultKind.FREEZE if is_streamed else FaultKind.DELAY
    pod.server.add_fault(Fault(kind, path=f"/v1/{path}", after_events=6, seconds=60))
    with editor.asking(path, stream=stream, **QUESTIONS[path]) as answering:
        pod.call(pod.server.wait_until(lambda: len(pod.server.requests) > asked))
        if is_streamed:
            answering.read_some(events=6)
        answering.leave()
        left = time.monotonic()
        pod.call(pod.server.wait_until(lambda: pod.server.cancelled > cancelled))
        return time.monotonic() - left


def test_with_a_linger_a_retry_of_the_same_body_attaches_to_the_running_call(
    machine: Machine, pod: Pod, editor: Editor
) -> None:
    pod.server.add_fault(Fault(FaultKind.DELAY, path="/v1/", times=len(CASES), seconds=1))
    with serving(machine, pod.url, proxy={"linger_seconds": 30}), ExitStack() as stack:
        for path, stream in CASES:
            first = stack.enter_context(asking(editor, path, stream=stream))
            stack.callback(first.leave)
        pod.call(pod.server.wait_until(lambda: len(pod.server.requests) == len(CASES)))
        stack.close()
        retries = [stack.enter_context(asking(editor, path, stream=s)) for path, s in CASES]
        for retry, case in zip(retries, CASES, strict=True):
            said = retry.rest()
            assert (said.status, said.is_cut, said.headers["X-Cache"]) == (200, False, "COALESCED")
            assert said.is_event_stream is (case[1] and case[0] != "embeddings")
        assert len(pod.server.requests) == len(CASES)
        assert pod.server.cancelled == 0


def asking(editor: Editor, path: str, *, stream: bool) -> AbstractContextManager[Answering]:
    return editor.asking(path, seed=1, stream=stream, **QUESTIONS[path])
