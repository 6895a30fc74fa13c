"""What every client is answered, and that it costs one call however often it is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.clients.stage import Stage


@dataclass(frozen=True)
class Case:
    """Something to do, and what must be seen of it; it takes ``calls`` calls."""

    do: str
    holds: Callable[[dict[str, Any]], bool]
    calls: int = 1
    order: dict[str, Any] = field(default_factory=dict)
    bedrock: dict[str, Any] = field(default_factory=dict)
    """Settings of Bedrock that it takes."""


def is_told(saw: dict[str, Any]) -> bool:
    return len(saw["text"].split()) > 5 and saw.get("finish", "stop") == "stop"


def is_told_with_the_weather(saw: dict[str, Any]) -> bool:
    asked = (saw["finish"], saw["name"], saw["arguments"])
    return asked == ("tool_calls", "get_weather", {"city": "Paris"}) and bool(saw["text"])


def are_the_same_vectors(saw: dict[str, Any]) -> bool:
    """In base64, which all of them ask for by default, and as numbers."""
    assert saw["floats"]
    pairs = zip(saw["vectors"], saw["floats"], strict=True)
    return all(one and one == pytest.approx(other) for one, other in pairs)


WEATHER = {"question": "What is the weather in Paris?"}
COMPLETES = {"endpoints": ["completions"]}
CASES = {
    "chat": Case("chat", is_told),
    "stream": Case("stream", lambda saw: is_told(saw) and saw["tokens"] is None),
    "stream with usage": Case(
        "stream", lambda saw: is_told(saw) and saw["tokens"] > 10, order={"usage": True}
    ),
    "tools": Case("tools", is_told_with_the_weather, 2, WEATHER),
    "tools, streamed": Case("tools_streamed", is_told_with_the_weather, 2, WEATHER),
    "schema": Case(
        "schema",
        lambda saw: saw["city"] == {"name": "Paris", "population": 1},
        order={"question": "Tell me of Paris"},
    ),
    "embeddings": Case(
        "embeddings",
        are_the_same_vectors,
        2,
        {"texts": ["one", "two"]},
        {"endpoints": ["embeddings"], "models": {"*": "amazon.titan-embed-text-v2:0"}},
    ),
    "completion": Case("completion", is_told, bedrock=COMPLETES),
    "completion, streamed": Case("completion_streamed", is_told, bedrock=COMPLETES),
}


@pytest.mark.parametrize("name", CASES)
async def test_it_is_answered_and_the_second_time_from_the_cache(name: str, stage: Stage) -> None:
    case = CASES[name]
    async with stage.play(bedrock=case.bedrock) as play:
        first = await play.ask(case.do, **case.order)
        again = await play.ask(case.do, **case.order)
        assert "error" not in first.saw
        assert case.holds(first.saw), first.saw
        assert again.saw == first.saw
        assert play.cached == ["MISS"] * case.calls + ["HIT"] * case.calls
