"""The proxy put together: routes, the one middleware, what is closed at the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from podman_llm.cache.base import Cache
from podman_llm.config.client_keys import load_client_keys
from podman_llm.config.models import FallbackSettings, RoutingSettings, Settings
from podman_llm.core.breaker import BreakerPolicy
from podman_llm.core.completion import Endpoint
from podman_llm.host.clock import Clock
from podman_llm.proxy.activity import Activity
from podman_llm.proxy.admin import Admin, StateView
from podman_llm.proxy.asking import Asking
from podman_llm.proxy.attempts import Attempts
from podman_llm.proxy.backends import Backend
from podman_llm.proxy.boarding import Boarding
from podman_llm.proxy.circuits import Circuits
from podman_llm.proxy.demands import Demands
from podman_llm.proxy.handlers import Handlers
from podman_llm.proxy.middleware import Boundary, Gate
from podman_llm.proxy.orders import Obedience, Orders, OwnOrders
from podman_llm.proxy.pipeline import Pipeline
from podman_llm.proxy.questions import Questions
from podman_llm.proxy.roster import Roster
from podman_llm.proxy.shelf import Shelf
from podman_llm.proxy.targets import Targets
from podman_llm.upstreams.base import Upstream

# Plain routes are found by one look-up, the pattern that takes all the rest by a search.
_BASES: Final = ("/v1", "", "/nocache/v1", "/nocache")
_ALIAS: Final = "podman-llm"  # the name that works with every pod
_WILDCARD_HOSTS: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - compared, not bound


def build_app(
    *,
    settings: Settings,
    targets: Targets,
    cache: Cache | None,
    cache_problem: str,
    upstream: Upstream,
    clock: Clock,
    request_ids: Callable[[], str],
    activity: Activity,
    demands: Demands,
    state_view: StateView,
    chance: Callable[[], float],
    backends: Sequence[Backend] = (),
    orders: Orders | None = None,
) -> web.Application:
    """The application of one worker. It owns ``cache`` and the upstreams and closes them.

    ``upstream`` reaches the pod, ``backends`` answer in its place, in this order. ``cache_problem``
    says why ``cache`` is None although one is wanted. ``chance`` gives random numbers from 0 to 1.
    ``orders`` are those that all workers follow, None where there is but one. Raises ConfigError.
    """
    gate = _gate(settings)
    way = _make_way(
        settings=settings,
        targets=targets,
        cache=cache,
        upstream=upstream,
        backends=backends,
        clock=clock,
        activity=activity,
        demands=demands,
        chance=chance,
        keeps_credentials=not gate.has_keys,
    )
    boundary = Boundary(
        gate=gate,
        targets=targets,
        activity=activity,
        request_ids=request_ids,
        logs_all=settings.proxy.access_log,
    )
    app = _bounded(boundary, settings.proxy.max_body_bytes)
    obedience = Obedience(orders or OwnOrders(), way.circuits, activity)
    admin = Admin(
        settings=settings,
        gate=gate,
        cache=way.shelf.cache,
        cache_problem=cache_problem,
        circuits=way.circuits,
        obedience=obedience,
        clock=clock,
        state_view=state_view,
    )
    handlers = _handlers(settings, way.pipeline)
    app.add_routes(_routes(admin, handlers, is_profiled=settings.enable_profiling))
    app.on_cleanup.append(way.close)
    if orders is not None:
        app.cleanup_ctx.append(lambda _app: obedience.kept())
    return app


@dataclass(frozen=True)
class _Way:
    """The parts that a request passes, and what they stand on."""

    cache: Cache | None
    upstreams: frozenset[Upstream]
    shelf: Shelf
    others: Shelf
    circuits: Circuits
    roster: Roster
    boarding: Boarding
    pipeline: Pipeline

    async def close(self, _app: web.Application) -> None:
        """End what is under way, write down what was kept, and let everything go."""
        await self.boarding.close()
        await self.roster.close()
        await asyncio.gather(self.shelf.settle(), self.others.settle())
        for upstream in self.upstreams:
            await upstream.close()
        if self.cache is not None:
            await self.cache.close()


def _make_way(
    *,
    settings: Settings,
    targets: Targets,
    cache: Cache | None,
    upstream: Upstream,
    backends: Sequence[Backend],
    clock: Clock,
    activity: Activity,
    demands: Demands,
    chance: Callable[[], float],
    keeps_credentials: bool,
) -> _Way:
    routing = settings.routing
    shelf = Shelf(cache=cache, settings=settings, clock=clock)
    others = Shelf(cache=cache, settings=_for_fallbacks(settings), clock=clock)
    upstreams = tuple(backend.name for backend in backends)
    policy = _breaker_policy(routing)
    circuits = Circuits(upstreams, policy=policy, clock=clock, chance=chance)
    activity.circuits = circuits.states
    roster = Roster(
        targets=targets, pod=upstream, backends=backends, circuits=circuits, routing=routing
    )
    asking = Asking(
        pod=upstream,
        backends=roster.backends,
        shelf=shelf,
        others=others,
        keeps_credentials=keeps_credentials,
    )
    attempts = Attempts(
        roster=roster, asking=asking, circuits=circuits, activity=activity, routing=routing
    )
    boarding = Boarding(
        attempts=attempts,
        activity=activity,
        limit=shelf.max_entry_bytes,
        linger=settings.proxy.linger_seconds,
    )
    pipeline = Pipeline(
        shelf=shelf,
        asking=asking,
        roster=roster,
        boarding=boarding,
        activity=activity,
        demands=demands,
        routing=routing,
        clock=clock,
    )
    owned = frozenset([upstream, *(backend.upstream for backend in backends)])
    return _Way(cache, owned, shelf, others, circuits, roster, boarding, pipeline)


def _bounded(boundary: Boundary, max_body_bytes: int) -> web.Application:
    app = web.Application(middlewares=[boundary.middleware()], client_max_size=max_body_bytes)
    app.on_response_prepare.append(boundary.stamp)
    return app


def _handlers(settings: Settings, pipeline: Pipeline) -> Handlers:
    return Handlers(
        pipeline,
        Questions(settings),
        max_body_bytes=settings.proxy.max_body_bytes,
        pods_names=(settings.modelStoreId, _ALIAS),
        other_names=_other_names(settings.fallback),
    )


def _for_fallbacks(settings: Settings) -> Settings:
    """The settings under which answers of fallbacks are kept."""
    kept = settings.cache.model_copy(update={"ttl_seconds": settings.fallback.ttl_seconds})
    return settings.model_copy(update={"cache": kept})


def _other_names(fallback: FallbackSettings) -> tuple[str, ...]:
    """The names that fallbacks answer to; the one that always works stands for all others."""
    names = [name for backend in fallback.backends for name in backend.models]
    return tuple(_ALIAS if name == "*" else name for name in names)


def _breaker_policy(routing: RoutingSettings) -> BreakerPolicy:
    return BreakerPolicy(
        consecutive=routing.failures,
        first_open=routing.open_seconds,
        longest_open=routing.longest_open_seconds,
        good_calls=routing.good_calls,
        settle_seconds=routing.settle_seconds,
    )


def _routes(admin: Admin, handlers: Handlers, *, is_profiled: bool) -> list[web.RouteDef]:
    own = [
        web.get("/health", admin.health),
        web.get("/metrics", admin.metrics),
        web.get("/admin/breaker", admin.breaker),
        web.post("/admin/breaker/{name}/{action:open|close}", admin.force),
    ]
    if is_profiled:
        own.append(web.get("/debug/cache", admin.debug_cache))
    paths = [f"{base}/{endpoint}" for base in _BASES for endpoint in Endpoint]
    return [
        *own,
        *(web.route("*", path, handlers.answer) for path in paths),
        web.route("*", "/{path:.*}", handlers.answer),
    ]


def _gate(settings: Settings) -> Gate:
    own = () if settings.proxy.host in _WILDCARD_HOSTS else (settings.proxy.host,)
    keys_file = settings.proxy.api_keys_file
    return Gate(
        hosts=(*own, *settings.proxy.allowed_hosts),
        origins=settings.proxy.allowed_origins,
        keys=load_client_keys(keys_file) if keys_file else (),
    )
