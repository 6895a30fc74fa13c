from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podman_llm.core import judge as judge_module
from podman_llm.core.completion import Complete, Endpoint, Failed, Incomplete, Verdict
from podman_llm.core.judge import StreamJudge
from podman_llm.core.sse import split_events
from tests.core import transcripts

DONE = b"data: [DONE]\n\n"
ABORTED = Incomplete("the upstream aborted (finish_reason abort)")
UNFINISHED = Incomplete("ended without a finish_reason")


def event(said: object, name: str = "") -> bytes:
    line = f"event: {name}\n" if name else ""
    return f"{line}data: {json.dumps(said, ensure_ascii=False)}\n\n".encode()


def delta(content: str | None = "x", reason: str | None = None, index: int = 0) -> bytes:
    said = {} if content is None else {"content": content}
    choice = {"index": index, "delta": said, "finish_reason": reason}
    return event({"id": "chatcmpl-1", "choices": [choice], "usage": None})


def judged(
    events: Iterable[bytes], endpoint: Endpoint = Endpoint.CHAT, choices: int = 1
) -> StreamJudge:
    judge = StreamJudge(endpoint, choices=choices)
    for one in events:
        judge.feed(one)
    return judge


def verdict(*events: bytes, endpoint: Endpoint = Endpoint.CHAT, choices: int = 1) -> Verdict:
    return judged(events, endpoint, choices).verdict()


# recorded streams -------------------------------------------------------------------------------


def recorded_streams(recordings: Path) -> list[tuple[str, Endpoint, list[bytes]]]:
    found = []
    for path in sorted((recordings / "vllm").glob("*.raw")):
        endpoint = transcripts.endpoint(path)
        if endpoint is not None and transcripts.is_stream(path):
            found.append((path.name, endpoint, split_events(transcripts.answer(path)[1])))
    return found


UNSTORABLE = {"responses_stream.response.raw": "incomplete: max_output_tokens"}


def test_every_recorded_stream_is_whole_unless_the_server_was_killed(recordings: Path) -> None:
    streams = recorded_streams(recordings)
    assert len(streams) > 15
    for name, endpoint, events in streams:
        judge = judged(events, endpoint)
        assert judge.has_content, name
        assert judge.is_done, name
        if "sigterm" in name:
            assert judge.verdict() == ABORTED
        elif "sigkill" in name:
            assert judge.verdict() == Failed(
                "the upstream reports: EngineCore encountered an issue. "
                "See stack trace (above) for the root cause."
            )
        else:
            assert judge.verdict() == Complete(UNSTORABLE.get(name, "")), name


def test_a_recorded_stream_cut_anywhere_before_its_last_reason_is_not_whole(
    recordings: Path,
) -> None:
    for name, endpoint, events in recorded_streams(recordings):
        last = max(
            (n for n, one in enumerate(events) if b'finish_reason":"' in one),
            default=len(events) - 1,
        )
        judge = StreamJudge(endpoint)
        for one in events[:last]:
            assert not isinstance(judge.verdict(), Complete), name
            judge.feed(one)


def test_the_event_that_tells_of_an_end_by_force_is_where_trouble_begins(recordings: Path) -> None:
    for name, endpoint, events in recorded_streams(recordings):
        if "sigterm" not in name and "sigkill" not in name:
            continue
        judge = StreamJudge(endpoint)
        for one in events:
            judge.feed(one)
            is_telling = b'"abort"' in one or b'"error"' in one or one == DONE
            assert (judge.trouble is not None) is is_telling


# the fast way comes to what the slow way comes to -----------------------------------------------

texts = st.text(max_size=6) | st.sampled_from(
    ['"', "\\", '\\"', '"finish_reason":"stop"', '","finish_reason":"stop","x":"', "\u2028", "é"]
)
reasons = st.sampled_from([None, None, None, "stop", "length", "abort", "content_filter", 5])
deltas = st.one_of(
    st.fixed_dictionaries({"content": texts | st.none()}),
    st.fixed_dictionaries({"role": st.just("assistant"), "content": st.just("")}),
    st.fixed_dictionaries({"reasoning": texts, "content": st.none()}),
    st.fixed_dictionaries(
        {"tool_calls": st.lists(st.fixed_dictionaries({"arguments": texts}), max_size=2)}
    ),
)
chunks = st.one_of(
    st.fixed_dictionaries(
        {
            "id": st.just("1"),
            "choices": st.lists(
                st.fixed_dictionaries(
                    {"index": st.integers(0, 1), "delta": deltas, "finish_reason": reasons}
                ),
                max_size=2,
            ),
        },
        optional={"usage": st.just({"total_tokens": 1}), "error": st.none() | texts},
    ),
    st.fixed_dictionaries({"content": texts, "error": st.just({"message": "m"})}),
    texts,
)
chat_events = st.one_of(
    chunks.map(event),
    chunks.map(lambda said: event(said).replace(b": ", b":")),
    st.just(DONE),
    st.just(b": keepalive\n\n"),
)


@st.composite
def bent(draw: st.DrawFn) -> bytes:
    """An event with a few bytes changed: often no JSON, sometimes another meaning."""
    bytes_of = bytearray(draw(chat_events))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(bytes_of) - 1))
        bytes_of[place : place + draw(st.integers(0, 2))] = draw(
            st.sampled_from([b"", b'"', b"\\", b"\x00", b"\xff", b"u00", b":", b"{", b"null"])
        )
    return bytes(bytes_of)


def states(events: list[bytes], endpoint: Endpoint) -> list[tuple[object, ...]]:
    judge = StreamJudge(endpoint)
    told: list[tuple[object, ...]] = []
    for one in events:
        judge.feed(one)
        told.append((judge.has_content, judge.is_done, judge.trouble, judge.verdict()))
    return told


def slow_states(events: list[bytes], endpoint: Endpoint) -> list[tuple[object, ...]]:
    with (
        mock.patch.object(judge_module._Template, "of", return_value=None),
        mock.patch.object(judge_module, "_DELTAS", frozenset()),
    ):
        return states(events, endpoint)


@given(st.lists(chat_events | bent(), max_size=12))
def test_unread_deltas_change_no_verdict(events: list[bytes]) -> None:
    # Each twice, so that templates are met again as they are.
    doubled = [one for one in events for _ in range(2)]
    assert states(doubled, Endpoint.CHAT) == slow_states(doubled, Endpoint.CHAT)


@given(st.lists(texts, min_size=1, max_size=8), texts, st.data())
def test_deltas_of_one_shape_change_no_verdict(
    contents: list[str], last: str, data: st.DataObject
) -> None:
    head = '{"choices":[{"index":0,"delta":{"content":'
    tails = [
        '},"finish_reason":null}]}',
        '},"finish_reason":"stop"}]}',
        '"},"finish_reason":null}]}',
    ]
    events = [
        f"data: {head}{json.dumps(content)}{data.draw(st.sampled_from(tails))}\n\n".encode()
        for content in ["x", *contents]
    ]
    events += [f'data: {head}"{last}"{tails[0]}\n\n'.encode(errors="surrogatepass")]
    assert states(events, Endpoint.CHAT) == slow_states(events, Endpoint.CHAT)


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(b'data: {"choices":[{"delta":{"content":"x\x00"}}]}\n\n', id="a bad string"),
        pytest.param(b'data: {"choices":[{"delta":{"content":"x\n\n', id="a string cut short"),
        pytest.param(b'data: {"choices":[{"delta":{"content":null}}]}\n\n', id="no string"),
        pytest.param(
            b'data: {"a\\"content":"q","choices":[{"delta":{"content":"x"}}]}\n\n',
            id="a field within a string",
        ),
    ],
)
def test_what_only_looks_like_a_delta_is_read(odd: bytes) -> None:
    plain = b'data: {"choices":[{"delta":{"content":"x"}}]}\n\n'
    events = [plain, plain, odd, odd, plain]
    assert states(events, Endpoint.CHAT) == slow_states(events, Endpoint.CHAT)


def test_recorded_streams_are_judged_alike_fast_and_slow(recordings: Path) -> None:
    for name, endpoint, events in recorded_streams(recordings):
        assert states(events, endpoint) == slow_states(events, endpoint), name


def test_most_deltas_of_a_stream_are_not_read(recordings: Path) -> None:
    _, body = transcripts.answer(recordings / "vllm" / "stream_no_max_tokens.response.raw")
    events = split_events(body)
    with mock.patch("podman_llm.core.judge.json.loads", wraps=json.loads) as reads:
        judged(events)
    assert len(events) > 400
    assert reads.call_count < 10


# chat and completions ---------------------------------------------------------------------------


def test_a_stream_with_a_reason_and_its_end_is_whole() -> None:
    assert verdict(delta(""), delta("hi"), delta(None, "stop"), DONE) == Complete()


def test_without_its_end_it_is_whole_but_not_kept() -> None:
    assert verdict(delta("hi"), delta(None, "stop")) == Complete("ended without [DONE]")


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], Incomplete("0 of 1 choices")),
        ([DONE], Incomplete("0 of 1 choices")),
        ([delta("hi")], UNFINISHED),
        ([delta("hi"), DONE], UNFINISHED),
        ([delta("hi"), delta(None, "abort"), DONE], ABORTED),
        ([delta("hi"), delta(None, "error"), DONE], Failed("finish_reason error")),
        (
            [delta("hi"), delta("", "content_filter"), DONE],
            Complete("finish_reason content_filter"),
        ),
        ([delta(""), delta("", "stop"), DONE], Complete("no content")),
        (
            [delta("hi"), event({"error": {"message": "m"}}), DONE],
            Failed("the upstream reports: m"),
        ),
        ([delta("hi", "stop"), b"data: {\n\n", DONE], Complete("an event is not a JSON object")),
        ([delta("hi", "stop"), event([1]), DONE], Complete("an event is not a JSON object")),
    ],
)
def test_what_else_may_become_of_a_stream(events: list[bytes], expected: Verdict) -> None:
    assert verdict(*events) == expected


def test_every_choice_must_have_finished() -> None:
    both = [delta("a", index=0), delta("b", index=1), delta(None, "stop", 0)]
    assert verdict(*both, DONE, choices=2) == UNFINISHED
    assert verdict(*both, delta(None, "length", 1), DONE, choices=2) == Complete()
    assert verdict(delta("a", "stop"), DONE, choices=2) == Incomplete("1 of 2 choices")


def test_completions_have_text_for_content() -> None:
    said = event({"choices": [{"index": 0, "text": "x", "finish_reason": None}]})
    judge = judged([said], Endpoint.COMPLETIONS)
    assert judge.has_content
    end = event({"choices": [{"index": 0, "text": "", "finish_reason": "stop"}]})
    assert verdict(said, end, DONE, endpoint=Endpoint.COMPLETIONS) == Complete()


def test_roles_comments_and_empty_texts_are_no_content() -> None:
    judge = judged(
        [b": keepalive\n\n", event({"choices": [{"delta": {"role": "assistant"}}]}), delta("")]
    )
    assert not judge.has_content
    judge.feed(delta("a"))
    assert judge.has_content


@pytest.mark.parametrize("strange", [None, 5, "x", [5], [{"index": []}], [{"delta": 5}], {}])
def test_strange_choices_are_not_whole(strange: object) -> None:
    assert not isinstance(verdict(event({"choices": strange}), DONE), Complete)


# responses --------------------------------------------------------------------------------------


def response(kind: str, **fields: Any) -> bytes:
    return event({"type": kind} | fields, kind)


def completed(**fields: Any) -> bytes:
    return response("response.completed", response={"status": "completed", "output": [{}]} | fields)


def respond(*events: bytes) -> StreamJudge:
    return judged(events, Endpoint.RESPONSES)


def test_responses_are_whole_once_completed() -> None:
    running = [response("response.created"), response("response.output_text.delta", delta="a")]
    cut = Incomplete("the stream was cut")
    assert states([*running, completed()], Endpoint.RESPONSES) == [
        (False, False, None, cut),
        (True, False, None, cut),
        (True, True, None, Complete()),
    ]


def test_the_type_in_the_data_stands_in_for_a_missing_name() -> None:
    judge = respond(event({"type": "response.completed", "response": {"status": "completed"}}))
    assert judge.verdict() == Complete("no content")


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (response("response.failed", response={"status": "failed", "error": {"message": "m"}}),
         Failed("the upstream reports: m")),
        (response("response.incomplete", response={"status": "incomplete"}),
         Incomplete("status incomplete")),
        (response("error", message="m"), Failed("the upstream reports: m")),
        (event({"error": {"message": "m"}}), Failed("the upstream reports: m")),
        (response("response.completed"), Incomplete("status None")),
    ],
)  # fmt: skip
def test_responses_that_fail_are_in_trouble(last: bytes, expected: Verdict) -> None:
    judge = respond(response("response.output_text.delta", delta="a"), last, DONE)
    assert judge.trouble == judge.verdict() == expected


# messages ---------------------------------------------------------------------------------------

MESSAGE = [
    event({"type": "message_start", "message": {}}, "message_start"),
    event(
        {"type": "content_block_start", "content_block": {"type": "text"}}, "content_block_start"
    ),
    event({"type": "ping"}, "ping"),
    event(
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "hi"}},
        "content_block_delta",
    ),
    event({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, "message_delta"),
    event({"type": "message_stop"}, "message_stop"),
]


def test_a_message_is_whole_once_stopped() -> None:
    assert not judged(MESSAGE[:3], Endpoint.MESSAGES).has_content
    assert judged(MESSAGE[:4], Endpoint.MESSAGES).has_content
    assert verdict(*MESSAGE[:5], endpoint=Endpoint.MESSAGES) == Incomplete("the stream was cut")
    assert verdict(*MESSAGE, DONE, endpoint=Endpoint.MESSAGES) == Complete()


def test_a_message_stopped_without_a_reason_is_not_whole() -> None:
    events = [*MESSAGE[:4], MESSAGE[5]]
    assert verdict(*events, endpoint=Endpoint.MESSAGES) == Incomplete("ended without a stop_reason")


def test_a_tool_called_without_arguments_is_content() -> None:
    called = event({"content_block": {"type": "tool_use", "name": "f"}}, "content_block_start")
    events = [MESSAGE[0], called, *MESSAGE[4:]]
    assert verdict(*events, endpoint=Endpoint.MESSAGES) == Complete()


def test_a_message_that_errs_is_in_trouble() -> None:
    erred = event({"type": "error", "error": {"message": "m"}}, "error")
    judge = judged([*MESSAGE[:4], erred], Endpoint.MESSAGES)
    assert judge.trouble == judge.verdict() == Failed("the upstream reports: m")


def test_embeddings_do_not_stream() -> None:
    assert verdict(DONE, endpoint=Endpoint.EMBEDDINGS) == Incomplete("the stream was cut")
