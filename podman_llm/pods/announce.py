"""A warning told wherever the person wants it told; none of these may hold up the control plane."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

from podman_llm.core.notices import Notice
from podman_llm.core.pod import PodRecord
from podman_llm.telemetry import names

_LOG = logging.getLogger(__name__)

Channel = Callable[[Mapping[str, object]], str]
"""Takes a message and answers why it could not be told, or nothing."""


class Announcer:
    """Writes each warning into the log and hands it to every channel."""

    def __init__(self, channels: Sequence[Channel]) -> None:
        self._channels = channels

    def __call__(self, notice: Notice, record: PodRecord) -> None:
        """Tell it once. What does not arrive is not told again: ``status`` shows it too."""
        _LOG.warning(names.POD_NOTICE, extra={"pod": record.pod_id, "notice": notice.text})
        message = message_of(notice, record)
        for channel in self._channels:
            if problem := channel(message):
                _LOG.warning(names.NOTICE_UNSENT, extra={"problem": problem})


def message_of(notice: Notice, record: PodRecord) -> dict[str, object]:
    """What a webhook gets. ``text`` is what chat services show; times are wall seconds."""
    return {
        "text": f"podman-llm: {notice.text}",
        "event": names.POD_NOTICE,
        "at": notice.at,
        "pod_id": record.pod_id,
        "pod_name": record.name,
        "model": record.spec.model_store_id,
        "deadline": record.soft_deadline,
        "hard_deadline": record.hard_deadline,
        "usd_per_hour": record.cost_per_hour,
        "usd_spent": round(record.spent(notice.at), 6),
    }
