"""Errors as clients of the Messages dialect read them."""

from __future__ import annotations

import json
from typing import Final

from podman_llm.core.completion import Endpoint
from podman_llm.core.translation import Json

_PATH: Final = f"/v1/{Endpoint.MESSAGES}"
_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
}
_SERVER_ERROR: Final = 500


def speaks_messages(path: str) -> bool:
    """Whether who asks for this path (of a route) reads errors in this dialect."""
    return path == _PATH or path.startswith(f"{_PATH}/")


def messages_error(status: int, message: str) -> Json:
    """The error. It is never an ``overloaded_error``, which makes clients change the model."""
    bare = "api_error" if status >= _SERVER_ERROR else "invalid_request_error"
    return {"type": "error", "error": {"type": _TYPES.get(status, bare), "message": message}}


def reword_error(status: int, body: bytes) -> bytes:
    """The error of a server of OpenAI's dialect."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    error = document.get("error") if isinstance(document, dict) else None
    said = error.get("message") if isinstance(error, dict) else error
    message = said if isinstance(said, str) else f"status {status}"
    return json.dumps(messages_error(status, message)).encode()
