"""The control plane put together: one daemon, which never loads ``aiohttp``."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from functools import partial
from typing import Final

from podman_llm.bootstrap.provider import make_provider
from podman_llm.config.inheritance import drop_keys
from podman_llm.config.models import BudgetSettings, ProxySettings, Settings
from podman_llm.config.secrets import RUNPOD_API_KEY, Secret, find_secret, places_of, renewed
from podman_llm.config.systemd import take_unit_environment
from podman_llm.core.restart import RestartPolicy
from podman_llm.daemon import Daemon
from podman_llm.host.clock import SystemClock
from podman_llm.host.desktop import notify
from podman_llm.host.process import is_alive
from podman_llm.host.signals import Signals
from podman_llm.host.sockets import bind_listener
from podman_llm.host.systemd import Notifier, hold_passed, passed_sockets
from podman_llm.pods.accounts import Accounts
from podman_llm.pods.announce import Announcer, Channel
from podman_llm.pods.controller import Controller
from podman_llm.pods.planning import LivePlanner
from podman_llm.providers.probe import HttpProber
from podman_llm.providers.webhook import Webhook
from podman_llm.state.activity import ActivitySummary, load_activities, summarise
from podman_llm.state.demand import load_demand
from podman_llm.state.owner import Owner, load_or_create_owner
from podman_llm.state.paths import StatePaths
from podman_llm.state.store import StateStore
from podman_llm.supervisor.endpoint import Bind, Endpoint
from podman_llm.telemetry.logs import Redactor, start_logging
from podman_llm.usage.ledger import open_ledger

_CLOCK: Final = SystemClock()
_BASE32: Final = "abcdefghijklmnopqrstuvwxyz234567"
_SELF: Final = (sys.executable, "-m", "podman_llm")
_PROXY_SOCKET: Final = "proxy"
"""Its name in the socket unit."""


def run_daemon(paths: StatePaths, *, log_to_stderr: bool = False) -> int:
    """Own the state directory until told to stop; the exit code is the daemon's.

    Raises:
        LockHeld: another daemon has this state directory.
    """
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

    def make_controller(settings: Settings) -> Controller:
        found = renewed(RUNPOD_API_KEY, key)
        redactor.learn([found.reveal()] if found else [])
        return _make_controller(settings, paths, owner, found)

    return Daemon(
        paths=paths,
        clock=_CLOCK,
        signals=Signals(),
        endpoint=Endpoint(
            paths=paths, clock=_CLOCK, argv=argv, bind=_binder(listener), policy=RestartPolicy()
        ),
        make_controller=make_controller,
        key_files=places_of(RUNPOD_API_KEY),
        redact=redactor.strike,
        notifier=Notifier(unit.notify_socket, unit.watchdog_seconds),
        first_settings=_settings_at(listener) if listener else None,
    ).run()


def _binder(passed: socket.socket | None) -> Bind:
    """The port is taken where no unit holds it for us."""
    return partial(hold_passed, passed) if passed else bind_listener


def _settings_at(listener: socket.socket) -> Settings:
    """Defaults, for a socket that has clients before anybody wished for anything."""
    host, port = listener.getsockname()[:2]
    return Settings(proxy_port=port, proxy=ProxySettings(host=host))


def _make_controller(
    settings: Settings, paths: StatePaths, owner: Owner, key: Secret | None
) -> Controller:
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
