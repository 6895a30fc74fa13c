"""The entry point: one group, commands loaded only when called, errors turned into exit codes."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Final

import click

from podman_llm.errors import PodmanLLMError

EXIT_CODES: Final = """\b
Exit codes:
    0  done; where absence is claimed, with evidence
    1  failed, nothing is billing
    2  usage or configuration
    3  local state unreadable (unknown, not "nothing running")
    4  not found
    5  no capacity within the wait
    6  provider unknown or unreachable
    7  a pod may still be billing (its id is printed)
    8  refused by price, cap or hard deadline
    9  key or balance
   75  another controller holds the lock, try again
  124  the wait ran out, the pod goes on
  130  interrupted; what is billing is printed
"""

COMMANDS: Final = {
    "up": ("podman_llm.cli.up", "Rent a pod and serve its model on localhost."),
    "down": ("podman_llm.cli.down", "End the pod, prove that it is gone, stop everything."),
    "status": ("podman_llm.cli.status", "Show what runs, what it costs and how long it may."),
    "extend": ("podman_llm.cli.extend", "Move the pod's deadline."),
    "reap": ("podman_llm.cli.reap", "End forgotten pods past their deadline, from any host."),
    "cost": ("podman_llm.cli.cost", "What pods cost, by day or month, beside RunPod's bill."),
    "ps": ("podman_llm.cli.ps", "This directory's pod, or all pods of the account."),
    "history": ("podman_llm.cli.history", "Pods that ended: why, for how much, with what proof."),
    "adopt": ("podman_llm.cli.adopt", "Keep a pod of ours that is in no record."),
    "doctor": ("podman_llm.cli.doctor", "Check all that a pod's life depends on."),
    "logs": ("podman_llm.cli.logs", "Show logs of the pod, its host, the daemon or the proxy."),
    "serve": ("podman_llm.cli.serve", "Only the caching proxy, before a server made by hand."),
    "catalog": ("podman_llm.cli.catalog", "Models of the store and the GPUs they fit."),
    "config": ("podman_llm.cli.config", "Show, make or check the configuration."),
    "breaker": ("podman_llm.cli.breaker", "Show or overrule the circuits of pod and fallbacks."),
    "cache": ("podman_llm.cli.cache", "Look at or clear the answers kept."),
    "service": ("podman_llm.cli.units", "Let systemd keep all of it running."),
    "watchdog": ("podman_llm.cli.watchdog", "For cron: start again what should run."),
    "completion": ("podman_llm.cli.completion", "Print shell completion."),
    "dev": ("podman_llm.cli.dev", "Doubles of RunPod and vLLM to develop against."),
    "daemon": ("podman_llm.cli.processes", ""),
    "worker": ("podman_llm.cli.processes", ""),
}
HIDDEN: Final = {"daemon", "worker"}


class LazyGroup(click.Group):
    """Imports a command's module when the command is used, and not for the list of commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The names in the order a newcomer meets them."""
        return [name for name in COMMANDS if name not in HIDDEN]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command, importing its module."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list with one line each, without importing any of them."""
        rows = [(name, COMMANDS[name][1]) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _print_version(ctx: click.Context, _param: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's callback shape
    if not value:
        return
    import importlib.metadata  # costs as much as the rest of --help together

    click.echo(f"podman-llm {importlib.metadata.version('podman-llm')}")
    ctx.exit()


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    epilog=EXIT_CODES,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Configuration file; its keys win over those of ./pod_config.json.",
)
@click.option(
    "--state-dir",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="PODMAN_LLM_STATE_DIR",
    help="Where the pod is tracked; one pod per directory.",
)
@click.option("--demo", is_flag=True, help="Act on the demo's pod (see `up --demo`).")
@click.option("--shutdown", is_flag=True, help="The same as `down`.")
@click.option("--refresh-catalog", is_flag=True, help="The same as `catalog refresh`.")
@click.option("-v", "--verbose", is_flag=True, help="Say more.")
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_print_version)
@click.pass_context
def cli(
    ctx: click.Context,
    *,
    config_path: Path | None,
    state_dir: Path | None,
    demo: bool,
    shutdown: bool,
    refresh_catalog: bool,
    verbose: bool,
) -> None:
    """One OpenAI-compatible endpoint on localhost, backed by a GPU pod that ends on time.

    `podman-llm up --demo` shows it in a minute, without an account.
    """
    from podman_llm.cli.context import Context

    ctx.obj = Context(config_path=config_path, state_dir=state_dir, demo=demo, verbose=verbose)
    if ctx.invoked_subcommand is not None:
        return
    if shutdown:
        _shut_down(ctx)
    elif refresh_catalog:
        _refresh_catalog(ctx)
    else:
        click.echo(ctx.get_help())


def _shut_down(ctx: click.Context) -> None:
    from podman_llm.cli.down import down

    ctx.invoke(down)


def _refresh_catalog(ctx: click.Context) -> None:
    from podman_llm.cli.catalog import refresh

    ctx.invoke(refresh, verbose=ctx.obj.verbose)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; the only place where errors become exit codes."""
    try:
        code = cli.main(args=arguments, standalone_mode=False)
    except click.ClickException as err:
        err.show()
        sys.exit(2)
    except click.exceptions.Abort:
        sys.exit(130)
    except PodmanLLMError as err:
        click.echo(f"error: {err.message}", err=True)
        if err.hint:
            click.echo(f"       {err.hint}", err=True)
        sys.exit(err.exit_code)
    except OSError as err:  # a full disk, a place that may not be written: words, no traceback
        click.echo(f"error: {err}", err=True)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)
