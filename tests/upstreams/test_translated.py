from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from podman_llm.core.completion import Endpoint
from podman_llm.core.dialects import translate
from podman_llm.errors import UpstreamBroke
from podman_llm.upstreams.base import Answer, Call, Headers
from podman_llm.upstreams.translated import TranslatedUpstream
from tests.upstreams.bedrock_rig import Read, read

CALL = Call("POST", "http://other/v1/chat/completions", (), b"{}")
JSON: Headers = (("Content-Type", "application/json"), ("Content-Length", "7"), ("X-Trace", "t"))
EVENTS: Headers = (("Content-Type", "text/event-stream"),)
ASK: dict[str, Any] = {
    "model": "m",
    "max_tokens": 9,
    "messages": [{"role": "user", "content": "hi"}],
}
HELLO = {"choices": [{"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}]}


def chunk(text: str, reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": reason}
    return b"data: %s\n\n" % json.dumps({"id": "chatcmpl-7", "choices": [choice]}).encode()


DONE = b"data: [DONE]\n\n"


class Scripted:
    """An upstream, and its one answer."""

    def __init__(self, pieces: Iterable[bytes], headers: Headers, status: int = 200) -> None:
        self._pieces = list(pieces)
        self.headers = headers
        self.status = status
        self.content_type = dict(headers)["Content-Type"]
        self.is_closed = False

    async def send(self, call: Call) -> Answer:
        assert call is CALL
        return self

    async def read(self) -> bytes:
        return self._pieces.pop(0) if self._pieces else b""

    def close(self) -> None:
        self.is_closed = True


async def ask(upstream: Any, *, stream: bool = False) -> Read:
    translation = translate(Endpoint.MESSAGES, ASK | {"stream": stream})
    return await read(await TranslatedUpstream(upstream, translation).send(CALL))


async def test_a_document_is_translated_once_it_is_all_there() -> None:
    said = json.dumps(HELLO).encode()
    upstream = Scripted([said[:9], said[9:]], JSON)
    answer = await ask(upstream)
    assert answer.document["content"] == [{"type": "text", "text": "Hello"}]
    assert answer.headers == {"content-type": "application/json", "x-trace": "t"}
    assert upstream.is_closed


async def test_a_refusal_is_told_in_the_dialects_shape() -> None:
    upstream = Scripted([b'{"error": {"message": "too long"}}'], JSON, 400)
    answer = await ask(upstream)
    assert (answer.status, answer.document["type"]) == (400, "error")
    assert answer.error["message"] == "too long"


@pytest.mark.parametrize("body", [b"<html>", b'{"choices": []}', b""])
async def test_a_document_that_is_no_answer_breaks(body: bytes) -> None:
    with pytest.raises(UpstreamBroke):
        await ask(Scripted([body], JSON))


async def test_a_document_in_a_streams_place_is_left_for_its_reader_to_refuse() -> None:
    said = json.dumps(HELLO).encode()
    answer = await ask(Scripted([said], JSON), stream=True)
    assert answer.body == said


async def test_a_document_without_end_breaks() -> None:
    with pytest.raises(UpstreamBroke, match="larger than"):
        await ask(Scripted([b" " * 1024 * 1024] * 33, JSON))


async def test_a_stream_is_told_as_it_comes_in_whatever_pieces() -> None:
    said = chunk("Hel") + chunk("lo") + chunk("", "stop") + DONE
    whole = await ask(Scripted([said], EVENTS), stream=True)
    pieces = [said[at : at + 7] for at in range(0, len(said), 7)]
    assert (await ask(Scripted(pieces, EVENTS), stream=True)).body == whole.body
    assert whole.body.startswith(b"event: message_start\n")
    assert whole.body.endswith(b'data: {"type":"message_stop"}\n\n')


async def test_the_last_event_may_lack_its_blank_line() -> None:
    said = chunk("Hi") + chunk("", "stop").rstrip()
    answer = await ask(Scripted([said], EVENTS), stream=True)
    assert answer.body.endswith(b'data: {"type":"message_stop"}\n\n')


@pytest.mark.parametrize(
    "said",
    [
        chunk("Hel"),
        chunk("Hel") + chunk("", "stop")[:-9],
        chunk("Hel") + chunk("", "abort") + DONE,
        chunk("Hel") + b'data: {"error": {"message": "dead"}}\n\n' + DONE,
        b"data: " + b" " * (16 * 1024 * 1024),
        b"",
    ],
)
async def test_a_stream_without_its_end_breaks(said: bytes) -> None:
    with pytest.raises(UpstreamBroke):
        await ask(Scripted([said], EVENTS), stream=True)
