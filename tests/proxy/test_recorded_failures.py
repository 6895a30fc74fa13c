"""Each way in which a recorded vLLM failed: what the client gets, and that nothing of it is kept.

The recordings of failures are those named ``scenario-…``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from podman_llm.testing.openai_faults import FaultKind
from podman_llm.testing.transcripts import parse_response
from podman_llm.upstreams import openai as upstream
from tests.proxy.failover_rig import POD_MODEL, House, Said, house
from tests.proxy.rig import CHAT, STREAM_END, Script, ScriptedUpstream, Turn, chunk

FOLDER = Path(__file__).parent.parent / "recordings" / "vllm"
DEATHS = [
    "scenario-enginecore-sigkill-inflight",
    "scenario-worker-sigkill-inflight",
    "scenario-sigterm-inflight",
]
OTHER = {"other-model"}


def told(name: str) -> Any:
    return json.loads((FOLDER / f"{name}.json").read_text())


@asynccontextmanager
async def scripted(script: Script, **more: Any) -> AsyncIterator[House]:
    """A house whose pod answers by the script, and a service in its place."""
    async with house("other", **more) as rig:
        pod = ScriptedUpstream(script)
        await pod.start()
        rig.set_target(url=pod.url)
        yield rig
        await pod.stop()


async def ask_and_then(rig: House, heard: asyncio.Event, **body: Any) -> Said:
    """Ask, and set ``heard`` when the first content is there."""
    pieces = []
    async with rig.session.post(rig.url + CHAT, json=body) as response:
        try:
            async for piece in response.content.iter_any():
                pieces.append(piece)
                heard.set()
        except (aiohttp.ClientError, ConnectionError):
            return Said(response.status, response.headers, b"".join(pieces), is_aborted=True)
    return Said(response.status, response.headers, b"".join(pieces), is_aborted=False)


async def is_kept_of_the_pod(rig: House, **more: Any) -> bool:
    said = await rig.ask(headers={"Cache-Control": "only-if-cached"}, **more)
    return said.status == 200 and said.headers["X-Served-By"] == "pod/abc"


@pytest.mark.parametrize("name", DEATHS)
async def test_a_recorded_death_before_any_content_goes_unseen(name: str) -> None:
    raw = (FOLDER / f"{name}.raw").read_bytes()
    role, *_, failure, done = parse_response(raw).chunks

    async def dies(turn: Turn) -> None:
        await turn.send(head_of(raw), chunk(role), chunk(failure), chunk(done), STREAM_END)

    async with scripted(dies) as rig:
        said = await rig.ask(stream=True, seed=1)
        assert (said.is_whole, said.models) == (True, OTHER)
        assert said.headers["X-Attempts"].startswith("pod/abc;outcome=broke, ")
        assert not await is_kept_of_the_pod(rig, stream=True, seed=1)


@pytest.mark.parametrize("name", DEATHS)
async def test_a_recorded_death_after_content_cuts_the_client_off(name: str) -> None:
    raw = (FOLDER / f"{name}.raw").read_bytes()
    *events, failure, done = parse_response(raw).chunks
    heard = asyncio.Event()

    async def dies(turn: Turn) -> None:
        await turn.send(head_of(raw), *map(chunk, events))
        await heard.wait()
        await turn.send(chunk(failure), chunk(done), STREAM_END)

    question = {"messages": [], "stream": True}
    async with scripted(dies) as rig:
        said = await ask_and_then(rig, heard, **question)
        assert (said.status, said.is_aborted) == (200, True)
        assert said.body == b"".join(events)
        assert not await is_kept_of_the_pod(rig, **question)


def head_of(raw: bytes) -> bytes:
    return raw[: raw.index(b"\r\n\r\n") + 4]


async def test_the_recorded_500_of_a_killed_engine_gives_way_to_another() -> None:
    recorded, _, _ = told("scenario-enginecore-sigkill-inflight")["nonstream"]

    async def dies(turn: Turn) -> None:
        await turn.send(recorded.encode())

    async with scripted(dies) as rig:
        said = await rig.ask(seed=1)
        assert (said.is_whole, said.models) == (True, OTHER)
        assert "EngineCore encountered an issue" in said.headers["X-Fallback-Reason"]
        assert not await is_kept_of_the_pod(rig, seed=1)


async def test_a_plain_answer_that_sigterm_ended_gives_way_to_another() -> None:
    async with house("other") as rig:
        rig.pod.freeze()
        asking = asyncio.create_task(rig.ask(seed=1))
        await rig.pod.wait_until(lambda: rig.pod.running == 1)
        await rig.pod.terminate()
        said = await asking
        assert (said.is_whole, said.models) == (True, OTHER)
        assert not await is_kept_of_the_pod(rig, seed=1)


async def test_a_frozen_engine_is_given_up_for_another_before_any_content() -> None:
    recorded = told("scenario-engine-frozen-sigstop")["first_bytes_within_6s"]

    async def freezes(turn: Turn) -> None:
        await turn.send(recorded.encode())  # a 200, and then nothing
        await turn.gone.wait()

    async with scripted(freezes, routing={"first_content_seconds": 0.2}) as rig:
        said = await rig.ask(stream=True, seed=1)
        assert (said.is_whole, said.models) == (True, OTHER)
        assert said.headers["X-Attempts"].startswith("pod/abc;outcome=silent, ")
        assert not await is_kept_of_the_pod(rig, stream=True, seed=1)


async def test_a_frozen_engine_cuts_the_client_off_after_content() -> None:
    async with house("other", idle_timeout=0.2) as rig:
        rig.break_pod(FaultKind.FREEZE)
        said = await rig.ask(stream=True, seed=1)
        assert (said.is_aborted, said.models) == (True, {POD_MODEL})
        assert not await is_kept_of_the_pod(rig, stream=True, seed=1)


async def test_a_frozen_engine_is_given_up_for_another_by_who_asks_for_no_stream() -> None:
    async with house("other", idle_timeout=0.2) as rig:
        rig.pod.freeze()
        said = await rig.ask(seed=1)
        assert (said.is_whole, said.models) == (True, OTHER)
        assert not await is_kept_of_the_pod(rig, seed=1)


async def test_who_waits_in_an_overloaded_pods_queue_is_answered_in_time() -> None:
    recorded = told("scenario-overload-queue")
    assert recorded["mid"]["waiting"]
    assert {end for end, _ in recorded["streams"]} == {"complete"}
    async with house("other", pod={"max_num_seqs": 2, "tokens_per_second": 200}) as rig:
        said = await asyncio.gather(*(rig.ask(stream=True) for _ in range(6)))
        assert all(one.is_whole and one.models == {POD_MODEL} for one in said)
        assert rig.activity.failed_attempts == 0


async def test_who_waits_too_long_in_an_overloaded_pods_queue_goes_elsewhere() -> None:
    routing = {"first_content_seconds": 0.2}
    async with house("other", pod={"max_num_seqs": 1}, routing=routing) as rig:
        rig.pod.freeze()
        only_the_pod = {"X-Podman-LLM-Policy": "fail"}
        running = asyncio.create_task(rig.ask(stream=True, headers=only_the_pod))
        await rig.pod.wait_until(lambda: rig.pod.running == 1)
        said = await rig.ask(stream=True, seed=1)
        assert (said.is_whole, said.models) == (True, OTHER)
        assert not await is_kept_of_the_pod(rig, stream=True, seed=1)
        rig.pod.thaw()
        assert (await running).models == {POD_MODEL}


async def test_a_connection_that_vllm_closed_in_the_pool_costs_nobody_a_thing() -> None:
    closes_after = told("scenario-keepalive-idle-close")["server_closes_idle_connection_after_s"]
    assert closes_after > upstream._IDLE_SECONDS  # ours are gone before that, nearly always
    async with house("other") as rig:
        for stream in (True, False):
            await rig.ask()  # leaves its connection in the pool
            rig.break_pod(FaultKind.HANG_UP)
            said = await rig.ask(stream=stream)
            assert (said.is_whole, said.models) == (True, {POD_MODEL})
        assert rig.activity.failed_attempts == 0
