"""What is asked, read out of a body once; the very same bytes are not read a second time."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from podman_llm.config.models import Settings
from podman_llm.core.abilities import NO_NEEDS, Needs, needs_of
from podman_llm.core.cachekey import CacheKey, cache_key, compile_volatile, is_cacheable_request
from podman_llm.core.completion import Endpoint, asks_usage_chunk, choices_asked
from podman_llm.core.embeddings import input_digests, inputs_of, without_inputs
from podman_llm.core.routing import Directives, Route
from podman_llm.proxy.envelope import Refusal

_TENANT: Final = ""
_REMEMBERED: Final = 1024
# Reading a larger body as JSON, or hashing it, takes longer than other requests should wait.
_LARGE_BYTES: Final = 512 * 1024


@dataclass(frozen=True, slots=True)
class Question:
    """What matters of a body. ``key`` is None where no answer to it is looked up or kept.

    ``sizes`` are those of the texts of embeddings, one for each of ``key.items``. ``needs`` are
    read only where somebody goes by them: fallbacks to choose from, or a pod that may be woken.
    """

    key: CacheKey | None = None
    wants_stream: bool = False
    wants_usage: bool = False
    choices: int = 1
    sizes: tuple[int, ...] = ()
    needs: Needs = NO_NEEDS


BLIND: Final = Question()
"""A body that is not understood: of another route, or JSON that is no object."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, read. ``session`` is the client's id of a conversation, or empty."""

    route: Route
    query: str
    body: bytes
    question: Question
    directives: Directives
    session: str


class Questions:
    """Reads bodies, and remembers the last ones by digest: a hit then needs no JSON at all."""

    def __init__(self, settings: Settings) -> None:
        self._policy = settings.cache.policy if settings.caches else "off"
        self._volatile: tuple[re.Pattern[str], ...] = compile_volatile(
            settings.cache.volatile_patterns
        )
        self._reads_needs = bool(settings.fallback.backends) or settings.routing.wake
        self._known: OrderedDict[tuple[bytes, Endpoint, str], Question] = OrderedDict()

    async def read(self, body: bytes, endpoint: Endpoint, query: str) -> Question:
        """The question in a body. Raises Refusal for what is no JSON."""
        if len(body) > _LARGE_BYTES:
            return await asyncio.to_thread(self._understand, body, endpoint, query)
        asked = hashlib.sha256(body).digest(), endpoint, query
        question = self._known.get(asked)
        if question is None:
            question = self._known[asked] = self._understand(body, endpoint, query)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return question

    def _understand(self, body: bytes, endpoint: Endpoint, query: str) -> Question:
        document = _parse(body)
        if document is None:
            return BLIND
        texts = inputs_of(document) if endpoint is Endpoint.EMBEDDINGS else []
        return Question(
            key=self._key(document, texts, endpoint, query),
            wants_stream=document.get("stream") is True,
            wants_usage=asks_usage_chunk(document),
            choices=choices_asked(endpoint, document),
            sizes=tuple(map(len, texts)),
            needs=needs_of(endpoint, document) if self._reads_needs else NO_NEEDS,
        )

    def _key(
        self, document: Mapping[str, Any], texts: Sequence[Any], endpoint: Endpoint, query: str
    ) -> CacheKey | None:
        if not is_cacheable_request(document, self._policy, endpoint):
            return None
        place = f"{endpoint}?{query}" if query else endpoint
        if texts:
            common = cache_key(body=without_inputs(document), endpoint=place, tenant=_TENANT)
            items = input_digests(common.digest, texts)
            whole = hashlib.sha256("".join(items).encode("ascii")).hexdigest()
            return CacheKey(whole, items=items)
        return cache_key(body=document, endpoint=place, tenant=_TENANT, volatile=self._volatile)


def _parse(body: bytes) -> Mapping[str, Any] | None:
    """The JSON object, or None for JSON of another kind: the upstream's own words on it are best.

    Raises Refusal for what is no JSON at all.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as err:
        why = "nested too deeply" if isinstance(err, RecursionError) else str(err)
        raise Refusal(400, f"the body is not valid JSON: {why}.", code="invalid_json") from err
    return document if isinstance(document, dict) else None
