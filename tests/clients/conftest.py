"""Each client on each upstream; the programs run as long as the tests do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients.conversation import COMMANDS, Client
from tests.clients.stage import Stage


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
