from __future__ import annotations

import json
from typing import Any

import pytest

from podman_llm.config.models import Settings
from podman_llm.core.cachekey import CacheKey
from podman_llm.core.completion import Endpoint
from podman_llm.proxy.envelope import Refusal
from podman_llm.proxy.questions import BLIND, Question, Questions

CHAT = Endpoint.CHAT
BODY = b'{"messages":[],"stream":true,"n":2,"stream_options":{"include_usage":true}}'


def questions(**settings: Any) -> Questions:
    return Questions(Settings.model_validate(settings))


async def test_what_matters_is_read_out_of_the_body() -> None:
    question = await questions().read(BODY, CHAT, "")
    assert (question.wants_stream, question.wants_usage, question.choices) == (True, True, 2)
    assert question.key


async def test_the_same_bytes_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = questions()
    first = await reader.read(BODY, CHAT, "")
    monkeypatch.setattr("podman_llm.proxy.questions._parse", None)
    assert await reader.read(BODY, CHAT, "") is first


async def test_the_same_bytes_elsewhere_are_another_question() -> None:
    reader = questions()
    asked = [(CHAT, ""), (CHAT, "a=b"), (Endpoint.COMPLETIONS, "")]
    keys = [(await reader.read(BODY, *each)).key for each in asked]
    assert len(set(keys)) == len(asked)


async def test_only_the_last_thousand_are_remembered() -> None:
    reader = questions()
    for number in range(1100):
        await reader.read(b'{"n":%d}' % number, CHAT, "")
    assert len(reader._known) == 1024


@pytest.mark.parametrize("settings", [{"cache": {"policy": "off"}}, {"max_cache_size": 0}])
async def test_what_is_never_kept_has_no_key(settings: dict[str, Any]) -> None:
    question = await questions(**settings).read(b'{"messages":[]}', CHAT, "")
    assert question == Question(key=None)


async def test_a_large_body_is_read_the_same_way_and_not_remembered() -> None:
    reader = questions()
    body = json.dumps({"messages": ["x" * 600_000], "stream": True}).encode()
    question = await reader.read(body, CHAT, "")
    assert question.wants_stream
    assert question.key
    assert not reader._known


@pytest.mark.parametrize("body", [b"[]", b"1", b"null"])
async def test_json_that_is_no_object_is_not_understood(body: bytes) -> None:
    assert await questions().read(body, CHAT, "") is BLIND


async def test_what_is_no_json_is_refused_each_time() -> None:
    reader = questions()
    for _ in range(2):
        with pytest.raises(Refusal, match="not valid JSON"):
            await reader.read(b"{", CHAT, "")


async def embeddings_key(body: bytes) -> CacheKey:
    question = await questions().read(body, Endpoint.EMBEDDINGS, "")
    assert question.key
    assert len(question.sizes) == len(question.key.items)
    return question.key


async def test_the_texts_of_embeddings_are_questions_of_their_own() -> None:
    both = await embeddings_key(b'{"model":"m","input":["one","three"]}')
    single = await embeddings_key(b'{"model":"m","input":"three","encoding_format":null}')
    listed = await embeddings_key(b'{"input":["three"],"model":"m","encoding_format":"float"}')
    assert both.items[1:] == single.items == listed.items
    assert single.digest == listed.digest != both.digest


@pytest.mark.parametrize(
    "other",
    [
        b'{"model":"m","input":"x","encoding_format":"base64"}',
        b'{"model":"m","input":"x","dimensions":8}',
        b'{"model":"n","input":"x"}',
        b'{"model":"m","input":[120]}',
        b'{"model":"m","input":[[120]]}',
        b'{"model":"m","input":"X"}',
    ],
)
async def test_what_changes_a_vector_changes_the_key_of_its_text(other: bytes) -> None:
    plain = await embeddings_key(b'{"model":"m","input":"x"}')
    assert (await embeddings_key(other)).items != plain.items


@pytest.mark.parametrize("given", [b"7", b"[]", b'["x",7]', b'[{"text":"x"}]', b"[[]]"])
async def test_embeddings_of_what_is_no_text_are_one_question(given: bytes) -> None:
    body = b'{"model":"m","input":%s}' % given
    question = await questions().read(body, Endpoint.EMBEDDINGS, "")
    assert question.key
    assert (question.key.items, question.sizes) == ((), ())
