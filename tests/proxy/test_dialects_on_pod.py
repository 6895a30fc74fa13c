"""Codex and Claude Code on the pod, which speaks both: hold, breaker, cache, broken answers."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from podman_llm.testing.openai_faults import FaultKind
from tests.proxy.dialect_rig import (
    ASKS,
    ENDS,
    FIRST_WORDS,
    MESSAGES,
    PATHS,
    RESPONSES,
    claude,
    codex,
    error_of,
    is_whole,
    post,
)
from tests.proxy.failover_rig import BOOTING, house
from tests.proxy.rig import (
    STREAM_END,
    STREAM_HEAD,
    Turn,
    chunk,
    http,
    proxy,
    request_bytes,
    says,
)

each_path = pytest.mark.parametrize("path", PATHS)
QUICK = {"quiet_seconds": 0.0, "keepalive_seconds": 0.05}


@each_path
async def test_the_official_clients_read_the_pods_own_words_and_the_kept_ones(path: str) -> None:
    async with house() as rig, codex(rig) as client, claude(rig) as reader:
        told = []
        for _ in range(2):
            if path == RESPONSES:
                async with client.responses.stream(model="podman-llm", input="Hi") as stream:
                    told.append((await stream.get_final_response()).output_text)
            else:
                asked: Any = [{"role": "user", "content": "Hi"}]
                async with reader.messages.stream(
                    model="podman-llm", max_tokens=99, messages=asked
                ) as events:
                    told.append(await events.get_final_text())
        assert told[0]
        assert told[0] == told[1]
        assert (rig.activity.hits, rig.pod.completions) == (1, 1)


@each_path
async def test_a_stream_is_kept_alive_until_the_pod_has_booted(path: str) -> None:
    asked = ASKS[path] | {"stream": True}
    async with house(routing=QUICK) as rig:
        rig.set_target(**BOOTING)
        async with rig.session.post(rig.url + path, json=asked) as response:
            first = await response.content.readany()
            rig.set_target(url=rig.pod.url)
            rest = await response.content.read()
    assert first.startswith(b": keepalive\n\n")
    assert rest.count(ENDS[path]) == 1


async def test_the_official_clients_read_a_stream_that_was_kept_alive() -> None:
    hello: Any = [{"role": "user", "content": "Hi"}]
    async with house(routing=QUICK) as rig, codex(rig) as client, claude(rig) as reader:
        rig.set_target(**BOOTING)
        async with client.responses.stream(model="podman-llm", input="Hi") as stream:
            rig.set_target(url=rig.pod.url)  # the stream has begun, with a sign of life
            assert (await stream.get_final_response()).output_text
        rig.set_target(**BOOTING)
        asked = reader.messages.stream(model="podman-llm", max_tokens=99, messages=hello)
        async with asked as events:
            rig.set_target(url=rig.pod.url)
            assert await events.get_final_text()


@each_path
async def test_what_is_no_stream_is_told_when_to_come_back(path: str) -> None:
    async with house() as rig:
        rig.set_target(**BOOTING, retry_after=7)
        said = await post(rig, path)
        assert (said.status, said.headers["Retry-After"]) == (503, "7")
        assert "The pod is BOOTING" in error_of(said, path)


@each_path
async def test_a_dead_pod_is_left_alone_after_the_first_who_asked(path: str) -> None:
    async with house() as rig:
        await rig.pod.kill()
        first, *later = [await post(rig, path, stream=True) for _ in range(5)]
        assert first.status == 502
        assert {said.status for said in later} == {503}
        assert "is not asked" in error_of(later[-1], path)


BREAKS = [FaultKind.ABORT, FaultKind.ENGINE_ERROR, FaultKind.RESET, FaultKind.EARLY_END]


@each_path
@pytest.mark.parametrize("kind", BREAKS)
async def test_after_content_a_failure_aborts_the_connection(path: str, kind: FaultKind) -> None:
    async with house("other") as rig:
        rig.break_pod(kind, after_events=FIRST_WORDS[path] + 2)
        said = await post(rig, path, stream=True)
        assert said.is_aborted
        assert b"delta" in said.body
        assert ENDS[path] not in said.body
        assert b"error" not in said.body
        again = await post(rig, path, stream=True)
        assert is_whole(again, path)
        assert again.headers["X-Cache"] == "MISS"


@each_path
@pytest.mark.parametrize("kind", BREAKS)
async def test_before_any_content_a_failure_is_an_honest_status(path: str, kind: FaultKind) -> None:
    async with house() as rig:
        rig.break_pod(kind, after_events=FIRST_WORDS[path] - 1)
        said = await post(rig, path, stream=True)
        assert (said.status, said.is_aborted) == (502, False)
        assert error_of(said, path).startswith("podman-llm: pod/abc: ")


def event(name: str, **fields: Any) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (
        name.encode(),
        json.dumps({"type": name, **fields}).encode(),
    )


DELTA = event("response.output_text.delta", delta="Hel")
OUTPUT = [{"type": "message", "content": [{"type": "output_text", "text": "Hel"}]}]
FAILED = event("response.failed", response={"status": "failed", "error": {"message": "dead"}})
INCOMPLETE = event(
    "response.incomplete",
    response={
        "status": "incomplete",
        "incomplete_details": {"reason": "max_output_tokens"},
        "output": OUTPUT,
    },
)
FILTERED = event("message_delta", delta={"stop_reason": "refusal"}) + event("message_stop")
SPOKEN = event("content_block_delta", delta={"type": "text_delta", "text": "Hel"})


def told(*events: bytes) -> bytes:
    """A whole stream of the pod's."""
    return STREAM_HEAD + b"".join(map(chunk, events)) + STREAM_END


async def test_a_failed_response_is_no_answer_and_its_failure_is_not_told() -> None:
    has_read = asyncio.Event()

    async def script(turn: Turn) -> None:
        await turn.send(STREAM_HEAD + chunk(DELTA))
        await has_read.wait()
        await turn.send(chunk(FAILED) + STREAM_END)

    body = json.dumps({"model": "m", "input": "x", "stream": True}).encode()
    async with proxy(script) as rig:
        async with rig.connection(request_bytes(body, path=RESPONSES)) as (reader, _):
            assert await reader.readuntil(b'"Hel"}')
            has_read.set()
            with pytest.raises(ConnectionResetError):
                await reader.read()
        assert rig.cache
        assert (await rig.cache.stats()).entries == 0


async def test_a_response_that_failed_at_once_is_an_honest_error() -> None:
    async with proxy(says(told(FAILED))) as rig:
        answer = await rig.ask({"model": "m", "input": "x", "stream": True}, path=RESPONSES)
    assert answer.status == 502
    assert json.loads(answer.body)["error"]["message"].endswith("the upstream reports: dead.")


@pytest.mark.parametrize(
    ("path", "events"), [(RESPONSES, (DELTA, INCOMPLETE)), (MESSAGES, (SPOKEN, FILTERED))]
)
async def test_an_answer_that_is_not_complete_by_its_own_words_passes_and_is_not_kept(
    path: str, events: tuple[bytes, ...]
) -> None:
    async with proxy(says(told(*events))) as rig:
        for _ in range(2):
            answer = await rig.ask({"model": "m", "stream": True}, path=path)
            assert (answer.status, answer.body, answer.cache) == (200, b"".join(events), "MISS")


async def test_a_document_that_says_it_failed_is_not_kept() -> None:
    failed = json.dumps({"status": "failed", "error": {"message": "dead"}, "output": []}).encode()
    async with proxy(says(http(failed))) as rig:
        for _ in range(2):
            answer = await rig.ask({"model": "m", "input": "x"}, path=RESPONSES)
            assert (answer.status, answer.body, answer.cache) == (200, failed, "MISS")
