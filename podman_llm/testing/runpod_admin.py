"""``/_double/…``: the same strings as ``Controls``, for other processes and for curl."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from podman_llm.testing.runpod_controls import Controls
from podman_llm.testing.runpod_gate import ADMIN
from podman_llm.testing.runpod_problem import Problem

Deed = Callable[[dict[str, Any]], Any]


class AdminRoutes:
    """Reading is GET, pulling is POST with a JSON object, letting go is DELETE."""

    def __init__(self, controls: Controls, requests: list[str]) -> None:
        self._controls = controls
        self._requests = requests

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the routes."""
        controls = self._controls
        reads: dict[str, Callable[[], Any]] = {
            "bill": lambda: controls.bill().to_json(),
            "pods": controls.pods,
            "clock": lambda: {"now": controls.now()},
            "requests": lambda: self._requests,
        }
        deeds: dict[str, Deed] = {
            "faults": lambda body: controls.fault(**body),
            "quirks": lambda body: controls.quirk(**body),
            "capacity": lambda body: controls.close_capacity(**body),
            "clock": lambda body: {"now": controls.advance(**body)},
            "balance": lambda body: controls.set_balance(**body),
        }
        ends: dict[str, Callable[[], Any]] = {
            "faults": controls.clear_faults,
            "capacity": controls.open_capacity,
        }
        for name, read in reads.items():
            router.add_get(ADMIN + name, _reading(read), allow_head=False)
        for name, deed in deeds.items():
            router.add_post(ADMIN + name, _doing(deed))
        for name, end in ends.items():
            router.add_delete(ADMIN + name, _reading(end))
        router.add_post(ADMIN + "pods/{id}/{deed:kill|exit|fail|vanish}", self._on_pod)

    async def _on_pod(self, request: web.Request) -> web.StreamResponse:
        pod_id = request.match_info["id"]
        try:
            match request.match_info["deed"]:
                case "kill":
                    await self._controls.kill_container(pod_id)
                case "exit":
                    self._controls.exit_pod(pod_id)
                case "fail":
                    self._controls.fail_pod(pod_id)
                case _:
                    self._controls.vanish(pod_id)
        except Problem as problem:
            return problem.response()
        return web.json_response({})


def _reading(read: Callable[[], Any]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(read() or {})

    return answer


def _doing(deed: Deed) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return web.json_response(deed(json.loads(await request.read())) or {})
        except (ValueError, TypeError) as err:
            return web.json_response({"error": str(err)}, status=400)

    return answer
