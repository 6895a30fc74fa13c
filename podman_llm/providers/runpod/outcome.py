"""What became of the one POST, judged by meaning.

The line that matters is between "nothing was created, for certain" and everything else: RunPod has
no idempotency key, a 500 may have created the pod, and whatever is in doubt must never lead to a
second request.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final

from podman_llm.core.sight import (
    Ambiguous,
    Created,
    CreateOutcome,
    NotCreated,
    Refusal,
)
from podman_llm.providers.runpod import api
from podman_llm.providers.runpod.client import is_problem, retry_after, why
from podman_llm.providers.wire import Exchange, NoReply, Reply

_CAPACITY: Final = re.compile(
    r"no longer any instances|no instances (are )?currently|not enough free gpus|capacity",
    re.IGNORECASE,
)
_BALANCE: Final = re.compile(
    r"(insufficient|enough) (balance|funds|credit)|spend(ing)? limit", re.IGNORECASE
)
_POOL: Final = re.compile(r"\bpool\b|access denied", re.IGNORECASE)
"""A 403 on a create is mostly about a GPU pool that this account may not use."""

_CERTAIN: Final = {
    400: Refusal.CANDIDATE,
    401: Refusal.AUTH,
    402: Refusal.BALANCE,
    403: Refusal.AUTH,
    404: Refusal.SPEC,
    410: Refusal.SPEC,
    413: Refusal.SPEC,
    422: Refusal.SPEC,
    429: Refusal.RATE,
}
"""Statuses that are decided before anything is made. No other status is certain."""

_OWN_WORDS: Final = {400, 404, 422}
"""Of those, the ones that only RunPod's own words make certain; a page of an edge does not."""


def create_outcome(exchange: Exchange, endpoint_template: str) -> CreateOutcome:
    """Classify the answer to ``POST /v2/pods``, or its absence."""
    if isinstance(exchange, NoReply):
        if exchange.never_sent:
            return NotCreated(Refusal.NOT_SENT, why(exchange))
        return Ambiguous(why(exchange))
    if exchange.status == HTTPStatus.CREATED:
        return _created(exchange, endpoint_template)
    refusal = _refusal(exchange)
    if refusal is None:
        return Ambiguous(why(exchange))
    return NotCreated(refusal, why(exchange), retry_after(exchange))


def _created(reply: Reply, endpoint_template: str) -> CreateOutcome:
    try:
        return Created(api.pod_sight(reply.json(), endpoint_template))
    except api.Malformed as err:
        return Ambiguous(f"RunPod: created, but the answer cannot be read: {err}")


def _refusal(reply: Reply) -> Refusal | None:
    """The refusal, by status, then by what the text says where one status has several meanings."""
    if reply.status in _OWN_WORDS and not isinstance(reply.json(), dict):
        return None
    refusal = _CERTAIN.get(reply.status)
    said = why(reply)
    if refusal is Refusal.CANDIDATE and _CAPACITY.search(said):
        return Refusal.CAPACITY
    if refusal is Refusal.CANDIDATE and _BALANCE.search(said):
        return Refusal.BALANCE
    if reply.status == HTTPStatus.FORBIDDEN and is_problem(reply) and _POOL.search(said):
        return Refusal.CANDIDATE
    return refusal
