from __future__ import annotations

import json

import pytest

from podman_llm.core.messages_errors import messages_error, reword_error, speaks_messages


@pytest.mark.parametrize(
    ("path", "speaks"),
    [
        ("/v1/messages", True),
        ("/v1/messages/count_tokens", True),
        ("/v1/messages_archive", False),
        ("/v1/chat/completions", False),
        ("/v1/responses", False),
    ],
)
def test_the_path_tells_the_dialect(path: str, speaks: bool) -> None:
    assert speaks_messages(path) is speaks


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (404, "not_found_error"),
        (413, "request_too_large"),
        (422, "invalid_request_error"),
        (429, "rate_limit_error"),
        (502, "api_error"),
        (503, "api_error"),
        (504, "timeout_error"),
    ],
)
def test_the_type_follows_the_status(status: int, kind: str) -> None:
    assert messages_error(status, "m") == {"type": "error", "error": {"type": kind, "message": "m"}}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b'{"error": {"message": "too long", "type": "x", "code": 400}}', "too long"),
        (b'{"error": "Unauthorized"}', "Unauthorized"),
        (b'{"error": {"code": 3}}', "status 400"),
        (b"[1]", "status 400"),
        (b"<html>", "status 400"),
    ],
)
def test_a_servers_own_words_stay(body: bytes, message: str) -> None:
    assert json.loads(reword_error(400, body)) == messages_error(400, message)
