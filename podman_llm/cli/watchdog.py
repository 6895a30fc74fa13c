"""``watchdog``: one look, for a crontab."""

from __future__ import annotations

import click

from podman_llm.cli.context import Context, demo_paths, pass_context
from podman_llm.cli.launch import ensure_daemon, tail
from podman_llm.errors import PodmanLLMError
from podman_llm.state.paths import StatePaths
from podman_llm.state.report import load_report
from podman_llm.supervisor.watchdog import Finding, Verdict, end_hung, look

_FIRST_TURN_SECONDS = 30.0
"""A daemon that cannot begin leaves before its first turn is over; a slow turn is no failure."""

_LOOK_SECONDS = 0.1


@click.command()
@pass_context
def watchdog(context: Context) -> None:
    r"""See that the daemon which should run does run, start it if not, and say what was done.

    For people with cron only: systemd does the same by itself (`podman-llm service install`).
    It rents nothing itself; the daemon it starts goes on with what was asked for last.

    \b
    Exits 0 when all is well or the daemon was started, 1 when it cannot be, 3 when what is
    wanted cannot be read.
    """
    home = context.home()
    paths = demo_paths(home) if context.demo else home
    finding = look(paths, context.clock.wall())
    if finding.verdict is Verdict.WELL:
        context.echo(f"Nothing to do: {finding.words}.")
        return
    _start(context, paths, finding)
    context.echo(f"Started the daemon: {finding.words}.")


def _start(context: Context, paths: StatePaths, finding: Finding) -> None:
    if finding.verdict is Verdict.HUNG and not end_hung(paths):
        raise PodmanLLMError(
            f"{finding.words}, and it is not ours to end",
            hint="End that process; the pod goes on, and the next watchdog starts a daemon for it.",
        )
    since = context.clock.wall()
    is_gone = ensure_daemon(paths, context.clock)
    while not is_gone() and context.clock.wall() < since + _FIRST_TURN_SECONDS:
        report = load_report(paths)
        if report and report.tick_at >= since:
            return
        context.clock.sleep(_LOOK_SECONDS)
    if is_gone() and look(paths, context.clock.wall()).verdict is not Verdict.WELL:
        raise PodmanLLMError(f"the daemon was started and left:\n{tail(paths.daemon_log)}")
