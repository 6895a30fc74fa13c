"""Tables: for the eye on a terminal, for ``cut`` and ``awk`` in a pipe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from podman_llm.cli.context import Context

_GAP = 2


def show_table(
    context: Context,
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    spare: Sequence[str] = (),
) -> None:
    """A table that fits the terminal; in a pipe, columns that ``cut`` and ``awk`` can read.

    ``spare`` names the columns that a narrow terminal does without, first those that go first; a
    line says which are left out. What is too wide even then is wrapped.
    """
    if not rows:
        return
    if context.is_terminal:
        _show_fitting(context, headings, rows, spare)
        return
    context.echo("\t".join(headings))
    for row in rows:
        context.echo("\t".join(row))


def _show_fitting(
    context: Context,
    headings: Sequence[str],
    rows: Sequence[Sequence[str]],
    spare: Sequence[str],
) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    left_out = _left_out(dict(_widths(headings, rows)), spare, console.width)
    table = Table(box=None, header_style="bold", pad_edge=False)
    shown = [number for number, heading in enumerate(headings) if heading not in left_out]
    for number in shown:
        table.add_column(headings[number], no_wrap=number == 0)  # ids are copied; the rest may wrap
    for row in rows:
        table.add_row(*(row[number] for number in shown))
    console.print(table)
    if left_out:
        context.err(f"Left out to fit {console.width} columns: {', '.join(left_out)}.")


def _widths(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[tuple[str, int]]:
    from rich.cells import cell_len

    for heading, *cells in zip(headings, *rows, strict=True):
        yield heading, max(cell_len(text) for text in (heading, *cells))


def _left_out(widths: dict[str, int], spare: Sequence[str], room: int) -> list[str]:
    """As few of ``spare`` as make the rest fit, in their order."""
    left_out: list[str] = []
    for heading in spare:
        if sum(widths.values()) + _GAP * (len(widths) - 1) <= room:
            break
        widths.pop(heading)
        left_out.append(heading)
    return left_out
