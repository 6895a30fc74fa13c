from __future__ import annotations

import json
from typing import Any

import pytest

from podman_llm.core.completion import Complete, Endpoint, judge_body
from podman_llm.core.converse_response import Head
from podman_llm.core.converse_text import chats_of, to_text, told_as_stream
from podman_llm.core.judge import StreamJudge
from podman_llm.core.sse import split_events
from podman_llm.core.translation import Malformed, Untranslatable
from podman_llm.testing.bedrock_model import Reply
from tests.core.converse_rules import translate

HEAD = Head("cmpl-1", 7, "claude")


def said(text: str, stop: str = "end_turn", read: int = 3, cached: int = 0) -> dict[str, Any]:
    return Reply(({"text": text},), stop, read, cache_read_tokens=cached).document()


def test_a_prompt_is_what_the_user_says_under_the_same_limits() -> None:
    (chat,) = chats_of({"prompt": "once", "max_tokens": 5, "stop": "\n", "stream": True})
    document = translate(chat).document
    assert document["messages"] == [{"role": "user", "content": [{"text": "once"}]}]
    assert document["inferenceConfig"] == {"maxTokens": 5, "stopSequences": ["\n"]}


def test_each_of_several_prompts_is_a_chat_of_its_own() -> None:
    chats = chats_of({"prompt": ["a", "b"]})
    assert [chat["messages"][0]["content"] for chat in chats] == ["a", "b"]
    assert not any("prompt" in chat for chat in chats)


@pytest.mark.parametrize(
    ("prompt", "told"),
    [
        (None, "neither a text nor a list"),
        ([], "neither a text nor a list"),
        (3, "neither a text nor a list"),
        ([1, 2], "send it as text"),
        ([[1], [2]], "send it as text"),
        ("", "not blank"),
        (["a", " \n"], "not blank"),
        (["a", None], "not blank"),
    ],
)
def test_what_is_no_text_is_refused_with_the_way_out(prompt: object, told: str) -> None:
    with pytest.raises(Untranslatable, match=told) as caught:
        chats_of({"prompt": prompt})
    assert caught.value.param == "prompt"


def test_one_answer_is_one_choice() -> None:
    made = to_text([said(" upon a time", "max_tokens", cached=2)], HEAD)
    (choice,) = made["choices"]
    assert choice == {
        "index": 0,
        "text": " upon a time",
        "logprobs": None,
        "finish_reason": "length",
    }
    assert (made["id"], made["object"], made["model"]) == ("cmpl-1", "text_completion", "claude")
    assert made["usage"]["prompt_tokens"] == 5
    assert made["usage"]["prompt_tokens_details"]["cached_tokens"] == 2


def test_several_answers_are_as_many_choices_and_one_count() -> None:
    one, two = said("one", read=3), said("and two", "stop_sequence", read=4)
    made = to_text([one, two], HEAD)
    assert [choice["text"] for choice in made["choices"]] == ["one", "and two"]
    assert [choice["index"] for choice in made["choices"]] == [0, 1]
    usage = made["usage"]
    written = one["usage"]["outputTokens"] + two["usage"]["outputTokens"]
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (7, written)
    assert usage["total_tokens"] == 7 + written
    body = json.dumps(made).encode()
    assert judge_body(Endpoint.COMPLETIONS, 200, body, choices=2) == Complete()


def test_nothing_said_is_an_empty_text_and_what_is_not_counted_is_not_made_up() -> None:
    silent, untold = Reply(()).document(), said("x")
    del untold["usage"]
    made = to_text([silent, untold], HEAD)
    assert made["choices"][0]["text"] == ""
    assert made["usage"] is None


def test_an_answer_of_another_shape_is_none() -> None:
    with pytest.raises(Malformed):
        to_text([said("x"), {"embedding": []}], HEAD)


@pytest.mark.parametrize("has_usage", [True, False])
def test_whole_answers_are_told_as_a_stream(has_usage: bool) -> None:
    document = to_text([said("one"), said("two")], HEAD)
    stream = told_as_stream(document, has_usage=has_usage)
    judge = StreamJudge(Endpoint.COMPLETIONS, choices=2)
    events = split_events(stream)
    for event in events:
        judge.feed(event)
    assert judge.verdict() == Complete()
    assert events[-1] == b"data: [DONE]\n\n"
    chunks = [json.loads(event.removeprefix(b"data: ")) for event in events[:-1]]
    assert [choice for chunk in chunks for choice in chunk["choices"]] == document["choices"]
    assert all("usage" not in chunk for chunk in chunks[:2])
    assert [chunk["usage"] for chunk in chunks[2:]] == ([document["usage"]] if has_usage else [])
