"""Looking at the provider: one list and one look by id per tick, and whether to believe them."""

from __future__ import annotations

from dataclasses import dataclass

from podman_llm.core.guard import Heard
from podman_llm.core.listing import ListView, Past, best_sight, is_suspicious, judge, settle_sight
from podman_llm.core.pod import PodRecord
from podman_llm.core.sight import Listing, Sight, Unknown
from podman_llm.host.clock import Clock
from podman_llm.pods.listen import Ear
from podman_llm.providers.base import Provider


@dataclass(frozen=True)
class Look:
    """What one look found.

    ``blind_for`` is seconds without a valid list, 0 when this is one. ``heard`` is what the logs
    told, None when they were not read.
    """

    view: ListView
    sight: Sight
    blind_for: float
    heard: Heard | None = None


class Observer:
    """Looks, and remembers what lists said before; nothing else can tell a sudden empty one."""

    def __init__(self, provider: Provider, clock: Clock) -> None:
        self._provider = provider
        self._clock = clock
        self._last_count: int | None = None
        self._blind_since: float | None = None
        self._ear = Ear(provider, clock)

    def look(self, record: PodRecord | None, *, last_nonempty_at: float | None) -> Look:
        """What there is now. Further questions are asked only about a list that needs them."""
        at = self._clock.wall()
        past = Past(self._last_count, last_nonempty_at)
        seen = self._provider.list_pods()
        needs_check = is_suspicious(seen, record=record, past=past, at=at)
        sight = self._sight(record, even_if_closed=needs_check)
        view = judge(
            seen,
            at=at,
            record=record,
            sight=sight,
            past=past,
            spend_per_hour=self._provider.account().spend_per_hour if needs_check else None,
        )
        if isinstance(seen, Listing):
            self._last_count = len(seen.pods)
        pod_id = record.pod_id if record and record.is_open else None
        sight = best_sight(sight, view, pod_id)
        return Look(view, sight, self._blindness(view), self._ear.listen(record, sight))

    def _sight(self, record: PodRecord | None, *, even_if_closed: bool) -> Sight:
        if record is None or record.pod_id is None:
            return Unknown("there is no pod to look at")
        if not (record.is_open or even_if_closed):
            return Unknown("the pod is known to be gone")
        return settle_sight(self._provider.get(record.pod_id))

    def _blindness(self, view: ListView) -> float:
        now = self._clock.monotonic()
        if view.is_valid:
            self._blind_since = None
        elif self._blind_since is None:
            self._blind_since = now
        return 0.0 if self._blind_since is None else now - self._blind_since
