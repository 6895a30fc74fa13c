"""The cache as requests see it: which may look, which entry fits who asks, what is kept."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final

from podman_llm.cache.base import Cache, Entry
from podman_llm.config.models import Settings
from podman_llm.core.cachekey import CacheKey
from podman_llm.core.completion import Endpoint, has_usage_chunk, without_usage_chunk
from podman_llm.core.embeddings import join_answer, split_answer
from podman_llm.core.freshness import Freshness, judge_age
from podman_llm.host.clock import Clock
from podman_llm.proxy.questions import Ask
from podman_llm.upstreams.base import Headers

EVENT_STREAM: Final = "text/event-stream"
_USAGE: Final = b'"usage"'
_JSON: Final = (("content-type", "application/json"),)
_REMEMBERED_SESSIONS: Final = 4096
_WITH_USAGE_CHUNK: Final = frozenset({Endpoint.CHAT, Endpoint.COMPLETIONS})
# Taking a larger answer apart takes longer than other requests should wait.
_LARGE_BYTES: Final = 512 * 1024


@dataclass(frozen=True, slots=True)
class Found:
    """An entry as it is to be sent, its age in whole seconds, and what it is good for."""

    entry: Entry
    age: int
    good_for: Freshness

    @property
    def answers(self) -> bool:
        """Whether it is the answer, and not only one in need."""
        return self.good_for in (Freshness.FRESH, Freshness.STALE)

    @property
    def word(self) -> str:
        """Its ``X-Cache`` word."""
        return "HIT" if self.good_for is Freshness.FRESH else "STALE"


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

    def key(self, ask: Ask, model_tag: str) -> CacheKey | None:
        """The key of a model's answer, or None if none of its is looked up and kept.

        An empty ``model_tag`` is a model that nobody can name for certain.
        """
        key = ask.question.key
        if self._cache is None or ask.route.bypass or ask.directives.no_store or not model_tag:
            return None
        return key.by(model_tag) if key is not None else None

    async def find(self, key: CacheKey, ask: Ask) -> Found | None:
        """What there is for who asks, be it only for need."""
        directives = ask.directives
        if directives.no_cache and directives.stale_if_error is None:
            return None
        if key.items:
            return _joined(await self.find_items(key, ask))
        return await self._find(key, ask)

    async def find_items(self, key: CacheKey, ask: Ask) -> list[Found | None]:
        """What there is for each of the single questions in a request."""
        keys = (CacheKey(item) for item in key.items)
        return await asyncio.gather(*(self._find(item, ask) for item in keys))

    async def _find(self, key: CacheKey, ask: Ask) -> Found | None:
        entry = await self._cache.get(key.digest) if self._cache is not None else None
        if entry is None:
            return None
        age = max(0.0, self._clock.wall() - entry.stored_at)
        good_for = judge_age(
            age,
            ask.directives,
            self._settings.ttl_seconds,
            is_asked_again=self._is_asked_again(key, ask.session, entry),
            is_spare_kept=self._settings.stale_if_error,
        )
        fitting = _fitting(entry, ask) if good_for is not Freshness.SPENT else None
        if fitting is None:
            return None
        found = Found(fitting, int(age), good_for)
        if found.answers:
            self._remember(key, ask.session)
        return found

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
        self,
        key: CacheKey,
        ask: Ask,
        *,
        body: bytes,
        headers: Headers,
        served_by: str,
        model: str,
    ) -> None:
        """Keep a whole answer, beside the request: its client may leave and must not wait.

        ``model`` is its model as people name it, by which it may be dropped.
        """
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
            model=model,
        )
        self._remember(key, ask.session)
        if not key.items:
            self._cache.put(key.digest, entry)
            return
        task = asyncio.create_task(self._put_items(self._cache, key, ask, entry))
        self._puts.add(task)
        task.add_done_callback(self._puts.discard)

    async def _put_items(self, cache: Cache, key: CacheKey, ask: Ask, whole: Entry) -> None:
        for item, body in zip(key.items, await split(whole.body, ask) or (), strict=False):
            cache.put(item, replace(whole, body=body, headers=_JSON))

    async def settle(self) -> None:
        """Wait until everything kept so far is written."""
        await asyncio.gather(*self._puts)
        if self._cache is not None:
            await self._cache.settle()


async def split(body: bytes, ask: Ask) -> list[bytes] | None:
    """The answers to the single questions of a request, if each has one."""
    if len(body) > _LARGE_BYTES:
        return await asyncio.to_thread(split_answer, body, ask.question.sizes)
    return split_answer(body, ask.question.sizes)


def _joined(each: list[Found | None]) -> Found | None:
    """One answer to all of them, as old as its oldest part and good for no more than any."""
    found = [one for one in each if one is not None]
    if len(found) < len(each):
        return None
    entry = replace(found[0].entry, body=join_answer([one.entry.body for one in found]))
    worst = max((one.good_for for one in found), key=list(Freshness).index)
    return Found(entry, max(one.age for one in found), worst)


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
