from __future__ import annotations

import pytest

from podman_llm.core.completion import Endpoint
from podman_llm.core.routing import NO_DIRECTIVES, locate
from podman_llm.errors import UpstreamBroke
from podman_llm.proxy.opening import Opened, open_answer
from podman_llm.proxy.questions import Ask, Question
from podman_llm.proxy.streaming import Keeper
from tests.proxy.rig import ANSWER, DONE, EVENTS, delta


class Scripted:
    """An answer from a list; an exception in it is raised."""

    def __init__(self, *pieces: bytes | Exception, kind: str = "text/event-stream") -> None:
        self.status, self.content_type = 200, kind
        self.headers = (("Content-Type", kind), ("Set-Cookie", "a=b"), ("Content-Length", "9"))
        self._pieces = list(pieces)

    async def read(self) -> bytes:
        piece = self._pieces.pop(0) if self._pieces else b""
        if isinstance(piece, Exception):
            raise piece
        return piece

    def close(self) -> None:
        pass


async def opened(
    answer: Scripted, path: str = f"/v1/{Endpoint.CHAT}"
) -> tuple[Opened, list[bytes]]:
    kept: list[bytes] = []
    stream = answer.content_type == "text/event-stream"
    ask = Ask(locate(path), "", b"", Question(wants_stream=stream), NO_DIRECTIVES, "")
    return await open_answer(answer, ask, Keeper(100_000, kept.append)), kept


async def rest(answer: Opened) -> list[bytes]:
    pieces = []
    while piece := await answer.read():
        pieces.append(piece)
    return pieces


async def test_a_stream_is_followed_to_its_first_content_and_no_further() -> None:
    answer, kept = await opened(Scripted(*EVENTS))
    assert answer.begun == EVENTS[0] + EVENTS[1]
    assert not answer.is_whole
    assert not kept
    assert await rest(answer) == EVENTS[2:]
    assert kept == [b"".join(EVENTS)]


async def test_a_stream_without_content_is_followed_to_its_end() -> None:
    events = [delta(""), delta("", finish='"stop"'), DONE]
    answer, kept = await opened(Scripted(*events))
    assert answer.begun == b"".join(events)
    assert await rest(answer) == []
    assert not kept


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(delta("", finish='"abort"'), id="abort"),
        pytest.param(b'data: {"error": {"message": "EngineCore died"}}\n\n', id="error"),
        pytest.param(b"", id="clean early end"),
        pytest.param(UpstreamBroke("reset"), id="reset"),
    ],
)
async def test_what_fails_before_its_first_content_is_no_answer(end: bytes | Exception) -> None:
    with pytest.raises(UpstreamBroke):
        await opened(Scripted(EVENTS[0], end))


async def test_a_body_is_read_and_judged_as_a_whole() -> None:
    answer, kept = await opened(Scripted(ANSWER[:9], ANSWER[9:], kind="application/json"))
    assert (answer.begun, answer.is_whole) == (ANSWER, True)
    assert kept == [ANSWER]
    with pytest.raises(UpstreamBroke):
        await opened(Scripted(b'{"choices": []}', kind="application/json"))


async def test_what_is_not_understood_is_not_waited_for() -> None:
    answer, _ = await opened(Scripted(b"a", b"b", kind="audio/wav"), "/v1/audio/speech")
    assert answer.begun == b""
    assert await rest(answer) == [b"a", b"b"]


async def test_only_headers_that_hold_for_what_is_sent_on_remain() -> None:
    answer, _ = await opened(Scripted(*EVENTS))
    assert answer.headers == (("Content-Type", "text/event-stream"),)
