from __future__ import annotations

import json

import pytest

from podman_llm.core.sight import Ambiguous, Created, NotCreated, Refusal
from podman_llm.providers.runpod.outcome import create_outcome
from podman_llm.providers.wire import NoReply, Reply
from tests.providers.runpod.conftest import HTML, PROBLEM, pod_document

TEMPLATE = "https://{pod_id}-{port}.proxy.runpod.net"


def judged(status: int, body: str, kind: str = PROBLEM) -> object:
    reply = Reply(status, {"content-type": kind, "retry-after": "12"}, body.encode())
    return create_outcome(reply, TEMPLATE)


def said(detail: str) -> str:
    return json.dumps({"title": "T", "status": 0, "detail": detail})


NO_MACHINE = (
    "There are no longer any instances available with the requested specifications. "
    "Please refresh and try again."
)


@pytest.mark.parametrize(
    ("status", "detail", "refusal"),
    [
        (400, NO_MACHINE, Refusal.CAPACITY),
        (
            400,
            "There are no longer any instances available with enough disk space.",
            Refusal.CAPACITY,
        ),
        (400, "There are no instances currently available", Refusal.CAPACITY),
        (400, "There are not enough free GPUs on the host machine.", Refusal.CAPACITY),
        (400, "invalid GPU type id", Refusal.CANDIDATE),
        (400, "Your account has insufficient funds", Refusal.BALANCE),
        (400, "You have reached your spending limit", Refusal.BALANCE),
        (401, "missing bearer token", Refusal.AUTH),
        (402, "insufficient balance", Refusal.BALANCE),
        (403, "access denied", Refusal.CANDIDATE),
        (403, "this account cannot access the pool ADA_24", Refusal.CANDIDATE),
        (403, "this key may not create pods", Refusal.AUTH),
        (404, "template not found", Refusal.SPEC),
        (410, "gone", Refusal.SPEC),
        (413, "too large", Refusal.SPEC),
        (422, "Request validation failed.", Refusal.SPEC),
        (429, "rate limit exceeded for the minute window", Refusal.RATE),
    ],
)
def test_a_refusal_is_certain_and_has_its_meaning(
    status: int, detail: str, refusal: Refusal
) -> None:
    outcome = judged(status, said(detail))
    assert isinstance(outcome, NotCreated)
    assert outcome.refusal is refusal
    assert str(status) in outcome.message
    assert outcome.retry_after == 12.0


def test_the_edge_refusing_us_is_about_us_and_not_about_a_pool() -> None:
    outcome = judged(403, "error code: 1010 access denied", "text/plain")
    assert isinstance(outcome, NotCreated)
    assert outcome.refusal is Refusal.AUTH


@pytest.mark.parametrize("status", [200, 202, 204, 301, 302, 307, 405, 408, 409, 418, 425])
@pytest.mark.parametrize("body", [said("x"), HTML])
def test_any_other_answer_may_have_created_the_pod(status: int, body: str) -> None:
    assert isinstance(judged(status, body), Ambiguous)


@pytest.mark.parametrize("status", [500, 501, 502, 503, 504, 520, 522, 524, 530])
def test_an_error_of_the_server_may_have_created_the_pod(status: int) -> None:
    assert isinstance(judged(status, HTML, "text/html"), Ambiguous)
    assert isinstance(judged(status, said(NO_MACHINE)), Ambiguous)


@pytest.mark.parametrize("status", [400, 404, 422])
@pytest.mark.parametrize("body", [HTML, "", "[]"])
def test_a_refusal_that_cannot_be_read_is_not_certain(status: int, body: str) -> None:
    assert isinstance(judged(status, body, "text/html"), Ambiguous)


def test_created_means_201_with_an_id() -> None:
    outcome = judged(201, json.dumps(pod_document("abc", "pllm-x")))
    assert isinstance(outcome, Created)
    assert (outcome.pod.pod_id, outcome.pod.name) == ("abc", "pllm-x")


@pytest.mark.parametrize(
    "body", ["", "{}", HTML, '{"id": null, "name": "a", "status": "b"}', '{"id']
)
def test_created_without_an_id_is_ambiguous(body: str) -> None:
    assert isinstance(judged(201, body), Ambiguous)


def test_a_connection_never_made_created_nothing() -> None:
    outcome = create_outcome(NoReply("connection refused", never_sent=True), TEMPLATE)
    assert outcome == NotCreated(Refusal.NOT_SENT, "RunPod cannot be reached: connection refused")


def test_a_connection_lost_may_have_created_the_pod() -> None:
    outcome = create_outcome(NoReply("no answer in time"), TEMPLATE)
    assert outcome == Ambiguous("RunPod gave no answer: no answer in time")
