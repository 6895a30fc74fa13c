from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podman_llm.core.converse_errors import Problem
from podman_llm.core.converse_response import Head
from podman_llm.core.converse_stream import ChunkWriter
from podman_llm.errors import UpstreamBroke
from podman_llm.testing.bedrock_frames import event_frame, exception_frame
from podman_llm.testing.bedrock_model import Reply
from podman_llm.upstreams.base import Headers
from podman_llm.upstreams.bedrock_answers import StreamAnswer, WholeAnswer

FRAMES = [event_frame(*event) for event in Reply(({"text": "Hello to you"},)).events()]
THROTTLED = exception_frame("ThrottlingException", {"message": "slow"})


class Pieces:
    """An answer whose bytes come in the pieces given, an exception in its place."""

    status = 200
    content_type = "application/vnd.amazon.eventstream"
    headers: Headers = ()

    def __init__(self, *pieces: bytes | Exception) -> None:
        self._pieces = list(pieces)
        self.is_closed = False

    async def read(self) -> bytes:
        piece = self._pieces.pop(0) if self._pieces else b""
        if isinstance(piece, Exception):
            raise piece
        return piece

    def close(self) -> None:
        self.is_closed = True


def streamed(*pieces: bytes | Exception) -> StreamAnswer:
    writer = ChunkWriter(Head("chatcmpl-1", 7, "m"), {}, has_usage=True)
    return StreamAnswer(Pieces(*pieces), writer, (("X-Amzn-RequestId", "r"),))


async def everything(answer: StreamAnswer) -> bytes:
    stream = b""
    while piece := await answer.read():
        stream += piece
    return stream


async def test_a_whole_answer_is_read_once() -> None:
    answer = WholeAnswer(200, b"{}", (("A", "b"),))
    assert answer.headers == (("Content-Type", "application/json"), ("A", "b"))
    assert [await answer.read(), await answer.read()] == [b"{}", b""]
    answer.close()


async def test_the_first_event_is_waited_for_and_not_lost() -> None:
    answer = streamed(*FRAMES)
    assert await answer.begin() is None
    stream = await everything(answer)
    assert stream.startswith(b'data: {"id":"chatcmpl-1"')
    assert b'"role":"assistant"' in stream
    assert stream.endswith(b"data: [DONE]\n\n")
    assert ("X-Amzn-RequestId", "r") in answer.headers


async def test_a_failure_as_the_first_event_is_a_problem() -> None:
    problem = await streamed(THROTTLED).begin()
    assert isinstance(problem, Problem)
    assert (problem.status, problem.code) == (429, "rate_limit_exceeded")


async def test_a_failure_that_comes_with_content_makes_it_void() -> None:
    answer = streamed(FRAMES[0], b"".join([*FRAMES[1:3], THROTTLED]))
    assert await answer.begin() is None
    assert b"role" in await answer.read()
    with pytest.raises(UpstreamBroke, match="slow") as caught:
        await answer.read()
    assert caught.value.status == 429


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        FRAMES[:1],
        FRAMES[:-2],
        [*FRAMES[:3], FRAMES[3][:9]],
        [*FRAMES, b"\x00"],
    ],
)
async def test_an_end_without_the_models_end_is_none(pieces: list[bytes]) -> None:
    answer = streamed(*pieces)
    with pytest.raises(UpstreamBroke):
        await everything(answer)


async def test_a_connection_that_breaks_within_breaks_the_answer() -> None:
    answer = streamed(*FRAMES[:3], UpstreamBroke("reset"))
    with pytest.raises(UpstreamBroke, match="reset"):
        await everything(answer)


async def test_an_answer_without_usage_is_whole() -> None:
    assert (await everything(streamed(*FRAMES[:-1]))).endswith(b"data: [DONE]\n\n")


async def test_an_output_that_could_not_be_read_breaks() -> None:
    answer = streamed(FRAMES[0], event_frame("messageStop", {"stopReason": "malformed_tool_use"}))
    with pytest.raises(UpstreamBroke, match="malformed_tool_use"):
        await everything(answer)


async def test_closing_closes_the_connection() -> None:
    pieces = Pieces(*FRAMES)
    StreamAnswer(pieces, ChunkWriter(Head("i", 7, "m"), {}, has_usage=False), ()).close()
    assert pieces.is_closed


STREAM = b"".join(FRAMES)


@settings(max_examples=50)
@given(st.sets(st.integers(1, len(STREAM) - 1), max_size=12), st.booleans())
async def test_fragments_change_nothing(cuts: set[int], begins: bool) -> None:
    edges = [0, *sorted(cuts), len(STREAM)]
    answer = streamed(*(STREAM[a:b] for a, b in itertools.pairwise(edges)))
    if begins:
        await answer.begin()
    assert await everything(answer) == await everything(streamed(STREAM))
