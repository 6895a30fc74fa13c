"""Who a plan's name stands for: how it is asked, in which words, and where its answer is kept."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from podman_llm.core.cachekey import CacheKey
from podman_llm.core.freshness import rank
from podman_llm.core.pricing import FREE, Quote, beyond
from podman_llm.core.routing import POD, Policy
from podman_llm.proxy.backends import Backend
from podman_llm.proxy.inquiry import Inquiry
from podman_llm.proxy.parts import Part, part_of
from podman_llm.proxy.questions import Ask
from podman_llm.proxy.shelf import Found, Shelf
from podman_llm.proxy.streaming import Keeper
from podman_llm.upstreams.base import Answer, Call, Upstream

_KEPT_HEADERS: Final = frozenset({"content-type"})
# Wording a larger body anew takes longer than other requests should wait.
_LARGE_BYTES: Final = 512 * 1024


@dataclass(frozen=True, slots=True)
class Shelved:
    """Where somebody's answer to a request is kept; ``key`` None is nowhere.

    ``model`` is whose answer it is. ``part`` is what is left to ask of a request of which something
    is kept already; ``key`` and ``ask`` are then of that alone.
    """

    shelf: Shelf
    key: CacheKey | None
    ask: Ask
    served_by: str
    model: str
    part: Part | None = None

    async def find(self) -> Found | None:
        """The answer kept, be it only for need."""
        return await self.shelf.find(self.key, self.ask) if self.key is not None else None

    async def less_known(self) -> Shelved:
        """The same without what need not be asked."""
        part = await part_of(self.shelf, self.key, self.ask)
        return replace(self, key=part.key, ask=part.ask, part=part) if part else self

    def keeper(self, answer: Answer) -> Keeper:
        """Collects the answer as it passes."""
        key = self.key
        if key is None:
            return Keeper(0, _forget)
        headers = tuple(pair for pair in answer.headers if pair[0].lower() in _KEPT_HEADERS)

        def keep(body: bytes) -> None:
            self.shelf.keep(
                key,
                self.ask,
                body=body,
                headers=headers,
                served_by=self.served_by,
                model=self.model,
            )

        return Keeper(self.shelf.max_entry_bytes, keep)


@dataclass(frozen=True, slots=True)
class Asked:
    """One who is asked. ``name`` is that of the plan and of the circuit.

    ``micros`` is what it may cost at most, in micro-dollars, where somebody limits that.
    """

    name: str
    upstream: Upstream
    call: Call
    shelved: Shelved
    micros: int = 0

    @property
    def served_by(self) -> str:
        """What the answer says of its origin."""
        return self.shelved.served_by

    @property
    def is_pod(self) -> bool:
        """Whether it is the pod."""
        return self.name == POD


class Asking:
    """Makes calls out of names; ``shelf`` keeps the pod's answers, ``others`` all others."""

    def __init__(
        self,
        *,
        pod: Upstream,
        backends: Mapping[str, Backend],
        shelf: Shelf,
        others: Shelf,
        keeps_credentials: bool,
    ) -> None:
        self._pod = pod
        self._backends = backends
        self._shelf = shelf
        self._others = others
        self._keeps_credentials = keeps_credentials

    def shelved(self, name: str, inquiry: Inquiry) -> Shelved:
        """Where the answer of ``name`` would be."""
        ask = inquiry.ask
        if name == POD:
            target = inquiry.target
            return Shelved(self._shelf, inquiry.key, ask, target.served_by, target.model_tag)
        backend, model = self._backends[name], ask.question.needs.model
        served_by = backend.served_by(model)
        key = self._others.key(ask, backend.tag(model))
        return Shelved(self._others, key, ask, served_by, served_by)

    def beyond(self, name: str, inquiry: Inquiry, *, spent: int) -> str:
        """Why the request's ceiling forbids to ask, after so much was ``spent``; empty if not."""
        return beyond(self._quote(name, inquiry), inquiry.ceiling, spent)

    def _quote(self, name: str, inquiry: Inquiry) -> Quote:
        if inquiry.ceiling is None or name == POD:
            return FREE
        return self._backends[name].quote(inquiry.ask.question.needs)

    async def stand_in(self, inquiry: Inquiry) -> tuple[str, Found] | None:
        """Whose kept answer to give when nobody has a new one, and it; None if none may be.

        Who wants the pod alone gets nobody else's old answer either.
        """
        names = (POD,) if inquiry.policy is Policy.FAIL else (POD, *self._backends)
        each = [(name, await self.shelved(name, inquiry).find()) for name in names]
        return min(((name, found) for name, found in each if found), key=_rank, default=None)

    async def asked(self, name: str, inquiry: Inquiry, shelved: Shelved) -> Asked:
        """The call to ``name``."""
        shelved = await shelved.less_known()
        if shelved.part is not None or name != POD:
            inquiry = replace(inquiry, ask=shelved.ask)
        if name == POD:
            call = inquiry.to_pod(keeps_credentials=self._keeps_credentials)
            return Asked(name, self._pod, call, shelved)
        backend = self._backends[name]
        if len(inquiry.ask.body) < _LARGE_BYTES:
            upstream, call = backend.asked(inquiry)
        else:
            upstream, call = await asyncio.to_thread(backend.asked, inquiry)
        return Asked(name, upstream, call, shelved, self._quote(name, inquiry).micros or 0)


def _rank(kept: tuple[str, Found]) -> tuple[bool, bool, float]:
    name, found = kept
    return rank(found.good_for, is_pod=name == POD, age=found.age)


def _forget(_body: bytes) -> None:
    """The answer is not wanted."""
