"""What every request passes: time catching up, the edge, the key, the quota, the faults."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final

from aiohttp import web

from podman_llm.testing.runpod_containers import Containers
from podman_llm.testing.runpod_faults import Faults, Handler
from podman_llm.testing.runpod_pod import RentedPod
from podman_llm.testing.runpod_problem import Problem, not_found, rate_limited
from podman_llm.testing.runpod_world import World

ADMIN: Final = "/_double/"
"""Where the double itself is steered; no key, no faults, no part of RunPod."""

_WINDOWS: Final = (("minute", 60, 1), ("hour", 3600, 50), ("day", 86400, 800))
"""Quota windows: name, seconds, and the quota as a multiple of the minute's."""


@dataclass
class Quota:
    """Requests of the account per window of the world's clock."""

    per_minute: int
    _used: dict[tuple[str, int], int] = field(default_factory=dict)

    def count(self, now: float) -> dict[str, str]:
        """Count one request; the two headers that go with its answer.

        Raises:
            Problem: 429 when the minute is used up.
        """
        live, policy = [], []
        for name, seconds, factor in _WINDOWS:
            window = (name, int(now // seconds))
            self._used[window] = self._used.get(window, 0) + 1
            quota = self.per_minute * factor
            left = max(0, quota - self._used[window])
            live.append(f'"{name}";r={left};t={int(seconds - now % seconds)}')
            policy.append(f'"{name}";q={quota};w={seconds}')
        headers = {"RateLimit": ", ".join(live), "RateLimit-Policy": ", ".join(policy)}
        if self._used["minute", int(now // 60)] > self.per_minute:
            refusal = rate_limited(60 - now % 60)
            refusal.headers |= headers
            raise refusal
        return headers


class Gate:
    """The one middleware. ``requests`` keeps what came in, as ``METHOD /path``."""

    def __init__(
        self, world: World, containers: Containers, faults: Faults, *, api_key: str, quota: Quota
    ) -> None:
        self._world = world
        self._containers = containers
        self._faults = faults
        self._api_key = api_key
        self._quota = quota
        self.requests: list[str] = []

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let the world catch up, answer, and let the containers follow what was done."""
        await self.catch_up()
        try:
            if request.path.startswith(ADMIN):
                return await handler(request)
            return await self._answer(request, handler)
        finally:
            await self.catch_up()

    async def catch_up(self) -> None:
        """Do what has become due."""
        now = self._world.settle()
        await self._containers.reconcile(self._world.rented.values(), now)

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        if request.headers.get("User-Agent", "").startswith("Python-urllib"):
            return web.Response(status=403, text="error code: 1010")
        try:
            answer = await self._behind_edge(request, handler)
        except Problem as problem:
            answer = problem.response()
        if not answer.prepared:
            answer.headers["x-request-id"] = f"req-{len(self.requests):08d}"
        return answer

    async def _behind_edge(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith("/v1/"):
            raise Problem(
                410, "REST API v1 was retired on 2026-11-15; use https://api.runpod.io/v2"
            )
        if request.path == "/graphql":
            await self._check_key(request)
            return await handler(request)  # its own faults: all of it is one path
        if not request.path.startswith("/v2/"):
            return await self._faults.around(request, handler)
        await self._check_key(request)
        headers = self._quota.count(self._world.settle())
        try:
            answer = await self._faults.around(request, _in_problems(handler))
        except Problem as problem:
            problem.headers |= headers
            raise
        if not answer.prepared:
            answer.headers.update(headers)
        return answer

    async def _check_key(self, request: web.Request) -> None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if request.path == "/graphql" and "api_key" in request.query:
            scheme, key = "Bearer", request.query["api_key"]
        if scheme.lower() != "bearer" or not key:
            raise Problem(401, "missing bearer token")
        if key == self._api_key:
            return
        pod = next((pod for pod in self._world.live() if pod.scoped_key == key), None)
        if pod is None:
            raise Problem(401, "invalid bearer token")
        if pod.key_status != HTTPStatus.OK or not await _is_about(request, pod):
            raise Problem(403, "access denied")


async def _is_about(request: web.Request, pod: RentedPod) -> bool:
    """Whether a request is about this pod and no other; its own key is good for no more."""
    if request.path == "/graphql":
        return pod.id.encode() in await request.read()
    own = f"/v2/pods/{pod.id}"
    return request.path == own or request.path.startswith(f"{own}/")


def _in_problems(handler: Handler) -> Handler:
    """The router's own 404 and 405, said as the API says them."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPMethodNotAllowed as err:
            allowed = {"Allow": ", ".join(sorted(err.allowed_methods))}
            raise Problem(405, "method not allowed", headers=allowed) from err
        except web.HTTPException as err:
            if err.status != HTTPStatus.NOT_FOUND:
                raise
            raise not_found() from err

    return answer
