"""The data plane put together: one proxy, the daemon's or its own master, without ``requests``."""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
import socket
import ssl
import sys
from collections.abc import Callable
from typing import Final

from podman_llm.bootstrap.answers import open_cache
from podman_llm.config.models import BackendSettings, ProxySettings, Settings
from podman_llm.config.outbound import outbound_of_environment
from podman_llm.config.secrets import RUNPOD_ENDPOINT_API_KEY, find_backend_key, find_secret
from podman_llm.errors import ConfigError
from podman_llm.host.clock import SystemClock
from podman_llm.host.process import is_alive
from podman_llm.host.sockets import bind_listener, server_tls
from podman_llm.pods.wishes import wish_in_force
from podman_llm.proxy.activity import Activity
from podman_llm.proxy.app import build_app
from podman_llm.proxy.backends import Backend, backend_of
from podman_llm.proxy.demands import Demands
from podman_llm.proxy.orders import SharedOrders
from podman_llm.proxy.server import serve
from podman_llm.proxy.targets import FixedTarget, RecordTargets, Targets
from podman_llm.proxy.telling import telling
from podman_llm.state.activity import ActivitySummary, load_activities, summarise
from podman_llm.state.paths import StatePaths
from podman_llm.telemetry.logs import Redactor, start_logging
from podman_llm.upstreams.base import Upstream
from podman_llm.upstreams.openai import OpenAIUpstream

_CLOCK: Final = SystemClock()


def run_worker(paths: StatePaths, *, slot: int, listen_fd: int, lifeline_fd: int) -> None:
    """Serve the proxy on the daemon's socket until told to stop."""
    redactor = Redactor()
    start_logging(sys.stderr, redactor=redactor)
    wish = wish_in_force(paths)
    before = next((one for one in load_activities(paths) if one.slot == slot), None)
    activity = Activity(slot=slot, pid=os.getpid(), clock=_CLOCK, before=before)
    _serve(
        wish.settings if wish else Settings(),
        socket.socket(fileno=listen_fd),
        targets=RecordTargets(paths, _CLOCK),
        activity=activity,
        redactor=redactor,
        paths=paths,
        lifeline_fd=lifeline_fd,
    )


def serve_endpoint(settings: Settings, *, opened: Callable[[], None]) -> None:
    """Serve the proxy before ``settings.endpoint``, in the foreground, until Ctrl-C.

    ``opened`` is called when clients can connect.
    """
    if settings.endpoint is None:
        raise ConfigError("no endpoint is set")
    key = find_secret(RUNPOD_ENDPOINT_API_KEY)
    redactor = Redactor([key.reveal()] if key else [])
    start_logging(sys.stderr, redactor=redactor)
    _serve(
        settings,
        bind_listener(settings.proxy.host, settings.proxy_port),
        targets=FixedTarget(settings.endpoint, api_key=key.reveal() if key else None),
        activity=Activity(slot=0, pid=os.getpid(), clock=_CLOCK),
        redactor=redactor,
        opened=opened,
    )


def _serve(
    settings: Settings,
    sock: socket.socket,
    *,
    targets: Targets,
    activity: Activity,
    redactor: Redactor,
    paths: StatePaths | None = None,
    lifeline_fd: int | None = None,
    opened: Callable[[], None] = lambda: None,
) -> None:
    tls = _tls(settings)

    async def main() -> None:
        upstream, backends = _make_upstreams(settings, redactor)
        cache, activity.cache_problem = open_cache(settings)
        demands = Demands(slot=activity.slot, clock=_CLOCK)
        app = build_app(
            settings=settings,
            targets=targets,
            cache=cache,
            cache_problem=activity.cache_problem,
            upstream=upstream,
            backends=backends,
            clock=_CLOCK,
            request_ids=_request_ids(),
            activity=activity,
            demands=demands,
            state_view=lambda: _summary(activity, paths),
            chance=secrets.SystemRandom().random,
            orders=SharedOrders(paths) if paths else None,
        )
        opened()
        async with telling(activity, demands, paths):
            await serve(
                app,
                sock,
                ssl_context=tls,
                drain_seconds=settings.proxy.drain_seconds,
                lifeline_fd=lifeline_fd,
            )

    asyncio.run(main())


def _make_upstreams(settings: Settings, redactor: Redactor) -> tuple[Upstream, list[Backend]]:
    """Who reaches the pod, and who answers in its place; for the loop that runs."""
    proxy = settings.proxy
    upstream = OpenAIUpstream(
        connect_timeout=proxy.connect_timeout_seconds,
        idle_timeout=proxy.idle_timeout_seconds,
        outbound=outbound_of_environment(),
    )
    return upstream, [
        _make_backend(one, proxy, upstream, redactor) for one in settings.fallback.backends
    ]


def _make_backend(
    settings: BackendSettings, proxy: ProxySettings, shared: Upstream, redactor: Redactor
) -> Backend:
    """A fallback; what is wrong with one keeps it out of use, and never the proxy."""
    key = find_backend_key(settings)
    secret = key.reveal()
    redactor.learn([secret] if secret else [])
    if not settings.is_aws:
        return backend_of(settings, shared, api_key=secret, problem=key.problem)
    try:
        from podman_llm.upstreams.aws_access import open_aws

        upstream = open_aws(settings, secret, _CLOCK, proxy)
    except ConfigError as err:
        return backend_of(settings, shared, problem=f"cannot be used: {err.message}")
    return backend_of(settings, upstream, problem=key.problem)


def _request_ids() -> Callable[[], str]:
    """Unguessable between workers, counted within one: no system call for each request."""
    prefix, numbers = secrets.token_hex(8), itertools.count(1)
    return lambda: f"req-{prefix}-{next(numbers):06x}"


def _summary(own: Activity, paths: StatePaths | None) -> ActivitySummary:
    """All workers, this one as of now and the others as of their files."""
    others = load_activities(paths) if paths else ()
    now = own.snapshot()
    return summarise([now, *(one for one in others if one.slot != now.slot)], is_alive=is_alive)


def _tls(settings: Settings) -> ssl.SSLContext | None:
    if not settings.use_https:
        return None
    if settings.ssl_cert is None or settings.ssl_key is None:
        raise ConfigError("use_https needs ssl_cert and ssl_key")
    return server_tls(settings.ssl_cert, settings.ssl_key)
