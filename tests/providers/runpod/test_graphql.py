from __future__ import annotations

import json
from typing import Any

import pytest
import requests
import responses

from podman_llm.errors import ProviderRefused, ProviderUnreachable
from podman_llm.providers.base import Account
from podman_llm.providers.runpod import graphql
from podman_llm.providers.runpod.client import RunpodClient
from tests.providers.runpod.conftest import API, html

URL = f"{API}/graphql"


def data(value: object) -> dict[str, Any]:
    return {"json": {"data": value}}


def test_balance_and_spend_rate_are_read(
    client: RunpodClient, canned: responses.RequestsMock
) -> None:
    canned.post(URL, **data({"myself": {"clientBalance": 12.5, "currentSpendPerHr": 0}}))
    assert graphql.account(client) == Account(12.5, 0.0)
    sent = json.loads(canned.calls[0].request.body or "")
    assert set(sent) == {"query"}
    assert "api_key" not in str(canned.calls[0].request.url)


@pytest.mark.parametrize(
    "answer",
    [
        data({"myself": None}),
        data({"myself": {}}),
        data({"myself": {"clientBalance": "much"}}),
        data(None),
        {"json": {"errors": [{"message": "Something went wrong."}]}},
        {"json": [], "status": 200},
        {"json": {"message": "Unauthorized"}, "status": 401},
        html(410),
        html(502),
        {"body": requests.ConnectionError("x")},
    ],
)
def test_an_account_that_cannot_be_read_is_unknown_and_no_error(
    client: RunpodClient, canned: responses.RequestsMock, answer: dict[str, Any]
) -> None:
    canned.post(URL, **answer)
    assert graphql.account(client) == Account(None, None)


def test_the_repository_is_read(client: RunpodClient, canned: responses.RequestsMock) -> None:
    models = [{"owner": "Qwen", "name": "Qwen3-8B", "provider": "HUGGINGFACE"}]
    canned.post(URL, **data({"myModels": models}))
    assert [model.hf_id for model in graphql.models(client)] == ["Qwen/Qwen3-8B"]


def test_a_repository_that_is_off_is_empty(
    client: RunpodClient, canned: responses.RequestsMock
) -> None:
    message = "Model Repo feature is not enabled for this user"
    canned.post(URL, json={"errors": [{"message": message}], "data": {"myModels": None}})
    assert graphql.models(client) == ()


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        ({"json": {"errors": [{"message": "boom"}]}}, ProviderUnreachable, "boom"),
        ({"json": {"errors": "boom"}}, ProviderUnreachable, "boom"),
        ({"json": {"errors": [{"message": "x"}]}, "status": 401}, ProviderRefused, "401"),
        (data({}), ProviderUnreachable, "myModels"),
        (html(410), ProviderRefused, "retired"),
        (html(503), ProviderUnreachable, "503"),
    ],
)
def test_a_repository_that_cannot_be_read_says_why(
    client: RunpodClient,
    canned: responses.RequestsMock,
    answer: dict[str, Any],
    error: type[Exception],
    text: str,
) -> None:
    canned.post(URL, **answer)
    with pytest.raises(error, match=text):
        graphql.models(client)
