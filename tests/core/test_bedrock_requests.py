from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest

from podman_llm.core.bedrock_requests import ENDPOINTS, Action, Asked, Reply, to_bedrock
from podman_llm.core.completion import Endpoint
from podman_llm.core.converse_errors import Problem
from podman_llm.core.converse_models import known_model
from podman_llm.core.converse_response import Head
from podman_llm.core.translation import Malformed
from podman_llm.testing.bedrock_model import Reply as MadeUp
from tests.core.bent import CONVERSED, INVOKED, REQUESTS, bent

CLAUDE = "global.anthropic.claude-haiku-4-5-20251001-v1:0"
TITAN = "amazon.titan-embed-text-v2:0"
HEAD = Head("x-1", 7, CLAUDE)
CHAT: dict[str, Any] = {"model": CLAUDE, "messages": [{"role": "user", "content": "hi"}]}
TEXT: dict[str, Any] = {"model": CLAUDE, "prompt": "hi"}
TEXTS: dict[str, Any] = {"model": TITAN, "input": ["a", "b"]}


def asked(endpoint: Endpoint, body: dict[str, Any]) -> Asked:
    made = to_bedrock(endpoint, json.dumps(body).encode(), known_model)
    assert isinstance(made, Asked), made
    return made


@pytest.mark.parametrize(
    ("endpoint", "body", "action", "count", "is_events"),
    [
        (Endpoint.CHAT, CHAT, Action.CONVERSE, 1, False),
        (Endpoint.CHAT, {**CHAT, "stream": True}, Action.STREAM, 1, False),
        (Endpoint.COMPLETIONS, TEXT, Action.CONVERSE, 1, False),
        (Endpoint.COMPLETIONS, {**TEXT, "stream": True}, Action.STREAM, 1, True),
        (Endpoint.COMPLETIONS, {**TEXT, "prompt": ["a", "b"]}, Action.CONVERSE, 2, False),
        (
            Endpoint.COMPLETIONS,
            {**TEXT, "prompt": ["a", "b"], "stream": True},
            Action.CONVERSE,
            2,
            True,
        ),
        (Endpoint.EMBEDDINGS, TEXTS, Action.INVOKE, 2, False),
    ],
)
def test_each_request_has_its_calls(
    endpoint: Endpoint, body: dict[str, Any], action: Action, count: int, is_events: bool
) -> None:
    made = asked(endpoint, body)
    assert (made.action, len(made.bodies), made.is_events) == (action, count, is_events)
    assert made.model == body["model"]
    assert (made.writer is not None) is (action is Action.STREAM)


@pytest.mark.parametrize(
    ("endpoint", "body", "code", "param"),
    [
        (Endpoint.CHAT, [], "unsupported_value", None),
        (Endpoint.CHAT, {**CHAT, "model": 3}, "model_not_found", "model"),
        (Endpoint.CHAT, {**CHAT, "n": 2}, "unsupported_value", "n"),
        (Endpoint.COMPLETIONS, {**TEXT, "suffix": "}"}, "unsupported_value", "suffix"),
        (Endpoint.COMPLETIONS, {**TEXT, "logprobs": 0}, "unsupported_value", "logprobs"),
        (Endpoint.COMPLETIONS, {**TEXT, "prompt": [1]}, "unsupported_value", "prompt"),
        (Endpoint.EMBEDDINGS, {**TEXTS, "input": [1]}, "unsupported_value", "input"),
        (Endpoint.EMBEDDINGS, {**TEXTS, "model": CLAUDE}, "model_not_found", "model"),
    ],
)
def test_what_cannot_be_asked_is_a_problem(
    endpoint: Endpoint, body: Any, code: str, param: str | None
) -> None:
    models = {CLAUDE: known_model(CLAUDE)}
    problem = to_bedrock(endpoint, json.dumps(body).encode(), models.get)
    assert isinstance(problem, Problem)
    assert (problem.code, problem.param) == (code, param)


@pytest.mark.parametrize("body", [b"{", b"[" * 100_000, b"3"])
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_body_that_is_no_object_is_a_problem(endpoint: Endpoint, body: bytes) -> None:
    problem = to_bedrock(endpoint, body, known_model)
    assert isinstance(problem, Problem)
    assert "not a JSON object" in problem.message


@pytest.mark.parametrize(
    ("endpoint", "body", "kind"),
    [(Endpoint.CHAT, CHAT, "chat.completion"), (Endpoint.COMPLETIONS, TEXT, "text_completion")],
)
def test_whole_and_as_a_stream_the_answer_is_in_the_endpoints_shape(
    endpoint: Endpoint, body: dict[str, Any], kind: str
) -> None:
    said = MadeUp(({"text": "Hello"},))
    whole = asked(endpoint, body)
    reply = Reply(json.dumps(said.document()).encode())
    assert json.loads(whole.answer([reply], HEAD))["object"] == kind
    streamed = asked(endpoint, {**body, "stream": True})
    assert streamed.writer is not None
    writer = streamed.writer(HEAD)
    events = b"".join(writer.feed(name, payload) for name, payload in said.events())
    assert b"Hello" in events
    assert f'"object":"{kind}'.encode() in events


def test_several_prompts_in_one_stream_are_told_at_once() -> None:
    made = asked(Endpoint.COMPLETIONS, {**TEXT, "prompt": ["a", "b"], "stream": True})
    replies = [
        Reply(json.dumps(MadeUp(({"text": text},)).document()).encode()) for text in ("1", "2")
    ]
    assert made.answer(replies, HEAD).endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize(
    ("endpoint", "body"), list(zip(ENDPOINTS, (CHAT, TEXT, TEXTS), strict=True))
)
def test_a_reply_that_is_not_json_is_none(endpoint: Endpoint, body: dict[str, Any]) -> None:
    made = asked(endpoint, body)
    with pytest.raises(Malformed):
        made.answer([Reply(b"<html>")] * len(made.bodies), HEAD)


def test_the_headers_count_is_used() -> None:
    made = asked(Endpoint.EMBEDDINGS, {**TEXTS, "model": "cohere.embed-v4:0"})
    reply = Reply(json.dumps({"embeddings": [[0.5], [0.25]]}).encode(), tokens=11)
    assert json.loads(made.answer([reply], HEAD))["usage"]["total_tokens"] == 11


@pytest.mark.parametrize(
    ("endpoint", "model"),
    [(Endpoint.CHAT, CLAUDE), (Endpoint.COMPLETIONS, CLAUDE), (Endpoint.EMBEDDINGS, TITAN)],
)
def test_whatever_a_request_holds_it_is_asked_or_refused(endpoint: Endpoint, model: str) -> None:
    for body in bent({**REQUESTS[endpoint], "model": model}):
        made = to_bedrock(endpoint, json.dumps(body).encode(), known_model)
        assert isinstance(made, Asked | Problem)


@pytest.mark.parametrize(
    ("endpoint", "body", "answer"),
    [
        (Endpoint.CHAT, CHAT, CONVERSED),
        (Endpoint.COMPLETIONS, TEXT, CONVERSED),
        *(
            (Endpoint.EMBEDDINGS, {"model": TITAN, "input": "a", "encoding_format": kind}, answer)
            for answer in INVOKED
            for kind in ("float", "base64")
        ),
    ],
)
def test_whatever_an_answer_holds_it_is_told_or_none(
    endpoint: Endpoint, body: dict[str, Any], answer: dict[str, Any]
) -> None:
    made = asked(endpoint, body)
    for document in bent(answer):
        with contextlib.suppress(Malformed):
            json.loads(made.answer([Reply(json.dumps(document).encode())], HEAD))
