"""How RunPod says no: ``application/problem+json``, and the HTML of the edge in front of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus

from aiohttp import web

_RENAMED = {422: "Unprocessable Entity", 413: "Request Entity Too Large"}
"""Titles whose wording differs between Python releases."""

_PAGE = """<!DOCTYPE html>
<html lang="en-US">
<head><title>api.runpod.io | {status}: {title}</title></head>
<body><div id="cf-wrapper"><h1>{title}</h1><span>Error code {status}</span>
<p>Visit cloudflare.com for more information.</p></div></body>
</html>
"""

_EDGE_TITLES = {502: "Bad gateway", 520: "Web server is returning an unknown error"}
_EDGE_TITLES |= {521: "Web server is down", 522: "Connection timed out", 524: "A timeout occurred"}


class Problem(Exception):
    """A refusal of the API. ``detail`` is the only part that tells one 400 from another."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})

    def response(self) -> web.Response:
        """The answer, in the shape of the published ``ErrorResponse``."""
        title = _RENAMED.get(self.status) or HTTPStatus(self.status).phrase
        body: dict[str, object] = {"title": title, "status": self.status, "detail": self.detail}
        if self.errors:
            body["errors"] = list(self.errors)
        return web.Response(
            body=json.dumps(body).encode(),
            status=self.status,
            headers=self.headers,
            content_type="application/problem+json",
        )


def invalid(*errors: str) -> Problem:
    """The 422 of a body or query that breaks the published schema."""
    return Problem(422, "Request validation failed.", errors=errors)


def not_found() -> Problem:
    """The 404 of every resource that is unknown or not this account's."""
    return Problem(404, "resource not found")


def no_capacity() -> Problem:
    """The 400 that only its wording tells from a bad request."""
    return Problem(
        400,
        "There are no longer any instances available with the requested specifications. "
        "Please refresh and try again.",
    )


def no_balance() -> Problem:
    """The 402: no candidate will succeed until somebody pays."""
    return Problem(402, "You do not have enough balance to deploy this pod.")


def rate_limited(seconds: float) -> Problem:
    """The 429 of a used-up minute; ``seconds`` are left of it."""
    return Problem(
        429,
        "rate limit exceeded for the minute window",
        headers={"Retry-After": str(max(1, round(seconds)))},
    )


def edge_page(status: int) -> web.Response:
    """What Cloudflare answers in place of the API or of a pod."""
    title = _EDGE_TITLES.get(status) or HTTPStatus(status).phrase
    return web.Response(
        status=status,
        text=_PAGE.format(status=status, title=title),
        content_type="text/html",
        headers={"Server": "cloudflare", "CF-RAY": "8f0000000000abcd-FRA"},
    )
