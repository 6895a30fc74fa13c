"""``breaker``: the circuits of the running proxy, shown and overruled."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any, Final

import click

from podman_llm.cli.context import Context, pass_context
from podman_llm.errors import NotFound, UpstreamUnreachable

if TYPE_CHECKING:
    from podman_llm.config.models import Settings

_SECONDS: Final = 10.0


@click.group(invoke_without_command=True)
@click.pass_context
def breaker(ctx: click.Context) -> None:
    """Show or overrule the circuits of the pod and of the fallbacks."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(status)


@breaker.command()
@click.option("--json", "json_", is_flag=True, help="As JSON.")
@pass_context
def status(context: Context, /, *, json_: bool = False) -> None:
    """Show each circuit, and why it is open, as the worker sees it that takes the call."""
    _show(context, _ask(context, "GET", ""), json_=json_)


@breaker.command("open")
@click.argument("name")
@pass_context
def open_(context: Context, /, *, name: str) -> None:
    """Send nothing to NAME (`pod` or a fallback) until it is closed by hand, restarts included."""
    _show(context, _ask(context, "POST", f"/{name}/open"), json_=False)


@breaker.command()
@click.argument("name")
@pass_context
def close(context: Context, /, *, name: str) -> None:
    """Trust NAME (`pod` or a fallback) again, whatever was."""
    _show(context, _ask(context, "POST", f"/{name}/close"), json_=False)


def _show(context: Context, circuits: dict[str, Any], *, json_: bool) -> None:
    if json_:
        context.emit_json(circuits)
        return
    for name, circuit in circuits.items():
        context.echo(f"{name:<16} {circuit['state']:<10} {_because(circuit)}".rstrip())


def _because(circuit: dict[str, Any]) -> str:
    if not circuit["why"]:
        return ""
    seconds = circuit["shut_seconds"]
    return circuit["why"] if seconds is None else f"{circuit['why']}; for {seconds:.0f} s more"


def _ask(context: Context, method: str, path: str) -> dict[str, Any]:
    """What the proxy answers.

    Raises:
        NotFound: it knows no such upstream.
        UpstreamUnreachable: no proxy answers.
    """
    settings = context.load_settings().settings
    base = _base(context, settings)
    request = urllib.request.Request(  # noqa: S310 - the scheme is our own proxy's
        f"{base}/admin/breaker{path}", method=method, headers=_credentials(settings)
    )
    # Straight to our own host, whatever proxy the environment names for the world.
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=_trust(settings))
    )
    try:
        with opener.open(request, timeout=_SECONDS) as response:
            told: dict[str, Any] = json.load(response)
            return told
    except urllib.error.HTTPError as err:
        raise NotFound(f"{base} says: {_message(err)}") from err
    except (OSError, ValueError) as err:
        hint = "`podman-llm status` says whether it runs; --config names its settings."
        raise UpstreamUnreachable(f"no proxy answers at {base}: {err}", hint=hint) from err


def _base(context: Context, settings: Settings) -> str:
    """Where the proxy is: as the daemon says, else as the settings do."""
    from podman_llm.cli.view import glance

    daemon = glance(context.paths(), context.clock.wall()).daemon
    url = daemon.url if daemon and daemon.url else settings.url
    return url.removesuffix("/v1")


def _credentials(settings: Settings) -> dict[str, str]:
    if settings.proxy.api_keys_file is None:
        return {}
    from podman_llm.config.client_keys import load_client_keys

    return {"Authorization": f"Bearer {load_client_keys(settings.proxy.api_keys_file)[0]}"}


def _trust(settings: Settings) -> ssl.SSLContext:
    """The proxy's own certificate is enough: it is mostly of the person's own making."""
    context = ssl.create_default_context()
    if settings.ssl_cert is not None:
        context.load_verify_locations(settings.ssl_cert)
    return context


def _message(err: urllib.error.HTTPError) -> str:
    try:
        return str(json.load(err)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"status {err.code}"
