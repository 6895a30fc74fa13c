from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from podman_llm.proxy.orders import SharedOrders
from podman_llm.state.paths import StatePaths
from tests.proxy.failover_rig import house
from tests.proxy.rig import ANSWER, http, proxy, says

ASK: dict[str, list[str]] = {"messages": []}


async def test_health_tells_what_serves_and_until_when(tmp_path: Path) -> None:
    settings = {"cache_dir": str(tmp_path), "proxy_port": 8123}
    pod = {"pod_state": "READY", "served_by": "pod/abc", "deadline": 1e9, "api_key": "pllm-secret"}
    async with proxy(says(), settings=settings, target=pod) as rig:
        rig.clock.advance(12.5)
        answer = await rig.ask(path="/health", method="GET")
        told = json.loads(answer.body)
        assert (answer.status, told["status"]) == (200, "ok")
        assert told["endpoint"] == "http://localhost:8123/v1"
        assert told["cache_dir"] == str(tmp_path)
        assert (told["uptime"], told["pod_state"], told["deadline"]) == (12.5, "READY", 1e9)
        assert b"secret" not in answer.body


async def test_health_is_fine_while_the_pod_is_not() -> None:
    async with proxy(says(), target={"url": None, "pod_state": "LOST", "message": "gone"}) as rig:
        answer = await rig.ask(path="/health", method="GET")
        assert answer.status == 200
        assert json.loads(answer.body)["message"] == "gone"
        assert not rig.upstream.turns


async def test_metrics_are_json_for_people() -> None:
    async with proxy(says(http(ANSWER))) as rig:
        for _ in range(4):
            await rig.ask(ASK)
        for headers in ({}, {"Accept": "*/*"}, {"Accept": "application/json"}):
            told = json.loads((await rig.ask(path="/metrics", method="GET", headers=headers)).body)
            assert (told["cache_hits"], told["cache_misses"]) == (3, 1)
            assert (told["cache_hit_rate"], told["cache_entries"]) == (0.75, 1)


@pytest.mark.parametrize(
    "accept",
    [
        "text/plain",
        "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    ],
)
async def test_metrics_are_text_for_scrapers(accept: str) -> None:
    async with proxy(says(http(ANSWER))) as rig:
        await rig.ask(ASK)
        answer = await rig.ask(path="/metrics", method="GET", headers={"Accept": accept})
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert b'podman_llm_requests_total{cache="miss"} 1\n' in answer.body


async def test_the_cache_is_shown_only_when_profiling() -> None:
    async with proxy(says(http(b"{}", status="404 Not Found"))) as rig:
        assert (await rig.ask(path="/debug/cache", method="GET")).status == 404
    async with proxy(says(), settings={"enable_profiling": True}) as rig:
        told = json.loads((await rig.ask(path="/debug/cache", method="GET")).body)
        assert told["stats"]["max_entries"] == 100
        assert told["settings"]["policy"] == "all"


async def test_circuits_are_shown_and_overruled_by_hand() -> None:
    async with house("other") as rig:

        async def told(method: str, path: str) -> tuple[int, Any]:
            async with rig.session.request(method, f"{rig.url}/admin/breaker{path}") as response:
                return response.status, await response.json()

        closed = {"state": "CLOSED", "why": "", "shut_seconds": 0.0}
        assert await told("GET", "") == (200, {"pod": closed, "other": closed})
        _, shown = await told("POST", "/pod/open")
        assert shown["pod"] == {"state": "OPEN", "why": "shut by hand", "shut_seconds": None}
        assert (await rig.ask()).models == {"other-model"}
        assert not rig.pod.requests
        assert (await told("POST", "/pod/close"))[1]["pod"] == closed
        assert (await rig.ask()).models == {"pod-model"}
        status, refused = await told("POST", "/claude/open")
        assert status == 404
        assert "known are pod, other" in refused["error"]["message"]


async def test_two_workers_follow_one_order_and_a_full_disk_is_told(tmp_path: Path) -> None:
    paths = StatePaths(tmp_path / "state")
    paths.ensure()
    async with (
        house("other", orders=SharedOrders(paths)) as first,
        house("other", orders=SharedOrders(paths)) as second,
    ):
        await first.overrule("other", "open")
        async with asyncio.timeout(5):
            while second.activity.snapshot().circuits["other"] != "OPEN":  # noqa: ASYNC110 - it says so to nobody
                await asyncio.sleep(0.01)
        shutil.rmtree(paths.orders_dir)
        async with first.session.post(f"{first.url}/admin/breaker/other/close") as response:
            assert response.status == 500
            told = (await response.json())["error"]
        assert told["code"] == "not_written"
        assert "free some space" in told["message"]
        assert first.activity.snapshot().circuits["other"] == "OPEN"


async def test_how_often_others_answered_is_counted() -> None:
    async with house("other") as rig:
        await rig.pod.kill()
        await rig.ask()
        async with rig.session.get(f"{rig.url}/metrics") as response:
            told = await response.json()
        assert (told["failed_attempts"], told["fallback_answers"]) == (1, 1)
        assert told["circuits"] == {"pod": "OPEN", "other": "CLOSED"}
        headers = {"Accept": "text/plain"}
        async with rig.session.get(f"{rig.url}/metrics", headers=headers) as response:
            text = await response.text()
        assert 'podman_llm_circuit_state{upstream="pod",state="OPEN"} 1\n' in text
        assert "podman_llm_fallback_answers_total 1\n" in text
