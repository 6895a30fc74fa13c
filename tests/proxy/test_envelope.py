from __future__ import annotations

import json

import pytest

from podman_llm.core.routing import locate
from podman_llm.errors import UpstreamBroke, UpstreamUnreachable
from podman_llm.proxy.envelope import Refusal, from_upstream_error, render

CHAT = locate("/chat/completions")


def test_an_error_has_the_shape_that_clients_read() -> None:
    response = render(Refusal(400, "no.", code="bad", param="model"), CHAT)
    assert response.status == 400
    assert response.headers["Content-Type"] == "application/json"
    assert "Retry-After" not in response.headers
    assert isinstance(response.body, bytes)
    assert json.loads(response.body) == {
        "error": {
            "message": "podman-llm: no.",
            "type": "invalid_request_error",
            "param": "model",
            "code": "bad",
        }
    }


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, "authentication_error"),
        (403, "permission_error"),
        (413, "invalid_request_error"),
        (503, "server_error"),
    ],
)
def test_the_type_follows_the_status(status: int, kind: str) -> None:
    response = render(Refusal(status, "x", code="y", retry_after=5), CHAT)
    assert isinstance(response.body, bytes)
    assert json.loads(response.body)["error"]["type"] == kind
    assert response.headers["Retry-After"] == "5"


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
def test_what_only_a_person_changes_is_not_to_be_tried_again(path: str) -> None:
    final = render(Refusal(503, "no.", code="x", retry_after=30, is_final=True), locate(path))
    assert (final.headers["Retry-After"], final.headers["X-Should-Retry"]) == ("30", "false")
    passing = render(Refusal(503, "no.", code="x", retry_after=30), locate(path))
    assert "X-Should-Retry" not in passing.headers


def test_an_upstreams_failure_names_the_upstream() -> None:
    refusal = from_upstream_error(UpstreamBroke("it said: dead."), "pod/abc")
    assert (refusal.status, refusal.message) == (502, "pod/abc: it said: dead.")
    assert (refusal.code, refusal.retry_after) == ("upstream_failed", 2)
    late = from_upstream_error(UpstreamUnreachable("late", status=504), "pod/abc")
    assert (late.status, late.code) == (504, "upstream_timeout")
    both = from_upstream_error(UpstreamBroke("cut"), "pod/abc", also="b lacks n.", attempts="x")
    assert (both.message, both.attempts) == ("pod/abc: cut. b lacks n.", "x")


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/v1/messages", 503, "api_error"),
        ("/nocache/messages", 504, "timeout_error"),
        ("/v1/messages/count_tokens", 401, "authentication_error"),
        ("/messages/batches", 413, "request_too_large"),
        ("/v1/messages", 409, "invalid_request_error"),
    ],
)
def test_anthropics_clients_read_their_own_shape(path: str, status: int, kind: str) -> None:
    response = render(Refusal(status, "no.", code="bad", retry_after=3), locate(path))
    assert isinstance(response.body, bytes)
    told = {"type": "error", "error": {"type": kind, "message": "podman-llm: no."}}
    assert json.loads(response.body) == told
    assert (response.status, response.headers["Retry-After"]) == (status, "3")
