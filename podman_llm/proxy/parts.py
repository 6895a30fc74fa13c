"""Embeddings of which some are known: only the others are asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import compress

from podman_llm.core.cachekey import CacheKey
from podman_llm.core.embeddings import inputs_of, join_answer, with_inputs
from podman_llm.errors import UpstreamBroke
from podman_llm.proxy.questions import Ask
from podman_llm.proxy.shelf import Shelf, split


@dataclass(frozen=True, slots=True)
class Part:
    """What is left to ask. ``ask`` and ``key`` are of that alone.

    ``known`` is what is kept of the other texts, by their place in the whole request.
    """

    ask: Ask
    key: CacheKey
    known: Mapping[int, bytes]

    async def complete(self, answer: bytes) -> bytes:
        """The answer to the whole request. Raises UpstreamBroke if a vector is missing."""
        new = await split(answer, self.ask)
        if new is None:
            raise UpstreamBroke("the upstream's answer does not have a vector for each text")
        rest = iter(new)
        count = len(new) + len(self.known)
        return join_answer([self.known.get(index) or next(rest) for index in range(count)])


async def part_of(shelf: Shelf, key: CacheKey | None, ask: Ask) -> Part | None:
    """What to ask of a request of which something is known; None if it is to be asked whole."""
    if key is None or not key.items or ask.directives.no_cache:
        return None
    each = await shelf.find_items(key, ask)
    known = {at: one.entry.body for at, one in enumerate(each) if one and one.answers}
    if not known or len(known) == len(each):
        return None
    missing = [at not in known for at in range(len(each))]
    question = replace(ask.question, sizes=tuple(compress(ask.question.sizes, missing)))
    body = await asyncio.to_thread(_only, ask.body, missing)
    items = tuple(compress(key.items, missing))
    return Part(replace(ask, body=body, question=question), replace(key, items=items), known)


def _only(body: bytes, wanted: list[bool]) -> bytes:
    document = json.loads(body)
    return with_inputs(document, list(compress(inputs_of(document), wanted)))
