from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from podman_llm.core.abilities import NO_NEEDS, Ability, Needs, Offer, lack, needs_of
from podman_llm.core.completion import Endpoint
from tests.core.bent import REQUESTS, bent

OFFER = Offer(
    abilities=frozenset({Ability.TOOLS}),
    endpoints=frozenset({Endpoint.CHAT}),
    models={"podman-llm": "gpt-small", "big": "gpt-big"},
    context=1000,
)
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 100_000}}


@pytest.mark.parametrize(
    ("body", "needed"),
    [
        ({}, set()),
        ({"tools": []}, set()),
        ({"tools": [{"type": "function"}]}, {Ability.TOOLS}),
        ({"response_format": {"type": "json_schema"}}, {Ability.JSON_SCHEMA}),
        ({"response_format": {"type": "json_object"}}, {Ability.JSON_SCHEMA}),
        ({"response_format": {"type": "text"}}, set()),
        ({"text": {"format": {"type": "json_schema"}}}, {Ability.JSON_SCHEMA}),
        ({"messages": [{"role": "user", "content": [IMAGE]}]}, {Ability.IMAGES}),
        ({"messages": [{"role": "user", "content": "image_url"}, 3]}, set()),
        ({"input": [{"content": [{"type": "input_image"}]}]}, {Ability.IMAGES}),
        ({"n": 1}, set()),
        ({"n": 2}, {Ability.N}),
        ({"n": True}, set()),
        ({"best_of": 3}, {Ability.N}),
        ({"logprobs": True}, {Ability.LOGPROBS}),
        ({"logprobs": 0}, {Ability.LOGPROBS}),
        ({"logprobs": False}, set()),
        ({"suffix": "\n}"}, {Ability.SUFFIX}),
        ({"prompt": "<|fim_prefix|>def f(<|fim_suffix|>)<|fim_middle|>"}, {Ability.SUFFIX}),
        ({"prompt": ["x", "<fim_prefix>def f(<fim_suffix>)<fim_middle>"]}, {Ability.SUFFIX}),
        ({"prompt": "<PRE> def f( <SUF>) <MID>"}, {Ability.SUFFIX}),
        ({"prompt": "[SUFFIX])[PREFIX]def f("}, {Ability.SUFFIX}),
        ({"prompt": "<\uff5cfim\u2581begin\uff5c>def f("}, {Ability.SUFFIX}),
        ({"prompt": "def f(): return '<PRE>'"}, set()),
        ({"prompt": [1, 2]}, set()),
        ({"structured_outputs": {"regex": "a"}}, {Ability.VLLM_FIELDS}),
        ({"top_k": 20}, set()),
        ({"response_format": {"type": []}, "logprobs": {}, "n": []}, {Ability.LOGPROBS}),
        ({"messages": [{"content": [{"type": {}}]}]}, set()),
    ],
)
def test_needs_are_read_from_the_body(body: dict[str, Any], needed: set[Ability]) -> None:
    assert needs_of(Endpoint.CHAT, body).abilities == needed


def test_the_size_is_guessed_from_text_and_not_from_pictures() -> None:
    parts = [{"type": "text", "text": "x" * 400}, IMAGE]
    body = {"messages": [{"role": "user", "content": parts}], "max_tokens": 50, "top_k": 9}
    needs = needs_of(Endpoint.CHAT, body)
    assert needs.prompt == 400 // 4 + len("userTextimage_url") // 4
    assert needs.tokens == needs.prompt + 50
    assert needs.pictures == 1


def test_other_letters_are_more_of_a_token() -> None:
    assert needs_of(Endpoint.COMPLETIONS, {"prompt": "漢字" * 200}).prompt == 300


@pytest.mark.parametrize(
    ("body", "answer", "choices"),
    [
        ({}, None, 1),
        ({"max_tokens": None, "n": None}, None, 1),
        ({"max_tokens": 5, "max_completion_tokens": 9}, 9, 1),
        ({"max_tokens": -5}, 0, 1),
        ({"max_tokens": 1e5}, 100_000, 1),
        ({"max_tokens": float("nan")}, None, 1),
        ({"n": 3}, None, 3),
        ({"prompt": ["a", "b"], "n": 2, "best_of": 5}, None, 10),
        ({"n": 3, "best_of": 0}, None, 3),
    ],
)
def test_how_much_answer_is_asked_for(
    body: dict[str, Any], answer: int | None, choices: int
) -> None:
    needs = needs_of(Endpoint.COMPLETIONS, body)
    assert (needs.answer, needs.choices) == (answer, choices)


def test_a_prompt_in_tokens_is_as_long_as_it_says() -> None:
    for prompt in ([7] * 40, [[7] * 10] * 4):
        assert needs_of(Endpoint.COMPLETIONS, {"prompt": prompt}).prompt == 40


@pytest.mark.parametrize(
    ("needs", "why"),
    [
        (Needs(Endpoint.CHAT, "big"), ""),
        (Needs(Endpoint.CHAT, "podman-llm", frozenset({Ability.TOOLS}), 1000), ""),
        (NO_NEEDS, "does not answer this path"),
        (Needs(Endpoint.EMBEDDINGS, "big"), "does not answer embeddings"),
        (Needs(Endpoint.CHAT, "other"), "has no model for 'other'"),
        (
            Needs(Endpoint.CHAT, "big", frozenset({Ability.SUFFIX, Ability.IMAGES, Ability.TOOLS})),
            "lacks images, suffix",
        ),
        (
            Needs(Endpoint.CHAT, "big", prompt=1, answer=1000),
            "takes 1000 tokens and this is about 1001",
        ),
    ],
)
def test_who_cannot_honour_a_request_says_why(needs: Needs, why: str) -> None:
    assert lack(needs, OFFER) == why


CODE = {"type": "code_interpreter", "container": {"type": "auto"}}


def test_who_answers_chat_answers_the_other_dialects_by_translation() -> None:
    asked = needs_of(Endpoint.RESPONSES, {"model": "big", "input": "hi"})
    assert lack(asked, OFFER) == ""
    hosted = needs_of(Endpoint.RESPONSES, {"model": "big", "input": "hi", "tools": [CODE]})
    assert lack(hosted, OFFER) == (
        "answers responses by translation only: tools.0 is of type 'code_interpreter', no function"
    )
    own = replace(OFFER, endpoints=frozenset({Endpoint.RESPONSES, Endpoint.CHAT}))
    assert lack(hosted, own) == ""
    assert not own.translates(Endpoint.RESPONSES)
    assert own.translates(Endpoint.MESSAGES)


def test_without_chat_there_is_nothing_to_translate_into() -> None:
    offer = replace(OFFER, endpoints=frozenset({Endpoint.COMPLETIONS}))
    asked = Needs(Endpoint.MESSAGES, "big")
    assert lack(asked, offer) == "does not answer messages"
    assert lack(NO_NEEDS, OFFER) == "does not answer this path"


def test_needs_are_those_of_the_chat_that_is_asked_for_instead() -> None:
    source = {"type": "base64", "media_type": "image/png", "data": "A" * 100_000}
    shot = {"type": "image", "source": source}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [shot]}
    body = {
        "messages": [{"role": "user", "content": [result]}],
        "output_config": {"format": {"type": "json_schema", "schema": {}}},
        "tools": [{"name": "ls", "input_schema": {}}],
        "tool_choice": {"type": "any"},
        "structured_outputs": {"regex": "a"},
    }
    needs = needs_of(Endpoint.MESSAGES, body)
    assert needs.abilities == {
        *(Ability.IMAGES, Ability.JSON_SCHEMA, Ability.TOOLS, Ability.VLLM_FIELDS)
    }
    assert needs.pictures == 1
    assert needs.tokens < 100
    assert "tool_choice" not in needs.particulars


def test_a_star_stands_for_every_other_name() -> None:
    offer = Offer(frozenset(), frozenset(Endpoint), {"big": "gpt-big", "*": "gpt-any"})
    assert [offer.model_for(name) for name in ("big", "x", "")] == ["gpt-big", "gpt-any", "gpt-any"]


@pytest.mark.parametrize("endpoint", Endpoint)
def test_whatever_a_request_holds_its_needs_are_read(endpoint: Endpoint) -> None:
    for body in bent(REQUESTS[endpoint]):
        assert needs_of(endpoint, body).endpoint is endpoint
