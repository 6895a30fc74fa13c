"""``service``: the systemd units that keep the daemon, the port and the reaper."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from podman_llm.cli.context import Context, pass_context
from podman_llm.config.models import Settings
from podman_llm.errors import ConfigError, NotFound, PodmanLLMError, StillBilling
from podman_llm.host.systemctl import systemctl
from podman_llm.state.paths import StatePaths
from podman_llm.supervisor.units import (
    DAEMON,
    ENABLED,
    ON_FAILURE,
    SOCKET,
    SYSTEM_HOME,
    SYSTEM_KEY,
    SYSUSERS,
    TIMER,
    UNITS,
    Scope,
    Site,
    installed_scope,
    listen_address,
    on_failure,
    render,
    sysusers,
    unit_dir,
)

_LEAVING_SECONDS = 120.0
_HOMES = ("/home", "/root", "/run/user")


def _scoped(command: Any) -> Any:  # noqa: ANN401 - as click's decorators are typed
    """``--user`` and ``--system``; root means the system, anybody else means themselves."""
    own = "Units of your own, without root."
    all_ = "Units of the machine, under an account of their own."
    for flag, text in (("--system", all_), ("--user", own)):
        value = Scope(flag.removeprefix("--"))
        command = click.option(flag, "scope", flag_value=value, type=Scope, help=text)(command)
    return command


@click.group()
def service() -> None:
    """Let systemd keep the daemon, the endpoint's port and the reaper.

    Restarting, upgrading or removing the units never ends a pod.
    """


@service.command()
@_scoped
@click.option("--on-failure", "command", help="Also run this when a unit failed; %i is its name.")
@click.option("--dry-run", is_flag=True, help="Print the files; touch nothing.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write the files into this directory only.",
)
@pass_context
def install(
    context: Context,
    /,
    *,
    scope: Scope | None,
    command: str | None,
    dry_run: bool,
    output: Path | None,
) -> None:
    """Write the units, start them, and have them start at boot or login.

    Run it again after an upgrade, or to change the port: no pod ends, no client is refused.
    """
    scope = scope or _own_scope()
    settings = context.load_settings().settings
    paths = _state(context, scope)
    files = _files(scope, paths, settings, command)
    if dry_run:
        _print(context, files)
        return
    if output:
        _write({output / _name(path, scope): text for path, text in files.items()})
        context.echo(f"Written to {output}; nothing was started.")
        return
    _require_manager(context, scope, files)
    _require_ready(scope, settings)
    _install(context, scope, paths, settings, files)


def _own_scope() -> Scope:
    return Scope.SYSTEM if os.geteuid() == 0 else Scope.USER


def _state(context: Context, scope: Scope) -> StatePaths:
    """A system install has its own: that of its account, where `sudo -u` finds it by itself."""
    if scope is Scope.SYSTEM and context.state_dir is None:
        return StatePaths(SYSTEM_HOME / ".local/state/podman-llm")
    return context.home()


def _files(
    scope: Scope, paths: StatePaths, settings: Settings, command: str | None
) -> dict[Path, str]:
    from podman_llm.host.sockets import resolved

    needs_credential = scope is Scope.SYSTEM and settings.provider.kind == "runpod"
    site = Site(
        python=Path(sys.executable),
        state_dir=paths.root,
        listen=listen_address(*resolved(settings.proxy.host, settings.proxy_port)),
        key_file=SYSTEM_KEY if needs_credential else None,
    )
    files = {unit_dir(scope) / name: text for name, text in render(scope, site).items()}
    if command is not None:
        files[unit_dir(scope) / ON_FAILURE] = on_failure(command)
    if scope is Scope.SYSTEM:
        files[SYSUSERS] = sysusers()
    return files


def _name(path: Path, scope: Scope) -> Path:
    """What a file is called where all of them are in one directory."""
    directory = unit_dir(scope)
    return path.relative_to(directory if path.is_relative_to(directory) else path.parents[1])


def _require_manager(context: Context, scope: Scope, files: dict[Path, str]) -> None:
    """See that a systemd answers.

    Raises:
        PodmanLLMError: none does; the files have been printed, with where they belong.
    """
    try:
        systemctl("show", "--property=Version", is_user=scope is Scope.USER)
    except PodmanLLMError as err:
        _print(context, files)
        raise PodmanLLMError(
            f"{err.message}. Nothing was written; the files above belong into {unit_dir(scope)}",
            hint=f"{err.hint} Without systemd, `*/5 * * * * podman-llm watchdog` in a crontab.",
        ) from err


def _print(context: Context, files: dict[Path, str]) -> None:
    for path, text in files.items():
        context.echo(f"##### {path}\n{text}")


def _write(files: dict[Path, str]) -> None:
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(
            0o644
        )  # systemd frowns on units that nobody may read; there is no secret in them


def _require_ready(scope: Scope, settings: Settings) -> None:
    """Say what would keep the units from working before anything is written.

    Raises:
        ConfigError: what it is, and how it is mended.
    """
    needs_key = settings.provider.kind == "runpod"
    if scope is Scope.USER:
        if needs_key:
            _require_own_key()
        return
    if os.geteuid() != 0:
        raise ConfigError("system units are root's", hint="use sudo, or --user")
    python = Path(sys.executable)
    for needed in (python, python.resolve(), Path(__file__)):
        if not str(needed).startswith(_HOMES):
            continue
        raise ConfigError(
            f"{needed} is in a home directory, which system units cannot see",
            hint="install podman-llm outside of it, for example into a venv in /opt, or use --user",
        )
    if needs_key and not SYSTEM_KEY.is_file():
        raise ConfigError(
            f"there is no RunPod API key in {SYSTEM_KEY}",
            hint=f"`install -D -m 600 /dev/stdin {SYSTEM_KEY}`, then the key, Enter, Ctrl-D",
        )


def _require_own_key() -> None:
    """A unit sees the key's file, not the variables of this shell."""
    from podman_llm.config.directories import user_config_dir
    from podman_llm.config.inheritance import inherited
    from podman_llm.config.secrets import RUNPOD_API_KEY, find_secret

    if find_secret(RUNPOD_API_KEY, inherited()) is None:
        own = user_config_dir() / RUNPOD_API_KEY.lower()
        raise ConfigError(
            f"there is no RunPod API key in {own}, and a unit does not see this shell's variables",
            hint=f"`install -D -m 600 /dev/stdin {own}`, then the key, Enter, Ctrl-D",
        )


def _install(
    context: Context, scope: Scope, paths: StatePaths, settings: Settings, files: dict[Path, str]
) -> None:
    is_user = scope is Scope.USER
    socket_unit = unit_dir(scope) / SOCKET
    has_moved = socket_unit.exists() and socket_unit.read_text("utf-8") != files[socket_unit]
    if installed_scope(paths.root) is None:
        _make_way(context, paths, settings)
    _write(files)
    if scope is Scope.SYSTEM:
        _make_account()
    systemctl("daemon-reload", is_user=is_user)
    if has_moved:
        systemctl("stop", DAEMON, SOCKET, is_user=is_user)
    systemctl("enable", *ENABLED, is_user=is_user)
    systemctl("start", SOCKET, TIMER, is_user=is_user)
    systemctl("restart", DAEMON, is_user=is_user)
    context.echo(f"systemd keeps podman-llm now; the endpoint is {settings.url}.")
    if is_user:
        context.echo("`loginctl enable-linger` keeps it running while you are logged out.")
    else:
        context.echo("Use it as `sudo -H -u podman-llm podman-llm up`.")


def _make_way(context: Context, paths: StatePaths, settings: Settings) -> None:
    """End a detached daemon and its workers, which leaves the pod alone, and free the port.

    Raises:
        PodmanLLMError: the daemon does not leave.
        ConfigError: somebody else has the port.
    """
    from podman_llm.host import process
    from podman_llm.host.sockets import require_free
    from podman_llm.state.locks import is_held
    from podman_llm.state.report import load_report
    from podman_llm.supervisor.orphans import ask_to_end, find_orphans, see_off

    report = load_report(paths)
    if report and is_held(paths) and (created := process.create_time(report.pid)):
        context.err(f"Ending the detached daemon (pid {report.pid}); the pod goes on.")
        process.ask_to_end(report.pid, created)
        deadline = context.clock.monotonic() + _LEAVING_SECONDS
        while is_held(paths):
            if context.clock.monotonic() > deadline:
                raise PodmanLLMError(f"the daemon (pid {report.pid}) does not leave")
            context.clock.sleep(0.1)
    for orphan in (orphans := find_orphans(paths)):
        ask_to_end(orphan)
    see_off(orphans, clock=context.clock, grace=settings.proxy.drain_seconds)
    require_free(settings.proxy.host, settings.proxy_port)


def _make_account() -> None:
    import subprocess

    subprocess.run(["systemd-sysusers", str(SYSUSERS)], check=True)  # noqa: S607 - root's own PATH


@service.command()
@_scoped
@pass_context
def uninstall(context: Context, /, *, scope: Scope | None) -> None:
    """Stop and remove the units. The pod goes on, with nobody here who ends it in time.

    Exits 7, naming it, if a pod may still be billing.
    """
    scope = scope or _own_scope()
    is_user = scope is Scope.USER
    _require_installed(scope)
    systemctl("disable", "--now", *ENABLED, is_user=is_user)
    for name in (*UNITS, ON_FAILURE):
        (unit_dir(scope) / name).unlink(missing_ok=True)
    systemctl("daemon-reload", is_user=is_user)
    context.echo(f"The units are gone from {unit_dir(scope)}.")
    _say_what_bills(context, _state(context, scope))


def _say_what_bills(context: Context, paths: StatePaths) -> None:
    from podman_llm.cli.view import look

    view = look(paths, context.clock.wall())
    if view.is_billing and view.record:
        raise StillBilling(
            f"pod {view.record.pod_id or view.record.name} may still be billing, unwatched",
            hint="`podman-llm up` looks after it again, `podman-llm --shutdown` ends it.",
        )


@service.command()
@_scoped
@pass_context
def status(context: Context, /, *, scope: Scope | None) -> None:
    """Show how the units fare. Exits 1 unless all of them run as installed, 4 if there are none."""
    scope = scope or _own_scope()
    _require_installed(scope)
    states = [_state_of(name, is_user=scope is Scope.USER) for name in ENABLED]
    for name, (active, detail, told) in zip(ENABLED, states, strict=True):
        context.echo(f"{name:<24} {active} ({detail})  {told}".rstrip())
    if not all(active == "active" for active, _, _ in states):
        raise PodmanLLMError(
            "not every unit runs", hint="`journalctl [--user] -u podman-llm.service` tells why."
        )


def _require_installed(scope: Scope) -> None:
    if not (unit_dir(scope) / DAEMON).exists():
        raise NotFound(
            f"there are no units of podman-llm in {unit_dir(scope)}",
            hint=f"`podman-llm service install --{scope}` writes them",
        )


def _state_of(name: str, *, is_user: bool) -> tuple[str, str, str]:
    asked = ("ActiveState", "SubState", "StatusText")
    out = systemctl("show", name, *(f"--property={each}" for each in asked), is_user=is_user)
    found = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
    active, detail, told = (found.get(each, "") for each in asked)
    return active or "unknown", detail, told
