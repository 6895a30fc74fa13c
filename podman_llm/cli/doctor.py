"""``doctor``: whether all is there that a pod's life depends on, and what to do about the rest."""

from __future__ import annotations

from dataclasses import asdict

import click

from podman_llm.cli.checkup import Check, Grade, examine
from podman_llm.cli.context import Context, pass_context


@click.command()
@click.option("--json", "json_", is_flag=True, help="As JSON.")
@pass_context
def doctor(context: Context, /, *, json_: bool) -> None:
    """Check key, balance, API, clock, disk, port, units, catalog and state; exit 1 if one fails.

    Changes nothing, rents nothing.
    """
    checks = list(examine(context))
    if json_:
        context.emit_json([asdict(check) for check in checks])
    else:
        for check in checks:
            _tell(context, check)
    if any(check.grade is Grade.FAIL for check in checks):
        raise SystemExit(1)


def _tell(context: Context, check: Check) -> None:
    context.echo(f"{check.grade.upper():<5}{check.name:<11}{check.found}")
    if check.fix and check.grade is not Grade.OK:
        context.echo(f"{'':<16}{check.fix}")
