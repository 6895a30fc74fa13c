"""RunPod's API as replies and words: one session, one try, the key in a header and nowhere else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from http import HTTPStatus

from podman_llm.config.models import ProviderSettings
from podman_llm.errors import ConfigError, ProviderError, ProviderRefused, ProviderUnreachable
from podman_llm.host.clock import Clock
from podman_llm.providers.wire import Exchange, NoReply, Reply, Wire

_KEY = re.compile(r"[!-~]+")
_TAG = re.compile(r"<[^>]*>")
_WORDS_MAX = 300
_REFUSALS = {401, 402, 403, 410}


class RunpodClient:
    """A session with RunPod's API.

    Raises:
        ConfigError: the key cannot be one. Checked here, without showing it: the HTTP libraries
            would quote it in their own complaint.
    """

    def __init__(self, settings: ProviderSettings, api_key: str, clock: Clock) -> None:
        if not _KEY.fullmatch(api_key):
            raise ConfigError(
                "RUNPOD_API_KEY is empty or holds blanks, line ends or non-ASCII characters",
                hint="Copy the key again, without quotes and line end.",
            )
        self._wire = Wire(
            settings.api_base,
            key=api_key,
            clock=clock,
            connect_timeout=settings.connect_timeout_seconds,
            read_timeout=settings.read_timeout_seconds,
        )

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        payload: object = None,
        fresh: bool = False,
    ) -> Exchange:
        """One request, sent once; see ``Wire.exchange``."""
        return self._wire.exchange(method, path, query=query, payload=payload, fresh=fresh)

    def fetch(self, path: str, *, query: Mapping[str, str] | None = None) -> object:
        """GET a JSON document.

        Raises:
            ProviderRefused, ProviderUnreachable: as ``failure`` says.
        """
        reply = self.call("GET", path, query=query)
        if isinstance(reply, Reply) and reply.status == HTTPStatus.OK:
            return reply.json()
        raise failure(reply)

    def stream(
        self, path: str, *, query: Mapping[str, str], headers: Mapping[str, str], quiet: float
    ) -> AbstractContextManager[tuple[Exchange, Iterator[bytes]]]:
        """An answer that goes on; see ``Wire.stream``."""
        return self._wire.stream(path, query=query, headers=headers, quiet=quiet)


def is_problem(reply: Reply) -> bool:
    """Whether RunPod's API itself said this, and not an edge in front of it."""
    return reply.media_type == "application/problem+json" and isinstance(reply.json(), dict)


def words(reply: Reply) -> str:
    """What a failed answer says, for people: RunPod's own text, or what stands on the page."""
    if reply.status == HTTPStatus.GONE:
        return "RunPod has retired this version of its API (410)"
    document = reply.json()
    text = _said(document) if isinstance(document, dict) else _page_text(reply.body)
    request_id = reply.headers.get("x-request-id")
    return f"{text or 'no reason given'} ({reply.status}{f', {request_id}' if request_id else ''})"


def retry_after(reply: Reply) -> float | None:
    """Seconds that RunPod asks to wait, where it says so in seconds."""
    value = reply.headers.get("retry-after", "").strip()
    return float(value) if value.isascii() and value.isdigit() else None


def why(exchange: Exchange) -> str:
    """Why an exchange was no success, whatever became of it."""
    if isinstance(exchange, NoReply):
        verb = "cannot be reached" if exchange.never_sent else "gave no answer"
        return f"RunPod {verb}: {exchange.why}"
    return f"RunPod: {words(exchange)}"


def failure(exchange: Exchange) -> ProviderError:
    """The exception that an exchange without success deserves."""
    if isinstance(exchange, NoReply):
        return ProviderUnreachable(why(exchange))
    if exchange.status in _REFUSALS:
        return ProviderRefused(why(exchange), hint=_HINTS.get(exchange.status, ""))
    return ProviderUnreachable(why(exchange))


_KEY_HINT = "Check RUNPOD_API_KEY; keys are made at https://console.runpod.io/user/settings."
_HINTS = {
    401: _KEY_HINT,
    402: "Add credit at https://console.runpod.io/user/billing.",
    403: _KEY_HINT,
    410: "Upgrade podman-llm.",
}


def _said(document: Mapping[str, object]) -> str:
    text = next(
        (
            value
            for key in ("detail", "title", "error", "message")
            if isinstance(value := document.get(key), str) and value
        ),
        "",
    )
    errors = document.get("errors")
    listed = [str(error) for error in errors[:3]] if isinstance(errors, list) else []
    return "; ".join([text, *listed])[:_WORDS_MAX].strip("; ")


def _page_text(body: bytes) -> str:
    return " ".join(_TAG.sub(" ", body.decode("utf-8", "replace")).split())[:_WORDS_MAX]
