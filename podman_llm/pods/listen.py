"""Reading the logs of a pod that starts, as long as there is something to learn from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Final

from podman_llm.core.guard import (
    LINES,
    SLOW_START,
    Heard,
    announcement,
    is_awaited,
    is_host_trouble,
    runs,
)
from podman_llm.core.pod import PodRecord
from podman_llm.core.sight import Sight
from podman_llm.errors import PodmanLLMError
from podman_llm.host.clock import Clock
from podman_llm.providers.base import Provider

PAUSE: Final = 10.0
"""Seconds between two looks: a log without the line wanted takes seconds to read to its end."""
_WIDTH: Final = 300
"""Characters kept of a host's complaint."""


class Ear:
    """Listens for the guard's announcement, and to the host when the pod is slow to start."""

    def __init__(self, provider: Provider, clock: Clock) -> None:
        self._provider = provider
        self._clock = clock
        self._next = 0.0

    def listen(self, record: PodRecord | None, sight: Sight) -> Heard | None:
        """What the logs of the record's pod tell; None when they were not, or could not be read."""
        if record is None or record.pod_id is None or not is_awaited(record, sight):
            self._next = 0.0  # the next pod is listened to at once
            return None
        is_slow = self._clock.wall() - (record.sent or record.intent).wall >= SLOW_START
        has_news = is_slow or runs(sight)
        if not has_news or self._clock.monotonic() < self._next:
            return None
        try:
            return self._hear(record.pod_id, sight, is_slow=is_slow)
        except PodmanLLMError:
            return None  # unknown is not absent: it is tried again
        finally:
            self._next = self._clock.monotonic() + PAUSE

    def _hear(self, pod_id: str, sight: Sight, *, is_slow: bool) -> Heard:
        heard = self._guard(pod_id) if runs(sight) else Heard()
        if heard.announced or not is_slow:
            return heard
        trouble = next(filter(is_host_trouble, self._lines(pod_id, "system")), "")
        return replace(heard, trouble=trouble[:_WIDTH])

    def _guard(self, pod_id: str) -> Heard:
        """Up to the announcement and no further: a log that goes on takes time to read."""
        count = 0
        for line in self._lines(pod_id, "pod"):
            count += 1
            if announced := announcement(line):
                return Heard(announced)
        return Heard(is_whole=count < LINES)

    def _lines(self, pod_id: str, source: str) -> Iterator[str]:
        lines = self._provider.logs(pod_id, source=source, tail=LINES, follow=False)
        return (line.line for line in islice(lines, LINES))
