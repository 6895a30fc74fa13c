"""Telling another machine: one POST of JSON, sent once.

A webhook's URL is often its only secret, so it is in no message; and it is a stranger's, so no key
of ours goes there.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qsl, urlsplit

from podman_llm.host.clock import Clock
from podman_llm.providers.wire import NoReply, Wire

_PATIENCE: Final = 5.0
"""Seconds for connecting and for the answer; the control plane waits for it."""


class Webhook:
    """One URL."""

    def __init__(self, url: str, clock: Clock) -> None:
        parts = urlsplit(url)
        self._path = parts.path or "/"
        self._query = dict(parse_qsl(parts.query, keep_blank_values=True))
        self._wire = Wire(
            f"{parts.scheme}://{parts.netloc}",
            key=None,
            clock=clock,
            connect_timeout=_PATIENCE,
            read_timeout=_PATIENCE,
        )

    def send(self, message: Mapping[str, object]) -> str:
        """POST it; why it did not arrive, or nothing."""
        answer = self._wire.exchange(
            "POST", self._path, query=self._query, payload=dict(message), fresh=True
        )
        if isinstance(answer, NoReply):
            return f"the webhook: {answer.why}"
        is_taken = HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES
        return "" if is_taken else f"the webhook answered {answer.status}"
