from __future__ import annotations

import json
from typing import Any

import pytest

from podman_llm.config.models import Settings
from podman_llm.core.completion import Endpoint
from podman_llm.proxy.envelope import Refusal
from podman_llm.proxy.questions import BLIND, Question, Questions

CHAT = Endpoint.CHAT
BODY = b'{"messages":[],"stream":true,"n":2,"stream_options":{"include_usage":true}}'


def questions(**settings: Any) -> Questions:
    return Questions(Settings.model_validate(settings))


async def test_what_matters_is_read_out_of_the_body() -> None:
    question = await questions().read(BODY, CHAT, "", "m@1")
    assert (question.wants_stream, question.wants_usage, question.choices) == (True, True, 2)
    assert question.key


async def test_the_same_bytes_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = questions()
    first = await reader.read(BODY, CHAT, "", "m@1")
    monkeypatch.setattr("podman_llm.proxy.questions._parse", None)
    assert await reader.read(BODY, CHAT, "", "m@1") is first


async def test_the_same_bytes_elsewhere_are_another_question() -> None:
    reader = questions()
    asked = [(CHAT, "", "m@1"), (CHAT, "", "m@2"), (CHAT, "a=b", "m@1")]
    asked.append((Endpoint.COMPLETIONS, "", "m@1"))
    keys = [(await reader.read(BODY, *each)).key for each in asked]
    assert len(set(keys)) == len(asked)


async def test_only_the_last_thousand_are_remembered() -> None:
    reader = questions()
    for number in range(1100):
        await reader.read(b'{"n":%d}' % number, CHAT, "", "m@1")
    assert len(reader._known) == 1024


@pytest.mark.parametrize(
    ("settings", "model_tag"),
    [({}, ""), ({"cache": {"policy": "off"}}, "m"), ({"max_cache_size": 0}, "m")],
)
async def test_what_is_never_kept_has_no_key(settings: dict[str, Any], model_tag: str) -> None:
    question = await questions(**settings).read(b'{"messages":[]}', CHAT, "", model_tag)
    assert question == Question(key=None)


async def test_a_large_body_is_read_the_same_way_and_not_remembered() -> None:
    reader = questions()
    body = json.dumps({"messages": ["x" * 600_000], "stream": True}).encode()
    question = await reader.read(body, CHAT, "", "m@1")
    assert question.wants_stream
    assert question.key
    assert not reader._known


@pytest.mark.parametrize("body", [b"[]", b"1", b"null"])
async def test_json_that_is_no_object_is_not_understood(body: bytes) -> None:
    assert await questions().read(body, CHAT, "", "m@1") is BLIND


async def test_what_is_no_json_is_refused_each_time() -> None:
    reader = questions()
    for _ in range(2):
        with pytest.raises(Refusal, match="not valid JSON"):
            await reader.read(b"{", CHAT, "", "m@1")
