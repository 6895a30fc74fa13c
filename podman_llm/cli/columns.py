"""Tables: for the eye on a terminal, for ``cut`` and ``awk`` in a pipe."""

from __future__ import annotations

from collections.abc import Sequence

from podman_llm.cli.context import Context


def show_table(context: Context, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table that fits the terminal; in a pipe, columns that ``cut`` and ``awk`` can read."""
    if not rows:
        return
    if context.is_terminal:
        from rich.console import Console
        from rich.table import Table

        table = Table(box=None, header_style="bold", pad_edge=False)
        for number, heading in enumerate(headings):
            table.add_column(heading, no_wrap=number == 0)  # ids are copied; the rest may wrap
        for row in rows:
            table.add_row(*row)
        Console().print(table)
        return
    context.echo("\t".join(headings))
    for row in rows:
        context.echo("\t".join(row))
