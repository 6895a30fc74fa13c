"""Bedrock's OpenAI surface before OpenAI's own client, by key and by signature."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import openai
import pytest
import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from podman_llm.testing.bedrock_faults import BedrockFault, BedrockFaultKind
from podman_llm.testing.bedrock_server import BedrockDouble
from podman_llm.testing.server_thread import ServerThread

GPT = "openai.gpt-oss-120b-1:0"
CHAT: Any = {"model": GPT, "messages": [{"role": "user", "content": "hello"}]}


@pytest.fixture(scope="module")
def double() -> Iterator[BedrockDouble]:
    with ServerThread(BedrockDouble()) as thread:
        yield thread.server


def client(double: BedrockDouble, key: str = "") -> openai.OpenAI:
    url = f"{double.url}/openai/v1"
    return openai.OpenAI(base_url=url, api_key=key or double.config.api_key, max_retries=0)


def test_a_bedrock_key_opens_it(double: BedrockDouble) -> None:
    with client(double) as asking:
        said = asking.chat.completions.create(**CHAT)
        streamed = asking.chat.completions.create(**CHAT, stream=True)
        text = "".join(chunk.choices[0].delta.content or "" for chunk in streamed)
    assert said.model == GPT
    assert text == said.choices[0].message.content
    assert double.requests[-1].action == "chat/completions"


@pytest.mark.parametrize(("secret", "status"), [("made-up-secret", 200), ("wrong", 403)])
def test_a_signature_opens_it_if_it_is_right(
    double: BedrockDouble, secret: str, status: int
) -> None:
    url = f"{double.url}/openai/v1/chat/completions"
    body = requests.Request("POST", url, json=CHAT).prepare().body
    request = AWSRequest("POST", url, {"Content-Type": "application/json"}, body)
    keys = Credentials(double.config.access_key, secret)
    SigV4Auth(keys, "bedrock", double.config.region).add_auth(request)
    answer = requests.post(url, data=body, headers=dict(request.headers), timeout=5)
    assert answer.status_code == status
    assert ("choices" in answer.json()) is (status == 200)


@pytest.mark.parametrize(
    ("fields", "error", "code"),
    [
        ({"model": "us.anthropic.claude-opus-4-8"}, openai.NotFoundError, "model_not_found"),
        ({"model": "amazon.nova-lite-v1:0"}, openai.NotFoundError, "model_not_found"),
        ({"messages": "none"}, openai.BadRequestError, "400"),
    ],
)
def test_what_it_does_not_know_is_refused(
    double: BedrockDouble, fields: Any, error: type[openai.APIStatusError], code: str
) -> None:
    with client(double) as asking, pytest.raises(error) as caught:
        asking.chat.completions.create(**{**CHAT, **fields})
    assert caught.value.code == code


def test_faults_and_strangers_are_met_in_openais_words(double: BedrockDouble) -> None:
    double.add_fault(BedrockFault(BedrockFaultKind.EXCEPTION, name="ThrottlingException"))
    with client(double) as asking, pytest.raises(openai.RateLimitError):
        asking.chat.completions.create(**CHAT)
    with client(double, "wrong") as asking, pytest.raises(openai.PermissionDeniedError) as caught:
        asking.chat.completions.create(**CHAT)
    assert caught.value.code == "access_denied"
