from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from podman_llm.cli.main import cli
from podman_llm.errors import NotFound, UpstreamUnreachable
from tests.proxy.failover_rig import House, house

CLOSED = {"state": "CLOSED", "why": "", "shut_seconds": 0.0}


@pytest.fixture(params=[False, True], ids=["open", "keyed"])
async def proxy(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[House]:
    told: dict[str, Any] = {}
    if request.param:
        keys = tmp_path / "keys"
        keys.write_text("key-of-mine\n")
        keys.chmod(0o600)
        told = {"api_keys_file": str(keys)}
    monkeypatch.chdir(tmp_path)
    async with house("other", settings={"proxy": told}) as rig:
        port = int(rig.url.rpartition(":")[2])
        config = {"proxy_port": port, "proxy": told}
        (tmp_path / "pod_config.json").write_text(json.dumps(config))
        yield rig


async def run(*words: str) -> Result:
    """One command, in a thread: the proxy it talks to runs on this loop."""
    arguments = ["--state-dir", "state", "breaker", *words]
    return await asyncio.to_thread(CliRunner().invoke, cli, arguments)


@pytest.mark.usefixtures("proxy")
async def test_the_circuits_are_shown_opened_and_closed() -> None:
    assert (await run()).output.split() == ["pod", "CLOSED", "other", "CLOSED"]
    opened = (await run("open", "other")).output.splitlines()[1]
    assert opened.split(maxsplit=2) == ["other", "OPEN", "shut by hand"]
    shown = json.loads((await run("status", "--json")).output)
    assert shown["other"] == {"state": "OPEN", "why": "shut by hand", "shut_seconds": None}
    assert (await run("close", "other")).exit_code == 0
    assert json.loads((await run("status", "--json")).output) == {"pod": CLOSED, "other": CLOSED}


async def test_an_open_circuit_tells_why_and_for_how_long(proxy: House) -> None:
    await proxy.pod.kill()
    key = {"Authorization": "Bearer key-of-mine"}
    await proxy.ask(headers=key)
    line = (await run()).output.splitlines()[0]
    assert line.startswith("pod ")
    assert "cannot be reached" in line
    assert line.endswith("; for 5 s more")


@pytest.mark.usefixtures("proxy")
async def test_a_name_that_is_none_is_told_with_those_that_are() -> None:
    err = (await run("open", "claude")).exception
    assert isinstance(err, NotFound)
    assert "known are pod, other" in err.message


async def test_where_no_proxy_answers_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pod_config.json").write_text('{"proxy_port": 1}')
    err = (await run()).exception
    assert isinstance(err, UpstreamUnreachable)
    assert "http://localhost:1" in err.message
