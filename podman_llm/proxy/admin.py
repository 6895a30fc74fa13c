"""What the proxy says of itself, and lets be told: health, numbers, the cache, circuits."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

from aiohttp import hdrs, web

from podman_llm.cache.base import Cache
from podman_llm.config.models import Settings
from podman_llm.errors import StateError
from podman_llm.host.clock import Clock
from podman_llm.proxy.circuits import Circuits
from podman_llm.proxy.envelope import Refusal, json_response
from podman_llm.proxy.metrics import Numbers
from podman_llm.proxy.middleware import MARKS, Gate
from podman_llm.proxy.orders import Obedience
from podman_llm.state.activity import ActivitySummary
from podman_llm.telemetry.metrics import PROMETHEUS_TYPE, prometheus_text

StateView = Callable[[], ActivitySummary]
"""The activity of all workers, this one's as of now."""


class Admin:
    """The routes that are about us."""

    def __init__(
        self,
        *,
        settings: Settings,
        gate: Gate,
        cache: Cache | None,
        cache_problem: str,
        circuits: Circuits,
        obedience: Obedience,
        clock: Clock,
        state_view: StateView,
    ) -> None:
        self._settings = settings
        self._gate = gate
        self._cache = cache
        self._cache_problem = cache_problem
        self._circuits = circuits
        self._obedience = obedience
        self._clock = clock
        self._state_view = state_view
        self._started = clock.monotonic()

    async def health(self, request: web.Request) -> web.Response:
        """200 as long as this worker lives, whatever the pod does; details need the key."""
        if not self._gate.has_key(request):
            return json_response({"status": "ok"})
        target = request[MARKS].target
        cache_dir = self._settings.cache_dir
        return json_response(
            {
                "status": "ok",
                "endpoint": self._settings.url,
                "upstream": target.url,
                "served_by": target.served_by,
                "cache_dir": str(cache_dir) if cache_dir and self._cache else None,
                "cache_problem": await self._problem(),
                "uptime": round(self._uptime(), 3),
                "pod_state": target.pod_state,
                "message": target.message,
                "deadline": target.deadline,
            }
        )

    async def metrics(self, request: web.Request) -> web.Response:
        """JSON, or Prometheus text for who asks for text."""
        numbers = Numbers(
            activity=self._state_view(),
            cache=await self._cache.stats() if self._cache else None,
            uptime=self._uptime(),
            pod_state=request[MARKS].target.pod_state,
        )
        accepted = request.headers.get(hdrs.ACCEPT, "")
        if "text/plain" in accepted or "openmetrics" in accepted:
            text = prometheus_text(numbers.as_metrics())
            return web.Response(body=text.encode(), headers={hdrs.CONTENT_TYPE: PROMETHEUS_TYPE})
        return json_response(numbers.as_json())

    async def debug_cache(self, _request: web.Request) -> web.Response:
        """How full the cache is and what ails it; routed only when profiling is enabled."""
        stats = dataclasses.asdict(await self._cache.stats()) if self._cache else None
        settings = self._settings.cache.model_dump(mode="json")
        return json_response(
            {"stats": stats, "problem": await self._problem(), "settings": settings}
        )

    async def breaker(self, _request: web.Request) -> web.Response:
        """The circuits of this worker."""
        return json_response(self._told())

    async def force(self, request: web.Request) -> web.Response:
        """Open or close a circuit by hand, in all workers; raises Refusal."""
        name = request.match_info["name"]
        known = self._circuits.states()
        if name not in known:
            message = f"there is no upstream {name!r}; known are {', '.join(known)}."
            raise Refusal(404, message, code="no_such_upstream")
        try:
            await self._obedience.order(name, is_open=request.match_info["action"] == "open")
        except StateError as err:
            raise Refusal(500, f"{err}; {err.hint}.", code="not_written") from err
        return json_response(self._told())

    def _told(self) -> dict[str, dict[str, object]]:
        told: dict[str, dict[str, object]] = {}
        for name, state in self._circuits.states().items():
            why, seconds = self._circuits.shut(name) if state == "OPEN" else ("", 0.0)
            is_forced = math.isinf(seconds)
            shut_seconds = None if is_forced else round(seconds, 3)
            told[name] = {"state": state, "why": why, "shut_seconds": shut_seconds}
        return told

    async def _problem(self) -> str:
        if self._cache_problem or self._cache is None:
            return self._cache_problem
        return (await self._cache.stats()).problem

    def _uptime(self) -> float:
        return self._clock.monotonic() - self._started
