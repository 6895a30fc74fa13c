"""What requests ask of a pod that sleeps, and what they are told."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.proxy.rig import ANSWER, DONE, STREAM, http, proxy, says

JSON = {"Content-Type": "application/json"}
HOLD = {"X-Podman-LLM-Policy": "hold"}
ASLEEP = {
    "url": None,
    "pod_state": "DONE",
    "message": "The pod sleeps; a request for it starts it.",
    "wakes": "The pod sleeps; it is being started for this request.",
    "retry_after": 45,
    "served_names": ("qwen",),
}
WAKE: dict[str, Any] = {"routing": {"wake": True, "quiet_seconds": 0.02, "hold_body_seconds": 0.2}}
CHAT_BODY = {"model": "qwen", "messages": []}


async def test_a_request_for_a_sleeping_pod_asks_for_it_and_is_told_so() -> None:
    async with proxy(says(), settings=WAKE, target=ASLEEP) as rig:
        refused = await rig.ask(CHAT_BODY)
        assert (refused.status, refused.headers["Retry-After"]) == (503, "45")
        error = json.loads(refused.body)["error"]
        assert error["message"] == f"podman-llm: {ASLEEP['wakes']}"
        assert rig.demands.snapshot().asked_at == rig.clock.wall()


async def test_what_no_pod_could_answer_wakes_none() -> None:
    async with proxy(says(), settings=WAKE, target=ASLEEP) as rig:
        assert (await rig.ask(["no", "object"])).status == 503
        assert (await rig.ask(data=b"no JSON", headers=JSON)).status == 400
        assert not rig.demands.changed.is_set()


@pytest.mark.parametrize(
    ("model", "headers"),
    [
        ("gpt-5", {}),
        ("qwen", {"X-Podman-LLM-Policy": "fail"}),
        ("qwen", {"X-Podman-LLM-Policy": "fallback"}),
        ("qwen", {"Cache-Control": "only-if-cached"}),
    ],
)
async def test_who_can_do_without_a_sleeping_pod_asks_for_nothing(
    model: str, headers: dict[str, str]
) -> None:
    async with proxy(says(), settings=WAKE, target=ASLEEP) as rig:
        refused = await rig.ask({**CHAT_BODY, "model": model}, headers=headers)
        assert refused.status in {503, 504}
        assert b"is being started" not in refused.body
        await rig.ask(path="/v1/models", method="GET")
        assert not rig.demands.changed.is_set()


async def test_a_kept_answer_wakes_nobody() -> None:
    async with proxy(says(http(ANSWER)), settings=WAKE, target={"served_names": ("qwen",)}) as rig:
        assert (await rig.ask(CHAT_BODY)).cache == "MISS"
        rig.set_target(**ASLEEP)
        assert (await rig.ask(CHAT_BODY)).cache == "HIT"
        assert not rig.demands.changed.is_set()


async def test_a_stream_waits_for_the_pod_that_comes_for_it() -> None:
    async with proxy(says(STREAM), settings=WAKE, target=ASLEEP) as rig:
        asking = asyncio.create_task(rig.ask({**CHAT_BODY, "stream": True}))
        await rig.demands.changed.wait()
        assert rig.demands.snapshot().held_at == rig.clock.wall()
        rig.set_target(wakes="", is_coming=True)
        rig.set_target(url=rig.upstream.url, is_coming=False)
        answer = await asking
        assert answer.body.endswith(DONE)
        demand = rig.demands.snapshot()
        assert (demand.held_at, demand.asked_at) == (None, None)


async def test_a_stream_whose_client_leaves_wants_nothing_any_more() -> None:
    async with proxy(says(), settings=WAKE, target=ASLEEP) as rig:
        asking = asyncio.create_task(rig.ask({**CHAT_BODY, "stream": True}))
        await rig.demands.changed.wait()
        rig.demands.changed.clear()
        asking.cancel()
        await rig.demands.changed.wait()
        assert not rig.demands.is_awaited
        assert rig.demands.snapshot().asked_at is None


async def test_who_waited_as_long_as_it_may_is_told_and_may_come_again() -> None:
    async with proxy(says(), settings=WAKE, target=ASLEEP) as rig:
        refused = await rig.ask(CHAT_BODY, headers=HOLD)
        assert (refused.status, refused.headers["Retry-After"]) == (503, "45")
        assert rig.demands.snapshot().asked_at is not None


async def test_a_stream_waits_no_longer_for_a_pod_that_cannot_be_woken() -> None:
    async with proxy(says(), settings=WAKE, target=ASLEEP) as rig:
        asking = asyncio.create_task(rig.ask(CHAT_BODY, headers=HOLD))
        await rig.demands.changed.wait()
        rig.set_target(wakes="", message="The last `up` failed: no balance.")
        assert b"no balance" in (await asking).body
