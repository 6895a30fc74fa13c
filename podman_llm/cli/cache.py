"""``cache``: look at the answers kept, or drop them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from podman_llm.cli.columns import show_table
from podman_llm.cli.context import Context, pass_context
from podman_llm.cli.durations import Duration, format_duration

if TYPE_CHECKING:
    from podman_llm.cache.listing import Kept

_HEADINGS: Final = ("Key", "Age", "Size", "Served by", "Model")
_KEY_SHOWN: Final = 16
_ROWS_SHOWN: Final = 20
_KEY_START: Final = re.compile(r"[0-9a-f]{8,64}")


class _KeyStart(click.ParamType[str]):
    """The beginning of a key, long enough not to mean others by accident."""

    name = "key"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """The text, if it is one; ``""`` stands for any key."""
        text = str(value)
        if text and not _KEY_START.fullmatch(text):
            self.fail(f"{text!r} is not 8 to 64 hex digits of a key", param, ctx)
        return text


@click.group()
def cache() -> None:
    """Look at or clear the answers kept."""


@cache.command()
@click.option("--json", "json_", is_flag=True, help="As JSON.")
@pass_context
def stats(context: Context, /, *, json_: bool) -> None:
    """How many answers are kept, and where."""
    from podman_llm.bootstrap.answers import cache_directory, open_store

    settings = context.settings_at_work()
    directory = cache_directory(settings)
    with contextlib.closing(open_store(settings)) as store:
        kept = store.stats()
    if json_:
        context.emit_json(
            {
                "cache_dir": str(directory),
                "entries": kept.entries,
                "size_bytes": kept.size_bytes,
                "max_entries": kept.max_entries,
                "max_bytes": kept.max_bytes,
            }
        )
        return
    context.echo(f"Directory {directory}")
    context.echo(f"Answers   {kept.entries} of at most {kept.max_entries}")
    context.echo(f"Size      {kept.size_bytes / 1e6:.1f} of at most {kept.max_bytes / 1e6:.0f} MB")


@cache.command()
@click.option("--key", type=_KeyStart(), default="", help="Only the entry whose key begins so.")
@click.option("--model", default="", help="Only answers of this model, with its revision or not.")
@click.option("--older-than", type=Duration(), help="Only answers older than this, such as 7d.")
@click.option("--yes", is_flag=True, help="Drop them; without it nothing is dropped.")
@pass_context
def clear(
    context: Context, /, *, key: str, model: str, older_than: float | None, yes: bool
) -> None:
    """Show which answers would be dropped, by key, model and age; drop them with --yes."""
    from podman_llm.bootstrap.answers import cache_directory, open_store
    from podman_llm.cache.listing import Selection

    settings = context.settings_at_work()
    chosen = Selection(key=key, model=model, older_than=older_than)
    now = context.clock.wall()
    with contextlib.closing(open_store(settings)) as store:
        if yes and chosen.is_everything:
            context.echo(f"Dropped {store.clear()} answers.")  # also what no list can name
            return
        meant = [one for one in store.kept() if chosen.holds(one, now)]
        if yes:
            context.echo(f"Dropped {store.drop(one.key for one in meant)} answers.")
            return
    _show(context, meant, now)
    size = sum(one.size for one in meant) / 1e6
    where = cache_directory(settings)
    context.echo(f"Would drop {len(meant)} answers, {size:.1f} MB, in {where}; --yes does it.")


def _show(context: Context, meant: Sequence[Kept], now: float) -> None:
    rows = [
        (
            one.key[:_KEY_SHOWN],
            format_duration(now - one.stored_at),
            f"{one.size / 1e3:.1f} kB",
            one.served_by,
            one.model,
        )
        for one in meant[:_ROWS_SHOWN]
    ]
    if rows:
        show_table(context, _HEADINGS, rows)
    if len(meant) > _ROWS_SHOWN:
        context.echo(f"… and {len(meant) - _ROWS_SHOWN} more.")
