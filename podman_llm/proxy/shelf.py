"""The cache as requests see it: which may look, which entry fits who asks, what is kept."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import replace
from typing import Final

from podman_llm.cache.base import Cache, Entry
from podman_llm.config.models import Settings
from podman_llm.core.cachekey import CacheKey
from podman_llm.core.completion import Endpoint, has_usage_chunk, without_usage_chunk
from podman_llm.core.freshness import Freshness, judge_age
from podman_llm.host.clock import Clock
from podman_llm.proxy.questions import Ask
from podman_llm.upstreams.base import Headers

EVENT_STREAM: Final = "text/event-stream"
_USAGE: Final = b'"usage"'
_REMEMBERED_SESSIONS: Final = 4096
_WITH_USAGE_CHUNK: Final = frozenset({Endpoint.CHAT, Endpoint.COMPLETIONS})


class Shelf:
    """Finds and keeps answers. With ``cache`` None it is empty and stays so."""

    def __init__(self, *, cache: Cache | None, settings: Settings, clock: Clock) -> None:
        self._cache = cache if settings.caches else None
        self._settings = settings.cache
        self._clock = clock
        self._puts: set[asyncio.Task[None]] = set()
        self._asked: OrderedDict[tuple[str, str], str] = OrderedDict()

    @property
    def cache(self) -> Cache | None:
        """What is behind it, for the numbers."""
        return self._cache

    @property
    def max_entry_bytes(self) -> int:
        """A larger answer is not kept."""
        return self._settings.max_entry_bytes

    def key(self, ask: Ask) -> CacheKey | None:
        """The key of a request, or None if its answer is not looked up and not kept."""
        if self._cache is None or ask.route.bypass or ask.directives.no_store:
            return None
        return ask.question.key

    async def find(self, key: CacheKey, ask: Ask) -> tuple[Entry, int] | None:
        """The entry that fits who asks, as it is to be sent, and its age in whole seconds."""
        if self._cache is None or ask.directives.no_cache:
            return None
        entry = await self._cache.get(key.digest)
        if entry is None:
            return None
        age = max(0.0, self._clock.wall() - entry.stored_at)
        again = self._is_asked_again(key, ask.session, entry)
        good_for = judge_age(
            age,
            ask.directives,
            self._settings.ttl_seconds,
            is_asked_again=again,
            is_spare_kept=False,
        )
        if good_for is not Freshness.FRESH:
            return None
        fitting = _fitting(entry, ask)
        if fitting is not None:
            self._remember(key, ask.session)
        return (fitting, int(age)) if fitting is not None else None

    def _is_asked_again(self, key: CacheKey, session: str, entry: Entry) -> bool:
        """Whether this very session got this answer before, for the same question of another time.

        People do that when they want another answer; a retry repeats the time as well.
        """
        if not session:
            return False
        stored = entry.asked_at if entry.session == session else key.asked_at
        return self._asked.get((key.digest, session), stored) != key.asked_at

    def _remember(self, key: CacheKey, session: str) -> None:
        if not session or not key.asked_at:
            return
        self._asked[key.digest, session] = key.asked_at
        self._asked.move_to_end((key.digest, session))
        if len(self._asked) > _REMEMBERED_SESSIONS:
            self._asked.popitem(last=False)

    def keep(
        self, key: CacheKey, ask: Ask, *, body: bytes, headers: Headers, served_by: str
    ) -> None:
        """Keep a whole answer, beside the request: its client may leave and must not wait."""
        if self._cache is None or len(body) > self.max_entry_bytes:
            return
        entry = Entry(
            status=200,
            headers=headers,
            body=body,
            stored_at=self._clock.wall(),
            served_by=served_by,
            session=ask.session,
            asked_at=key.asked_at,
        )
        self._remember(key, ask.session)
        task = asyncio.create_task(self._cache.put(key.digest, entry))
        self._puts.add(task)
        task.add_done_callback(self._puts.discard)

    async def settle(self) -> None:
        """Wait until everything kept so far is written."""
        await asyncio.gather(*self._puts)


def _fitting(entry: Entry, ask: Ask) -> Entry | None:
    """The entry with or without its usage chunk, as asked; None if it lacks the one that is."""
    is_stream = any(value.startswith(EVENT_STREAM) for _, value in entry.headers)
    if not is_stream or ask.route.endpoint not in _WITH_USAGE_CHUNK:
        return entry
    may_have_usage = _USAGE in entry.body  # nearly always not, and then no event is looked at
    if ask.question.wants_usage:
        return entry if may_have_usage and has_usage_chunk(entry.body) else None
    body = without_usage_chunk(entry.body) if may_have_usage else entry.body
    return entry if body is entry.body else replace(entry, body=body)
