"""Errors as clients read them, OpenAI's or Anthropic's, each naming who failed."""

from __future__ import annotations

import json
from typing import Any, Final

from aiohttp import web

from podman_llm.core.failover import in_full
from podman_llm.core.messages_errors import messages_error, speaks_messages
from podman_llm.core.routing import Route
from podman_llm.errors import UpstreamError

RETRY_SECONDS: Final = 2
"""When to try again after a failure that is over by itself. Clients honour at most 60."""

_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "invalid_request_error",
}


class Refusal(Exception):
    """A request that we answer ourselves, with an error.

    ``code`` is for programs, ``message`` for people; ``param`` names the field at fault.
    ``retry_after`` is in seconds, None where trying again changes nothing; ``is_final``: nor will
    it until a person does something. ``attempts`` is what the header says of those that were made.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str,
        param: str | None = None,
        retry_after: int | None = None,
        is_final: bool = False,
        attempts: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.retry_after = retry_after
        self.is_final = is_final
        self.attempts = attempts


def from_upstream_error(
    err: UpstreamError, served_by: str, *, also: str = "", attempts: str = ""
) -> Refusal:
    """What the client is told when the upstream failed before anything was passed on.

    ``also`` is said after it, and ``attempts`` in a header.
    """
    code = "upstream_timeout" if err.status == 504 else "upstream_failed"  # noqa: PLR2004 - HTTP
    message = f"{served_by}: {in_full(err).rstrip('.')}. {also}".rstrip()
    return Refusal(err.status, message, code=code, retry_after=RETRY_SECONDS, attempts=attempts)


def render(refusal: Refusal, route: Route) -> web.Response:
    """The error as a response, in the dialect of the route.

    The message says ``podman-llm:``, as no upstream's does.
    """
    headers = {"Content-Type": "application/json"}
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(refusal.retry_after)
    if refusal.is_final:
        headers["X-Should-Retry"] = "false"  # OpenAI's and Anthropic's SDKs would wait in silence
    message = f"podman-llm: {refusal.message}"
    if speaks_messages(route.path):
        told = messages_error(refusal.status, message)
        return json_response(told, status=refusal.status, headers=headers)
    error = {
        "message": message,
        "type": _TYPES.get(refusal.status, "server_error"),
        "param": refusal.param,
        "code": refusal.code,
    }
    return json_response({"error": error}, status=refusal.status, headers=headers)


def json_response(
    value: Any,  # noqa: ANN401 - any JSON
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> web.Response:
    """``value`` as JSON."""
    given = headers or {"Content-Type": "application/json"}
    return web.Response(status=status, body=json.dumps(value).encode(), headers=given)
