from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podman_llm.core.completion import Complete, Endpoint
from podman_llm.core.converse_response import Head, to_completion
from podman_llm.core.converse_stream import ChunkWriter, TextWriter
from podman_llm.core.judge import StreamJudge
from podman_llm.core.sse import split_events
from podman_llm.core.translation import Malformed
from podman_llm.testing.bedrock_model import Reply

HEAD = Head("chatcmpl-1", 7, "claude")
DONE = b"data: [DONE]\n\n"


def written(
    events: Iterable[tuple[str, dict[str, Any]]],
    *,
    has_usage: bool = False,
    names: dict[str, str] | None = None,
) -> list[bytes]:
    """The server-sent events for those of an answer, its end included."""
    writer = ChunkWriter(HEAD, names or {}, has_usage=has_usage)
    stream = b"".join(writer.feed(name, payload) for name, payload in events)
    assert writer.is_complete
    return split_events(stream + writer.finish())


def chunks(events: list[bytes]) -> list[dict[str, Any]]:
    assert events[-1] == DONE
    read = [json.loads(event.removeprefix(b"data: ")) for event in events[:-1]]
    for chunk in read:
        assert chunk["object"] == "chat.completion.chunk"
        assert (chunk["id"], chunk["created"], chunk["model"]) == ("chatcmpl-1", 7, "claude")
    return read


def deltas(events: list[bytes]) -> list[tuple[dict[str, Any], str | None]]:
    told = [chunk["choices"][0] for chunk in chunks(events) if chunk["choices"]]
    return [(choice["delta"], choice["finish_reason"]) for choice in told]


def assembled(events: list[bytes]) -> tuple[dict[str, Any], str | None]:
    """The message that a client puts together, and why it ended."""
    message: dict[str, Any] = {"role": None}
    made: dict[int, dict[str, Any]] = {}
    reason = None
    for delta, finish in deltas(events):
        reason = reason or finish
        message["role"] = delta.get("role") or message["role"]
        for name in ("content", "reasoning_content"):
            if name in delta:
                message[name] = message.get(name, "") + delta[name]
        for part in delta.get("tool_calls", ()):
            call = made.setdefault(part["index"], {"id": part.get("id"), "type": "function"})
            function = call.setdefault("function", {"name": "", "arguments": ""})
            for name, text in part["function"].items():
                function[name] += text
    if made:
        assert list(made) == list(range(len(made)))
        message["tool_calls"] = list(made.values())
        message["content"] = message["content"] or None
    return message, reason


def test_a_text_has_a_role_deltas_and_a_reason() -> None:
    assert deltas(written(Reply(({"text": "Hello you"},)).events())) == [
        ({"role": "assistant", "content": ""}, None),
        ({"content": "Hello"}, None),
        ({"content": " you"}, None),
        ({}, "stop"),
    ]


def test_usage_comes_last_and_only_for_who_asked() -> None:
    reply = Reply(({"text": "Hi"},), cache_read_tokens=5)
    told = chunks(written(reply.events(), has_usage=True))[-1]
    assert told["choices"] == []
    assert told["usage"]["prompt_tokens_details"]["cached_tokens"] == 5
    assert all("usage" not in chunk for chunk in chunks(written(reply.events())))


def test_usage_that_comes_early_is_told_after_the_reason() -> None:
    events = list(Reply(({"text": "Hi"},)).events())
    events[-2:] = events[:-3:-1]
    assert events[-1][0] == "messageStop"
    made = chunks(written(events, has_usage=True))
    assert made[-2]["choices"][0]["finish_reason"] == "stop"
    assert made[-1]["choices"] == []


def test_an_answer_without_usage_ends_all_the_same() -> None:
    events = list(Reply(({"text": "Hi"},)).events())[:-1]
    assert chunks(written(events, has_usage=True))[-1]["choices"]


def test_without_the_models_end_there_is_none() -> None:
    writer = ChunkWriter(HEAD, {}, has_usage=False)
    for name, payload in list(Reply(({"text": "Hi"},)).events())[:-2]:
        assert DONE not in writer.feed(name, payload)
    assert not writer.is_complete


def test_calls_are_counted_among_themselves() -> None:
    blocks = (
        {"reasoningContent": {"reasoningText": {"text": "I think"}}},
        {"text": "Both."},
        {"toolUse": {"toolUseId": "a", "name": "read", "input": {"path": "x y"}}},
        {"toolUse": {"toolUseId": "b", "name": "now", "input": {}}},
    )
    message, reason = assembled(written(Reply(blocks, "tool_use").events()))
    assert reason == "tool_calls"
    assert message["reasoning_content"] == "I think"
    functions = [(call["id"], call["function"]) for call in message["tool_calls"]]
    assert functions == [
        ("a", {"name": "read", "arguments": '{"path": "x y"}'}),
        ("b", {"name": "now", "arguments": "{}"}),
    ]


def test_a_call_that_is_never_closed_has_arguments_all_the_same() -> None:
    call = {"toolUse": {"toolUseId": "b", "name": "now", "input": {}}}
    events = [e for e in Reply((call,), "tool_use").events() if e[0] != "contentBlockStop"]
    message, _ = assembled(written(events))
    assert message["tool_calls"][0]["function"]["arguments"] == "{}"


def test_a_tool_gets_the_clients_name_back() -> None:
    call = {"toolUse": {"toolUseId": "b", "name": "safe", "input": {}}}
    message, _ = assembled(written(Reply((call,)).events(), names={"safe": "f.read"}))
    assert message["tool_calls"][0]["function"]["name"] == "f.read"


def test_what_is_not_known_is_passed_over() -> None:
    events = list(Reply(({"text": "Hi"},)).events())
    odd: list[tuple[str, dict[str, Any]]] = [
        ("ping", {}),
        ("contentBlockStart", {"contentBlockIndex": 9, "start": {"image": {}}}),
        ("contentBlockDelta", {"contentBlockIndex": 9, "delta": {"citation": {}}}),
        ("contentBlockDelta", {"contentBlockIndex": 9, "delta": {"text": ""}}),
        ("contentBlockDelta", {"contentBlockIndex": 9}),
        ("contentBlockStop", {"contentBlockIndex": 9}),
    ]
    assert written([*events[:1], *odd, *events[1:]]) == written(events)


def test_arguments_of_a_call_that_has_not_begun_are_malformed() -> None:
    writer = ChunkWriter(HEAD, {}, has_usage=False)
    with pytest.raises(Malformed):
        writer.feed(
            "contentBlockDelta", {"contentBlockIndex": 1, "delta": {"toolUse": {"input": "{"}}}
        )


def test_an_output_that_could_not_be_read_is_no_end() -> None:
    writer = ChunkWriter(HEAD, {}, has_usage=False)
    with pytest.raises(Malformed):
        writer.feed("messageStop", {"stopReason": "malformed_tool_use"})
    assert not writer.is_complete


texts = st.text(min_size=1, max_size=20)
blocks_said = st.lists(
    st.one_of(
        st.builds(lambda text: {"text": text}, texts),
        st.builds(lambda text: {"reasoningContent": {"reasoningText": {"text": text}}}, texts),
        st.builds(
            lambda name, given_input: {
                "toolUse": {"toolUseId": "t", "name": name, "input": given_input}
            },
            st.sampled_from(["read", "now"]),
            st.dictionaries(texts, texts, max_size=3),
        ),
    ),
    max_size=5,
)


@given(blocks_said, st.sampled_from(["end_turn", "tool_use", "max_tokens", "content_filtered"]))
def test_a_stream_says_what_the_document_says(blocks: list[dict[str, Any]], stop: str) -> None:
    reply = Reply(tuple(blocks), stop)
    choice = to_completion(reply.document(), HEAD, {})["choices"][0]
    events = written(reply.events(), has_usage=True)
    message, reason = assembled(events)
    message["content"] = message["content"] or choice["message"]["content"]
    assert (message, reason) == (choice["message"], choice["finish_reason"])
    judge = StreamJudge(Endpoint.CHAT)
    for event in events:
        judge.feed(event)
    assert isinstance(judge.verdict(), Complete)


def test_a_text_completion_tells_its_text_and_nothing_else() -> None:
    thought = {"reasoningContent": {"reasoningText": {"text": "hm"}}}
    reply = Reply((thought, {"text": "one two"}), "max_tokens")
    writer = TextWriter(HEAD, {}, has_usage=True)
    stream = b"".join(writer.feed(name, payload) for name, payload in reply.events())
    *events, done = split_events(stream + writer.finish())
    assert done == DONE
    told = [json.loads(event.removeprefix(b"data: ")) for event in events]
    assert {chunk["object"] for chunk in told} == {"text_completion"}
    choices = [choice for chunk in told for choice in chunk["choices"]]
    assert choices == [
        {"index": 0, "text": "one", "logprobs": None, "finish_reason": None},
        {"index": 0, "text": " two", "logprobs": None, "finish_reason": None},
        {"index": 0, "text": "", "logprobs": None, "finish_reason": "length"},
    ]
    assert told[-1]["usage"]["prompt_tokens"] == 12
    judge = StreamJudge(Endpoint.COMPLETIONS)
    for event in (*events, done):
        judge.feed(event)
    assert judge.verdict() == Complete()
