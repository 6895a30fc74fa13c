"""Each client on each upstream; the programs run as long as the tests do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest

from podman_llm.testing.bedrock_faults import BedrockFault
from tests.clients.conversation import COMMANDS, Client, Report
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
    async def play(self, **more: Any) -> AsyncIterator[Play]:
        """``more`` is the house's."""
        told = more.pop("bedrock", {})
        bedrock = told if self.upstream == "bedrock" else None
        pod = {"embedding_dimensions": 8} | more.pop("pod", {})
        async with house(pod=pod, bedrock=bedrock, **more) as rig:
            if self.upstream == "bedrock":
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


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Client]]:
    """The programs that run, by the client's name."""
    running: dict[str, Client] = {}
    yield running
    for client in running.values():
        client.end()


@pytest.fixture(params=sorted(COMMANDS))
def client(
    request: pytest.FixtureRequest,
    started: dict[str, Client],
    tmp_path_factory: pytest.TempPathFactory,
) -> Client:
    name = request.param
    if name not in started:
        started[name] = Client(name, tmp_path_factory.mktemp(name))
    return started[name]


@pytest.fixture(params=["pod", "bedrock"])
def stage(request: pytest.FixtureRequest, client: Client) -> Stage:
    return Stage(client, request.param)
