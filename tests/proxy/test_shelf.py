from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.proxy.rig import (
    ANSWER,
    CHAT,
    DONE,
    EVENTS,
    STREAM_END,
    STREAM_HEAD,
    USAGE,
    Turn,
    chunk,
    http,
    proxy,
    says,
)

STREAM_ASK: dict[str, Any] = {"messages": [], "stream": True}
WITH_USAGE = STREAM_ASK | {"stream_options": {"include_usage": True}}
PLAIN = b"".join(EVENTS)
FULL = b"".join([*EVENTS[:-1], USAGE, DONE])


async def as_asked(turn: Turn) -> None:
    """Answer with a usage chunk only to who asks, as vLLM does."""
    usage = [USAGE] if b"include_usage" in turn.request.body else []
    await turn.send(STREAM_HEAD, *map(chunk, [*EVENTS[:-1], *usage, DONE]), STREAM_END)


async def test_the_usage_chunk_is_for_who_asked_for_it() -> None:
    async with proxy(as_asked) as rig:
        assert (await rig.ask(WITH_USAGE)).body == FULL
        plain = await rig.ask(STREAM_ASK)
        assert (plain.cache, plain.body) == ("HIT", PLAIN)
        again = await rig.ask(WITH_USAGE)
        assert (again.cache, again.body) == ("HIT", FULL)


async def test_an_entry_without_the_wanted_usage_is_replaced_by_one_with_it() -> None:
    async with proxy(as_asked) as rig:
        assert (await rig.ask(STREAM_ASK)).body == PLAIN
        asked = [await rig.ask(WITH_USAGE), await rig.ask(WITH_USAGE), await rig.ask(STREAM_ASK)]
        assert [one.cache for one in asked] == ["MISS", "HIT", "HIT"]
        assert [one.body for one in asked] == [FULL, FULL, PLAIN]


def kilo(time: str) -> dict[str, Any]:
    text = f"<environment_details>\nMessage time: {time}\n</environment_details>"
    return {"messages": [{"role": "user", "content": [{"type": "text", "text": text}]}]}


KILO = {"cache": {"volatile_patterns": ["kilo"]}}


async def test_another_session_gets_the_answer_of_another_time() -> None:
    async with proxy(says(http(ANSWER)), settings=KILO) as rig:
        await rig.ask(kilo("10:00"), headers={"x-session-id": "a"})
        assert (await rig.ask(kilo("11:00"), headers={"x-session-id": "b"})).cache == "HIT"
        assert (await rig.ask(kilo("12:00"))).cache == "HIT"


async def test_the_same_session_at_another_time_asks_again() -> None:
    async with proxy(says(http(ANSWER)), settings=KILO) as rig:
        session = {"x-session-id": "a"}
        asked = [await rig.ask(kilo(time), headers=session) for time in ("10:00", "10:00", "10:05")]
        assert [one.cache for one in asked] == ["MISS", "HIT", "MISS"]
        assert (await rig.ask(kilo("10:05"), headers=session)).cache == "HIT"


async def test_a_session_that_got_another_ones_answer_may_ask_again_too() -> None:
    async with proxy(says(http(ANSWER)), settings=KILO) as rig:
        await rig.ask(kilo("10:00"), headers={"x-session-id": "a"})
        session = {"x-session-id": "b"}
        asked = [await rig.ask(kilo(time), headers=session) for time in ("11:00", "11:00", "11:05")]
        assert [one.cache for one in asked] == ["HIT", "HIT", "MISS"]


async def test_a_session_without_a_sane_id_is_no_session() -> None:
    async with proxy(says(http(ANSWER)), settings=KILO) as rig:
        for session in ({"x-session-id": "é"}, {"x-session-id": "s" * 257}):
            await rig.ask(kilo("10:00"), headers=session)
            assert (await rig.ask(kilo("10:05"), headers=session)).cache == "HIT"


async def test_an_answer_is_good_for_its_time_to_live() -> None:
    async with proxy(says(http(ANSWER)), settings={"cache": {"ttl_seconds": 60}}) as rig:
        await rig.ask({"messages": []})
        rig.clock.advance(59)
        assert (await rig.ask({"messages": []})).cache == "HIT"
        rig.clock.advance(1)
        assert (await rig.ask({"messages": []})).cache == "MISS"
        assert (await rig.ask({"messages": []})).headers["Age"] == "0"


@pytest.mark.parametrize(
    ("settings", "body", "word"),
    [
        ({"cache": {"policy": "all"}}, {}, "HIT"),
        ({"cache": {"policy": "deterministic"}}, {}, "BYPASS"),
        ({"cache": {"policy": "deterministic"}}, {"temperature": 0}, "HIT"),
        ({"cache": {"policy": "off"}}, {"temperature": 0}, "BYPASS"),
        ({"max_cache_size": 0}, {}, "BYPASS"),
    ],
)
async def test_the_policy_says_what_is_kept(
    settings: dict[str, Any], body: dict[str, Any], word: str
) -> None:
    async with proxy(says(http(ANSWER)), settings=settings) as rig:
        await rig.ask({"messages": []} | body)
        assert (await rig.ask({"messages": []} | body)).cache == word


async def test_endpoints_and_queries_are_kept_apart() -> None:
    async with proxy(says(http(ANSWER))) as rig:
        body = {"messages": [], "prompt": "x"}
        for path in (CHAT, "/v1/completions", f"{CHAT}?beta=true"):
            assert (await rig.ask(body, path=path)).cache == "MISS"
        assert (await rig.ask(body, path="/chat/completions?beta=true")).cache == "HIT"


async def test_fields_in_another_order_are_the_same_question() -> None:
    async with proxy(says(http(ANSWER))) as rig:
        kind = {"Content-Type": "application/json"}
        await rig.ask(data=b'{"a":1,"messages":[],"user":"x"}', headers=kind)
        again = await rig.ask(data=b'{"messages": [], "a": 1}', headers=kind)
        assert (again.cache, json.loads(again.body)) == ("HIT", json.loads(ANSWER))


DOWN: dict[str, Any] = {
    "url": None,
    "pod_state": "STOPPED",
    "message": "There is no pod.",
    "retry_after": 30,
}
HOUR = {"cache": {"ttl_seconds": 3600}}
SPARE = {"cache": {"ttl_seconds": 3600, "stale_if_error": True}}


def documented() -> list[Any]:
    """The table of directives in the documentation, one case for each column."""
    text = (Path(__file__).parents[2] / "docs" / "cache.md").read_text(encoding="utf-8")
    table = text.partition("Kept 60 s ago")[2].splitlines()[2:]
    cases = []
    for line in itertools.takewhile(str.strip, table):
        control, young, old, old_in_need = (cell.strip("` ") for cell in line.split("|")[1:-1])
        cases += [(HOUR, 60, control, young, None), (HOUR, 7200, control, old, old_in_need)]
    return cases


@pytest.mark.parametrize(
    ("settings", "age", "control", "up", "down"),
    [
        *documented(),
        (HOUR, 60, "max-age=30, stale-if-error=60", "MISS", "STALE"),
        (HOUR, 60, "max-age=30, stale-if-error=20", "MISS", "error"),
        (HOUR, 60, "no-cache, stale-if-error=59", "BYPASS", "error"),
        (HOUR, 60, "", "HIT", "HIT"),
        (SPARE, 7200, "", "MISS", "STALE"),
        (SPARE, 7200, "max-age=60", "MISS", "error"),
        (SPARE, 7200, "no-cache", "BYPASS", "error"),
        (SPARE, 7200, "only-if-cached", "error", "error"),
    ],
)
@pytest.mark.parametrize("body", [{"messages": []}, STREAM_ASK], ids=["whole", "stream"])
async def test_directives_decide_what_an_answer_of_that_age_is_good_for(
    settings: dict[str, Any],
    age: int,
    control: str,
    up: str,
    down: str | None,
    body: dict[str, Any],
) -> None:
    async def answers(turn: Turn) -> None:
        if b"stream" in turn.request.body:
            await turn.send(STREAM_HEAD, *map(chunk, EVENTS), STREAM_END)
        else:
            await turn.send(http(ANSWER))

    async with proxy(answers, settings=settings) as rig:
        first = await rig.ask(body)
        rig.clock.advance(age)
        target = rig.targets.target
        for outcome, there in ((down, replace(target, **DOWN)), (up, target)):
            rig.targets.target = there
            if outcome is None:
                continue
            got = await rig.ask(body, headers={"Cache-Control": control})
            if outcome == "error":
                assert got.status in {503, 504}
            else:
                assert (got.status, got.cache, got.body) == (200, outcome, first.body)
                kept = outcome in {"HIT", "STALE"}
                assert got.headers.get("Age") == (str(age) if kept else None)


@pytest.mark.parametrize(
    ("trouble", "word"),
    [
        (http(b"{}", status="500 Oops"), "STALE"),
        (http(b"{}", status="503 Busy"), "STALE"),
        (http(b'{"choices":[]}'), "STALE"),
        (b"", "STALE"),
        (http(b"{}", status="400 Bad"), "MISS"),
    ],
)
async def test_an_old_answer_stands_in_for_a_failure_and_for_no_refusal(
    trouble: bytes, word: str
) -> None:
    async def fails_later(turn: Turn) -> None:
        if len(rig.upstream.turns) == 1:
            await turn.send(http(ANSWER))
        else:
            await turn.send(trouble)
            turn.close()

    async with proxy(fails_later, settings=SPARE) as rig:
        await rig.ask({"messages": []})
        rig.clock.advance(7200)
        assert (await rig.ask({"messages": []})).cache == word
        assert rig.activity.stale == (word == "STALE")
