from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podman_llm.core.completion import Complete, Endpoint, judge_body
from podman_llm.core.dialects import DIALECTS, Translation, in_chat, translate
from podman_llm.core.judge import StreamJudge
from podman_llm.core.sse import split_events
from podman_llm.core.translation import Malformed, Untranslatable
from tests.core.bent import CHUNKS, COMPLETION, REQUESTS, bent
from tests.core.transcripts import answer

FOLDER = Path(__file__).parent.parent / "recordings"
ASKS: dict[Endpoint, dict[str, Any]] = {
    Endpoint.RESPONSES: {"model": "m", "input": "hi", "stream": True},
    Endpoint.MESSAGES: {
        "model": "m",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
    },
}
DONE = b"data: [DONE]\n\n"
LAST = {
    Endpoint.RESPONSES: b"event: response.completed\n",
    Endpoint.MESSAGES: b"event: message_stop\n",
}
both = pytest.mark.parametrize("endpoint", sorted(DIALECTS))


def event(delta: Any = None, reason: str | None = None, **more: Any) -> bytes:
    choices = [{"index": 0, "delta": delta or {}, "finish_reason": reason}]
    head = {"id": "chatcmpl-7", "created": 5, "model": "gpt", "choices": choices}
    return f"data: {json.dumps(head | more)}\n\n".encode()


CALL = {"index": 0, "id": "c1", "type": "function", "function": {"name": "ls", "arguments": "{}"}}
WHOLE = [
    event({"role": "assistant", "content": ""}),
    event({"reasoning": "hm"}),
    event({"content": "Hel"}),
    event({"content": "lo"}),
    event({"tool_calls": [CALL]}),
    event(reason="tool_calls"),
    event(choices=[], usage={"prompt_tokens": 3, "completion_tokens": 2}),
    DONE,
]


def translation(endpoint: Endpoint) -> Translation:
    return translate(endpoint, ASKS[endpoint])


def told(endpoint: Endpoint, events: list[bytes]) -> bytes:
    """What a stream of these events is told as, up to its clean end."""
    stream = translation(endpoint).stream()
    return b"".join(map(stream.feed, events)) + stream.finish()


def judged(endpoint: Endpoint, stream: bytes) -> StreamJudge:
    judge = StreamJudge(endpoint)
    for one in split_events(stream):
        judge.feed(one)
    return judge


def body(message: dict[str, Any], reason: str = "stop") -> bytes:
    choice = {"index": 0, "message": message, "finish_reason": reason}
    return json.dumps({"id": "chatcmpl-7", "choices": [choice]}).encode()


@both
def test_a_whole_stream_becomes_a_whole_one_that_may_be_kept(endpoint: Endpoint) -> None:
    stream = told(endpoint, WHOLE)
    assert judged(endpoint, stream).verdict() == Complete()
    assert stream.count(LAST[endpoint]) == 1
    assert b"[DONE]" not in stream


@both
@pytest.mark.parametrize("count", range(6))
def test_a_cut_stream_never_gets_an_end(endpoint: Endpoint, count: int) -> None:
    stream = translation(endpoint).stream()
    begun = b"".join(map(stream.feed, WHOLE[:count]))
    with pytest.raises(Malformed):
        stream.finish()
    verdict = judged(endpoint, begun).verdict()
    assert not isinstance(verdict, Complete)


@both
@pytest.mark.parametrize(
    "last",
    [
        DONE,
        event(reason="abort"),
        event(reason="error"),
        b'data: {"error": {"message": "dead", "code": 500}}\n\n',
        b"data: {\n\n",
        b"data: 3\n\n",
        event({"tool_calls": [{"index": 1, "function": {"arguments": "{}"}}]}),
    ],
)
def test_a_failed_stream_never_gets_an_end(endpoint: Endpoint, last: bytes) -> None:
    stream = translation(endpoint).stream()
    begun = b"".join(map(stream.feed, WHOLE[:3]))
    with pytest.raises(Malformed):
        stream.feed(last)
    assert LAST[endpoint] not in begun


@both
def test_the_end_is_told_once_whatever_follows(endpoint: Endpoint) -> None:
    assert told(endpoint, [*WHOLE, event({"content": "more"}), DONE]) == told(endpoint, WHOLE)
    assert told(endpoint, WHOLE[:-1]) == told(endpoint, WHOLE)


@both
def test_signs_of_life_are_passed_on(endpoint: Endpoint) -> None:
    assert translation(endpoint).stream().feed(b": keepalive\n\n") == b": keepalive\n\n"


@both
def test_nothing_at_all_is_no_answer(endpoint: Endpoint) -> None:
    with pytest.raises(Malformed):
        told(endpoint, [DONE])


@both
@given(st.lists(st.text(min_size=1), min_size=1), st.sampled_from(["stop", "length"]))
def test_a_stream_says_what_the_whole_answer_says(
    endpoint: Endpoint, pieces: list[str], reason: str
) -> None:
    events = [*(event({"content": piece}) for piece in pieces), event(reason=reason), DONE]
    streamed = [json.loads(one.split(b"data: ")[1]) for one in split_events(told(endpoint, events))]
    whole = json.loads(translation(endpoint).whole(body({"content": "".join(pieces)}, reason)))
    if endpoint is Endpoint.RESPONSES:
        [said] = [item["content"][0]["text"] for item in streamed[-1]["response"]["output"]]
        assert said == whole["output"][0]["content"][0]["text"]
        assert streamed[-1]["response"]["status"] == whole["status"]
    else:
        deltas = [one["delta"] for one in streamed if one["type"] == "content_block_delta"]
        assert "".join(one["text"] for one in deltas) == whole["content"][0]["text"]
        assert streamed[-2]["delta"]["stop_reason"] == whole["stop_reason"]


@both
def test_a_whole_answer_becomes_a_whole_one_that_may_be_kept(endpoint: Endpoint) -> None:
    whole = translation(endpoint).whole(body({"content": "Hello."}))
    assert judge_body(endpoint, 200, whole) == Complete()


@both
@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"[]",
        b'{"choices": []}',
        body({"content": "He"}, "abort"),
        b'{"error": {"message": "dead"}}',
        body({"tool_calls": [{"id": "c"}]}, "tool_calls"),
    ],
)
def test_a_broken_answer_is_none(endpoint: Endpoint, broken: bytes) -> None:
    with pytest.raises(Malformed):
        translation(endpoint).whole(broken)


@both
@pytest.mark.parametrize("name", ["chat", "chat_max_tokens_1", "chat_unicode"])
def test_recorded_answers_are_told(endpoint: Endpoint, name: str) -> None:
    _, recorded = answer(FOLDER / "vllm" / f"{name}.response.raw")
    assert isinstance(judge_body(endpoint, 200, translation(endpoint).whole(recorded)), Complete)


@both
@pytest.mark.parametrize(
    "name", ["stream_usage", "stream_max_tokens_1", "hermes_tools_required_stream"]
)
def test_recorded_streams_are_told(endpoint: Endpoint, name: str) -> None:
    _, recorded = answer(FOLDER / "vllm" / f"{name}.response.raw")
    judge = judged(endpoint, told(endpoint, split_events(recorded)))
    assert isinstance(judge.verdict(), Complete)
    assert judge.is_done


@both
@pytest.mark.parametrize(
    "name", ["scenario-sigterm-inflight", "scenario-enginecore-sigkill-inflight"]
)
def test_recorded_deaths_never_get_an_end(endpoint: Endpoint, name: str) -> None:
    _, recorded = answer(FOLDER / "vllm" / f"{name}.raw")
    with pytest.raises(Malformed):
        told(endpoint, split_events(recorded))


@pytest.mark.parametrize(
    ("name", "endpoint"),
    [
        ("codex-01-post-v1_responses", Endpoint.RESPONSES),
        ("openai_py-18-post-v1_responses", Endpoint.RESPONSES),
        ("claude-01-post-v1_messages", Endpoint.MESSAGES),
    ],
)
def test_what_agents_ask_can_be_said_in_chats_words(name: str, endpoint: Endpoint) -> None:
    asked = json.loads((FOLDER / "client-requests" / f"{name}.json").read_text())["body"]
    if "tools" in asked:
        asked["tools"] = asked["tools"][1:]  # the first one is a note on those left out
    made = translate(endpoint, asked)
    assert in_chat(endpoint, asked) == (made.chat, "")
    assert made.is_stream is bool(asked.get("stream"))
    assert len(made.chat.get("tools", [])) == len(asked.get("tools", []))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "role", "content", "text", "name", "source", "id", "tools"]),
            inner
            | st.sampled_from(["function", "user", "assistant", "text", "tool_use", "message"]),
            max_size=4,
        )
    ),
    max_leaves=8,
)
_FIELDS = ["input", "messages", "system", "tools", "tool_choice", "text", "include", "instructions"]


@both
@given(st.dictionaries(st.sampled_from([*_FIELDS, "output_config", "reasoning"]), _JSON))
def test_whatever_is_asked_is_translated_or_refused(
    endpoint: Endpoint, asked: dict[str, Any]
) -> None:
    for given_body in (asked, ASKS[endpoint] | asked):
        chat, why = in_chat(endpoint, given_body)
        if why:
            assert chat is given_body
            with pytest.raises(Untranslatable):
                translate(endpoint, given_body)
        else:
            assert all(isinstance(message["role"], str) for message in chat["messages"])
            json.dumps(chat)


def test_a_chat_is_a_chat() -> None:
    asked = {"messages": "whatever"}
    assert in_chat(Endpoint.CHAT, asked) == (asked, "")


def test_errors_go_by_the_dialects_own_shape() -> None:
    said = b'{"error": {"message": "too long"}}'
    assert translation(Endpoint.RESPONSES).reword_error(400, said) == said
    messages = json.loads(translation(Endpoint.MESSAGES).reword_error(400, said))
    assert messages["error"] == {"type": "invalid_request_error", "message": "too long"}


@both
def test_whatever_a_request_holds_it_is_translated_or_refused(endpoint: Endpoint) -> None:
    for body in bent(REQUESTS[endpoint]):
        with contextlib.suppress(Untranslatable):
            made = translate(endpoint, body)
            json.loads(made.whole(json.dumps(COMPLETION).encode()))


@both
def test_whatever_an_answer_holds_it_is_translated_or_none(endpoint: Endpoint) -> None:
    made = translate(endpoint, REQUESTS[endpoint])
    for document in bent(COMPLETION):
        with contextlib.suppress(Malformed):
            json.loads(made.whole(json.dumps(document).encode()))
    for chunks in bent(CHUNKS):
        stream = made.stream()
        with contextlib.suppress(Malformed):
            for chunk in chunks:
                stream.feed(f"data: {json.dumps(chunk)}\n\n".encode())
            stream.feed(DONE)
