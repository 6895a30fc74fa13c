"""Puts the parts together: the only module that names concrete adapters.

Each function imports what its process needs and no more: a proxy worker never loads ``requests``,
the daemon never loads ``aiohttp``.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
import socket
import ssl
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from podman_llm.config.directories import user_cache_dir
from podman_llm.config.inheritance import drop_keys, inherited
from podman_llm.config.models import BackendSettings, BudgetSettings, ProxySettings, Settings
from podman_llm.config.outbound import outbound_of_environment
from podman_llm.config.secrets import (
    RUNPOD_API_KEY,
    RUNPOD_ENDPOINT_API_KEY,
    Secret,
    find_backend_key,
    find_secret,
    require_runpod_key,
)
from podman_llm.config.systemd import take_unit_environment
from podman_llm.errors import ConfigError
from podman_llm.host.clock import SystemClock
from podman_llm.host.process import is_alive
from podman_llm.state.activity import ActivitySummary, load_activities, summarise
from podman_llm.state.demand import load_demand
from podman_llm.state.double import DEMO_KEY, load_double
from podman_llm.state.paths import StatePaths

if TYPE_CHECKING:
    from podman_llm.cache.base import Cache
    from podman_llm.cache.disk import DiskStore
    from podman_llm.pods.announce import Channel
    from podman_llm.pods.controller import Controller
    from podman_llm.pods.planning import Plan
    from podman_llm.providers.base import Provider
    from podman_llm.proxy.activity import Activity
    from podman_llm.proxy.backends import Backend
    from podman_llm.proxy.targets import Targets
    from podman_llm.state.owner import Owner
    from podman_llm.supervisor.endpoint import Bind
    from podman_llm.telemetry.logs import Redactor
    from podman_llm.upstreams.base import Upstream

_CLOCK: Final = SystemClock()
_BASE32: Final = "abcdefghijklmnopqrstuvwxyz234567"
_SELF: Final = (sys.executable, "-m", "podman_llm")
_PROXY_SOCKET: Final = "proxy"
"""Its name in the socket unit."""


# The provider ------------------------------------------------------------------------------------


def make_provider(settings: Settings, paths: StatePaths, key: Secret | None = None) -> Provider:
    """The provider that the settings name; ``key`` is looked up when it is not given.

    Raises:
        ProviderRefused: it needs a key and there is none.
    """
    if settings.provider.kind == "local":
        from podman_llm.providers.local import LocalProvider

        command, folder = settings.provider.local_command, paths.root / "local"
        return LocalProvider(command, folder, _CLOCK, environ=inherited(settings))
    from podman_llm.providers.runpod.provider import RunpodProvider

    double = load_double(paths)
    if double is not None and settings.provider.api_base == double.url:
        # A real key goes to RunPod, never to the demo's double.
        return RunpodProvider(settings.provider, DEMO_KEY, _CLOCK)
    found = key or require_runpod_key()
    return RunpodProvider(settings.provider, found.reveal(), _CLOCK)


def plan_only(settings: Settings, paths: StatePaths) -> Plan:
    """What ``up`` would rent. Reads the provider's catalog, writes nothing.

    Raises:
        PodmanLLMError: nothing can be rented, and why.
    """
    from podman_llm.pods.planning import LivePlanner

    return LivePlanner(make_provider(settings, paths), _CLOCK)(settings)


# The daemon --------------------------------------------------------------------------------------


def run_daemon(paths: StatePaths, *, log_to_stderr: bool = False) -> int:
    """Own the state directory until told to stop; the exit code is the daemon's.

    Raises:
        LockHeld: another daemon has this state directory.
    """
    from podman_llm.core.restart import RestartPolicy
    from podman_llm.daemon import Daemon
    from podman_llm.host.signals import Signals
    from podman_llm.host.systemd import Notifier, passed_sockets
    from podman_llm.state.owner import load_or_create_owner
    from podman_llm.supervisor.endpoint import Endpoint
    from podman_llm.telemetry.logs import Redactor, start_logging

    unit = take_unit_environment(pid=os.getpid())
    listener = passed_sockets(unit.socket_names).get(_PROXY_SOCKET)
    paths.ensure()
    owner = load_or_create_owner(paths, token=secrets.token_bytes)
    key = find_secret(RUNPOD_API_KEY)
    drop_keys()
    redactor = Redactor([owner.secret, *([key.reveal()] if key else [])])
    start_logging(sys.stderr if log_to_stderr else paths.daemon_log, redactor=redactor)

    def argv(slot: int, listen_fd: int, lifeline_fd: int) -> list[str]:
        options = {"--state-dir": paths.root, "--slot": slot, "--fd": listen_fd}
        flat = [str(word) for option in options.items() for word in option]
        return [*_SELF, "worker", *flat, "--lifeline", str(lifeline_fd)]

    return Daemon(
        paths=paths,
        clock=_CLOCK,
        signals=Signals(),
        endpoint=Endpoint(
            paths=paths, clock=_CLOCK, argv=argv, bind=_binder(listener), policy=RestartPolicy()
        ),
        make_controller=lambda settings: _make_controller(settings, paths, owner, key),
        redact=redactor.strike,
        notifier=Notifier(unit.notify_socket, unit.watchdog_seconds),
        first_settings=_settings_at(listener) if listener else None,
    ).run()


def _binder(passed: socket.socket | None) -> Bind:
    """The port is taken where no unit holds it for us."""
    from podman_llm.host.sockets import bind_listener
    from podman_llm.host.systemd import hold_passed

    return partial(hold_passed, passed) if passed else bind_listener


def _settings_at(listener: socket.socket) -> Settings:
    """Defaults, for a socket that has clients before anybody wished for anything."""
    host, port = listener.getsockname()[:2]
    return Settings(proxy_port=port, proxy=ProxySettings(host=host))


def _make_controller(
    settings: Settings, paths: StatePaths, owner: Owner, key: Secret | None
) -> Controller:
    from podman_llm.pods.accounts import Accounts
    from podman_llm.pods.announce import Announcer
    from podman_llm.pods.controller import Controller
    from podman_llm.pods.planning import LivePlanner
    from podman_llm.providers.probe import HttpProber
    from podman_llm.state.store import StateStore
    from podman_llm.usage.ledger import open_ledger

    provider = make_provider(settings, paths, key)
    return Controller(
        provider=provider,
        prober=HttpProber(_CLOCK),
        store=StateStore(paths, _CLOCK),
        owner=owner,
        clock=_CLOCK,
        token=_token,
        planner=LivePlanner(provider, _CLOCK),
        activity=lambda: _activity(paths),
        demand=lambda: load_demand(paths),
        accounts=Accounts(provider, owner.id, lambda: open_ledger(paths.ledger)),
        announce=Announcer(_channels(settings.budget)),
    )


def _channels(budget: BudgetSettings) -> list[Channel]:
    """Where warnings go besides the log and ``status``."""
    from podman_llm.host.desktop import notify
    from podman_llm.providers.webhook import Webhook

    hooks: list[Channel] = []
    if budget.warn_webhook is not None:
        hooks.append(Webhook(budget.warn_webhook, _CLOCK).send)
    if budget.warn_desktop:
        hooks.append(lambda message: notify("podman-llm", str(message["text"])))
    return hooks


def _token(length: int) -> str:
    return "".join(secrets.choice(_BASE32) for _ in range(length))


def _activity(paths: StatePaths) -> ActivitySummary:
    return summarise(load_activities(paths), is_alive=is_alive)


# The proxy ---------------------------------------------------------------------------------------


def run_worker(paths: StatePaths, *, slot: int, listen_fd: int, lifeline_fd: int) -> None:
    """Serve the proxy on the daemon's socket until told to stop."""
    from podman_llm.pods.wishes import wish_in_force
    from podman_llm.proxy.activity import Activity
    from podman_llm.proxy.targets import RecordTargets
    from podman_llm.telemetry.logs import Redactor, start_logging

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
    from podman_llm.host.sockets import bind_listener
    from podman_llm.proxy.activity import Activity
    from podman_llm.proxy.targets import FixedTarget
    from podman_llm.telemetry.logs import Redactor, start_logging

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
        from podman_llm.proxy.app import build_app
        from podman_llm.proxy.demands import Demands
        from podman_llm.proxy.orders import SharedOrders
        from podman_llm.proxy.server import serve
        from podman_llm.proxy.telling import telling
        from podman_llm.upstreams.openai import OpenAIUpstream

        proxy = settings.proxy
        upstream = OpenAIUpstream(
            connect_timeout=proxy.connect_timeout_seconds,
            idle_timeout=proxy.idle_timeout_seconds,
            outbound=outbound_of_environment(),
        )
        cache, problem = _make_cache(settings)
        demands = Demands(slot=activity.slot, clock=_CLOCK)
        app = build_app(
            settings=settings,
            targets=targets,
            cache=cache,
            cache_problem=problem,
            upstream=upstream,
            backends=[
                _make_backend(one, proxy, upstream, redactor) for one in settings.fallback.backends
            ],
            clock=_CLOCK,
            request_ids=_request_ids(),
            activity=activity,
            demands=demands,
            state_view=lambda: _summary(activity, paths),
            chance=secrets.SystemRandom().random,
            orders=SharedOrders(paths) if paths else None,
        )
        activity.cache_problem = problem
        opened()
        async with telling(activity, demands, paths):
            await serve(
                app,
                sock,
                ssl_context=tls,
                drain_seconds=proxy.drain_seconds,
                lifeline_fd=lifeline_fd,
            )

    asyncio.run(main())


def _make_backend(
    settings: BackendSettings, proxy: ProxySettings, shared: Upstream, redactor: Redactor
) -> Backend:
    """A fallback; what is wrong with one keeps it out of use, and never the proxy."""
    from podman_llm.proxy.backends import backend_of

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
    from podman_llm.host.sockets import server_tls

    return server_tls(settings.ssl_cert, settings.ssl_key)


# The cache ---------------------------------------------------------------------------------------


def cache_directory(settings: Settings) -> Path:
    """Where answers are kept."""
    return settings.cache_dir or user_cache_dir() / "answers"


def _make_cache(settings: Settings) -> tuple[Cache | None, str]:
    """The tiers, or None and why: the proxy serves without a cache rather than not at all."""
    from podman_llm.cache.memory import MemoryCache
    from podman_llm.cache.threaded import DiskCache
    from podman_llm.cache.tiered import TieredCache

    if not settings.caches:
        return None, ""
    try:
        store = open_store(settings)
    except ConfigError as err:
        return None, err.message
    store.prepare()
    memory = MemoryCache(max_entries=settings.max_cache_size, max_bytes=settings.cache.memory_bytes)
    return TieredCache(memory, DiskCache(store)), store.stats().problem


def open_store(settings: Settings) -> DiskStore:
    """The disk tier, for callers without an event loop.

    Raises:
        ConfigError: the directory is not ours alone.
    """
    from podman_llm.cache.disk import open_disk_cache

    return open_disk_cache(
        cache_directory(settings),
        max_entries=settings.max_cache_size,
        max_bytes=settings.max_cache_bytes,
        clock=_CLOCK,
    )
