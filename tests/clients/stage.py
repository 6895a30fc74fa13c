"""A client before the proxy, and who answers behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

from podman_llm.testing.bedrock_faults import BedrockFault
from tests.clients.conversation import Client, Report
from tests.proxy.failover_rig import House, house

ABSENT: dict[str, Any] = {
    "url": None,
    "pod_state": "DONE",
    "message": "There is no pod.",
    "retry_after": 1,
}


@dataclass
class Stage:
    """A client before the proxy, and who answers behind it: the ``pod`` or ``bedrock``."""

    client: Client
    upstream: str

    @asynccontextmanager
    async def play(
        self,
        *,
        pod: dict[str, Any] | None = None,
        bedrock: dict[str, Any] | None = None,
        settings: dict[str, Any] | None = None,
    ) -> AsyncIterator[Play]:
        """``pod`` and ``bedrock`` are further settings of either, ``settings`` of the proxy."""
        serves = {"embedding_dimensions": 8} | (pod or {})
        has_bedrock = self.upstream == "bedrock"
        backend = (bedrock or {}) if has_bedrock else None
        async with house(pod=serves, bedrock=backend, settings=settings) as rig:
            if has_bedrock:
                rig.set_target(**ABSENT)
            yield Play(self, rig)


@dataclass
class Play:
    """A stage with its house."""

    stage: Stage
    rig: House

    async def ask(self, do: str, **order: Any) -> Report:
        """Have the client do something."""
        told = {"model": "podman-llm", "api_key": "sk-mine", "question": "What is a lock?"}
        place = {"do": do, "base_url": f"{self.rig.url}/v1"}
        return await asyncio.to_thread(self.stage.client.ask, **(told | place | order))

    @property
    def upstream(self) -> str:
        """Who answers."""
        return self.stage.upstream

    def add_bedrock_fault(self, fault: BedrockFault) -> None:
        """A fault of Bedrock's, if it is Bedrock that answers."""
        if self.upstream == "bedrock":
            self.rig.bedrock.add_fault(fault)

    def slow_down(self) -> None:
        """Let Bedrock's events come one by one: what comes with a failure counts for nothing."""
        if self.upstream == "bedrock":
            self.rig.bedrock.config = replace(self.rig.bedrock.config, seconds_per_event=0.005)

    async def wait_until_answered(self) -> None:
        """Return when the proxy has given its first answer."""
        async with asyncio.timeout(30):
            while not self.rig.answered:  # noqa: ASYNC110 - it is a list
                await asyncio.sleep(0.01)

    @property
    def statuses(self) -> list[int]:
        """Those of the proxy's answers, in order."""
        return [one.status for one in self.rig.answered]

    @property
    def cached(self) -> list[str]:
        """What the proxy's answers said of the cache, in order."""
        return [one.headers["X-Cache"] for one in self.rig.answered]
