"""The two questions that REST v2 cannot answer: the balance, and the Model Repository.

GraphQL says its errors inside a 200. RunPod retires it early in 2027; both callers can live
without an answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

from podman_llm.core.catalog import ModelEntry
from podman_llm.errors import ProviderRefused, ProviderUnreachable
from podman_llm.providers.base import Account
from podman_llm.providers.runpod import api
from podman_llm.providers.runpod.client import RunpodClient, failure
from podman_llm.providers.wire import Reply

_ACCOUNT: Final = "query { myself { clientBalance currentSpendPerHr } }"
_MODELS: Final = "query myModels { myModels { owner provider name status } }"
_REFUSED: Final = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_REPOSITORY_OFF: Final = "Model Repo feature is not enabled"


def account(client: RunpodClient) -> Account:
    """Balance and spend rate; None for what cannot be read."""
    try:
        data = _ask(client, _ACCOUNT)
    except (ProviderRefused, ProviderUnreachable):
        return Account(None, None)
    myself = data.get("myself") or {}
    return Account(_amount(myself, "clientBalance"), _amount(myself, "currentSpendPerHr"))


def models(client: RunpodClient) -> Sequence[ModelEntry]:
    """The account's repository; empty where the feature is off, which is the usual case.

    Raises:
        ProviderRefused, ProviderUnreachable: no usable answer.
    """
    try:
        return api.repository_models(_ask(client, _MODELS))
    except _GraphqlError as err:
        if _REPOSITORY_OFF in err.message:
            return ()
        raise
    except api.Malformed as err:
        raise ProviderUnreachable(f"RunPod: {err}") from err


class _GraphqlError(ProviderUnreachable):
    """An error inside a 200."""


def _ask(client: RunpodClient, query: str) -> dict[str, Any]:
    reply = client.call("POST", "/graphql", payload={"query": query})
    document = reply.json() if isinstance(reply, Reply) else None
    if not isinstance(reply, Reply) or not isinstance(document, dict) or reply.status in _REFUSED:
        raise failure(reply)
    if errors := document.get("errors"):
        raise _GraphqlError(f"RunPod: {_first_message(errors)}")
    data = document.get("data")
    if reply.status != HTTPStatus.OK or not isinstance(data, dict):
        raise failure(reply)
    return data


def _first_message(errors: object) -> str:
    first = errors[0] if isinstance(errors, list) and errors else errors
    return str(first.get("message", first)) if isinstance(first, dict) else str(first)


def _amount(myself: object, key: str) -> float | None:
    value = myself.get(key) if isinstance(myself, dict) else None
    return float(value) if isinstance(value, int | float) else None
