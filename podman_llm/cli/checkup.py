"""What ``doctor`` looks at: each check says what it found, and what to do if that is bad."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from podman_llm.cli.context import Context
from podman_llm.cli.durations import format_duration
from podman_llm.errors import PodmanLLMError, StateError
from podman_llm.state.paths import StatePaths

if TYPE_CHECKING:
    from podman_llm.config.models import Settings
    from podman_llm.providers.base import Provider

SKEW_WARN: Final = 5.0
SKEW_FAIL: Final = 60.0
"""Seconds between our clock and the provider's; deadlines are compared across both."""
CATALOG_STALE: Final = 30 * 86400.0
_DISK_LEAST: Final = 100 * 1024 * 1024
_HOUR: Final = 3600.0


class Grade(StrEnum):
    """How a check came out."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Check:
    """One finding; ``fix`` is what to do, empty when nothing is to be done."""

    name: str
    grade: Grade
    found: str
    fix: str = ""


@dataclass(frozen=True)
class Patient:
    """What is examined."""

    context: Context
    paths: StatePaths
    settings: Settings


def examine(context: Context) -> Iterator[Check]:
    """Every check, as it is made; none stops the others."""
    try:
        settings = context.load_settings().settings
    except PodmanLLMError as err:
        yield Check("config", Grade.FAIL, err.message, err.hint)
        return
    yield Check("config", Grade.OK, "valid")
    with contextlib.suppress(StateError):  # `_state` tells of it
        settings = context.settings_at_work()
    patient = Patient(context, context.paths(), settings)
    for check in (_state, _ledger, _disk, _port, _pod, _units, _catalog):
        yield from _guarded(check, patient)
    yield from _remote(patient)


def _guarded(check: Callable[[Patient], Iterator[Check]], patient: Patient) -> Iterator[Check]:
    try:
        yield from check(patient)
    except (PodmanLLMError, OSError) as err:
        hint = err.hint if isinstance(err, PodmanLLMError) else ""
        yield Check(check.__name__.strip("_"), Grade.FAIL, str(err), hint)


# This machine ------------------------------------------------------------------------------------


def _state(patient: Patient) -> Iterator[Check]:
    from podman_llm.state.desired import load_desired
    from podman_llm.state.owner import load_owner
    from podman_llm.state.store import read_pod_state

    root = patient.paths.root
    if not root.exists():
        if not os.access(_existing(root), os.W_OK | os.X_OK):
            fix = "Name a writable one with --state-dir."
            yield Check("state", Grade.FAIL, f"{root} is not there and cannot be made", fix)
            return
        yield Check("state", Grade.OK, f"{root} is not there yet; the first `up` makes it")
        return
    patient.paths.ensure()
    read_pod_state(patient.paths)
    load_desired(patient.paths)
    owner = load_owner(patient.paths)
    if owner is None and patient.paths.pod_state.exists():
        fix = f"Restore {patient.paths.owner} from a backup; `ps --all` shows what is left running."
        yield Check("state", Grade.FAIL, "the owner is lost, and with it the pods' mark", fix)
        return
    yield Check("state", Grade.OK, f"{root}, owner {owner.id if owner else 'not made yet'}")


def _ledger(patient: Patient) -> Iterator[Check]:
    from podman_llm.usage.ledger import read_ledger

    ledger = read_ledger(patient.paths.ledger)
    count = len(ledger.lines()) if ledger else 0
    yield Check("ledger", Grade.OK, f"{count} pods")


def _disk(patient: Patient) -> Iterator[Check]:
    from podman_llm.bootstrap.answers import cache_directory

    wanted = patient.settings.max_cache_bytes if patient.settings.caches else 0
    for name, path, need in (
        ("disk", patient.paths.root, _DISK_LEAST),
        ("cache disk", cache_directory(patient.settings), wanted + _DISK_LEAST),
    ):
        free = shutil.disk_usage(_existing(path)).free
        found = f"{free / 1e9:.1f} GB free at {path}"
        if free >= need:
            yield Check(name, Grade.OK, found)
            continue
        grade = Grade.FAIL if free < _DISK_LEAST else Grade.WARN
        yield Check(name, grade, found, "Free some space, or lower max_cache_bytes.")


def _port(patient: Patient) -> Iterator[Check]:
    from podman_llm.cli.up import require_port
    from podman_llm.state.locks import is_held

    require_port(patient.paths, patient.settings)
    by = "the daemon serves it" if is_held(patient.paths) else "free"
    yield Check("port", Grade.OK, f"{patient.settings.proxy_port}: {by}")


def _pod(patient: Patient) -> Iterator[Check]:
    from podman_llm.cli.view import look
    from podman_llm.core import guard

    view = look(patient.paths, patient.context.clock.wall())
    record = view.record
    if record is None or not record.is_open:
        yield Check("daemon", Grade.OK, "not needed" if view.daemon is None else "runs")
        return
    if view.daemon is None:
        fix = "`podman-llm up` takes it over again, `podman-llm down` ends it."
        yield Check("daemon", Grade.FAIL, f"none, and pod {record.pod_id} may be billing", fix)
    else:
        yield Check("daemon", Grade.OK, f"runs (pid {view.daemon.pid})")
    danger = guard.warning(record)
    grade = Grade.WARN if danger else Grade.OK
    fix = "See docs/second-host.md." if danger else ""
    yield Check("guard", grade, guard.WORDS[record.guard], fix)


def _units(patient: Patient) -> Iterator[Check]:
    from podman_llm.supervisor.units import installed_scope

    scope = installed_scope(patient.paths.root)
    if scope is not None:
        yield Check("units", Grade.OK, f"installed for the {scope}")
        return
    fix = "`podman-llm service install`, or `podman-llm watchdog` from cron."
    yield Check("units", Grade.WARN, "none: nothing starts a daemon that died, or ran before", fix)


def _catalog(patient: Patient) -> Iterator[Check]:
    from podman_llm.providers.runpod.catalog import last_known

    known = last_known(patient.paths)
    if known.fetched_at is None:
        yield Check("catalog", Grade.OK, f"bundled, of {known.bundled_on}")
        return
    age = patient.context.clock.wall() - known.fetched_at
    found = f"asked for {format_duration(age)} ago"
    if age <= CATALOG_STALE:
        yield Check("catalog", Grade.OK, found)
    else:
        yield Check("catalog", Grade.WARN, found, "`podman-llm catalog refresh`")


# The provider ------------------------------------------------------------------------------------


def _remote(patient: Patient) -> Iterator[Check]:
    """The key, and what only it can tell; without a provider there is nothing more to look at."""
    from podman_llm.errors import NotFound, ProviderRefused

    context = patient.context
    try:
        provider = context.provider(patient.settings)
    except NotFound as err:
        yield Check("provider", Grade.OK, err.message)
        return
    except PodmanLLMError as err:
        yield Check("key", Grade.FAIL, err.message, err.hint)
        return
    try:
        reached = provider.reach()
    except ProviderRefused as err:
        yield Check("key", Grade.FAIL, err.message, err.hint)
        return
    except PodmanLLMError as err:
        fix = err.hint or "Check the network and https://uptime.runpod.io."
        yield Check("provider", Grade.FAIL, err.message, fix)
        return
    yield Check("key", Grade.OK, "accepted")
    yield Check("provider", Grade.OK, f"{provider.name} answers")
    if reached.server_time is not None:
        yield clock_check(context.clock.wall() - reached.server_time)
    yield balance_check(provider, patient.settings)


def clock_check(skew: float) -> Check:
    """How far our clock is from the provider's; ``skew`` is positive when ours is ahead."""
    size = abs(skew)
    if size <= SKEW_WARN:
        return Check("clock", Grade.OK, f"within {SKEW_WARN:g} s of the provider's")
    side = "ahead of" if skew > 0 else "behind"
    found = f"{format_duration(size)} {side} the provider's"
    grade = Grade.WARN if size <= SKEW_FAIL else Grade.FAIL
    return Check(
        "clock", grade, found, "Switch time synchronisation on (`timedatectl set-ntp on`)."
    )


def balance_check(provider: Provider, settings: Settings) -> Check:
    """Whether the balance pays an hour at the ceiling, and the time that is asked for."""
    if settings.provider.kind == "local":
        return Check("balance", Grade.OK, "nothing to pay")
    balance, rate = provider.account().balance, settings.price_ceiling
    fix = "Add credit at https://console.runpod.io/user/billing."
    if balance is None:
        fix = "Look at https://console.runpod.io/user/billing; a restricted key cannot tell it."
        return Check("balance", Grade.WARN, "cannot be read", fix)
    found = f"${balance:.2f}"
    if balance <= 0:
        return Check("balance", Grade.FAIL, f"{found}: RunPod ends pods at $0", fix)
    if rate is not None and balance < rate * max(1.0, settings.runtime_seconds / _HOUR):
        found += f": at ${rate:.2f}/h it does not last for runtime_seconds"
        return Check("balance", Grade.WARN, found, fix)
    return Check("balance", Grade.OK, found)


def _existing(path: Path) -> Path:
    return next(one for one in (path, *path.absolute().parents) if one.exists())
