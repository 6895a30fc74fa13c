"""``cache``: look at the answers kept, or drop them."""

from __future__ import annotations

import contextlib

import click

from podman_llm.cli.context import Context, pass_context


@click.group()
def cache() -> None:
    """Look at or clear the answers kept."""


@cache.command()
@click.option("--json", "json_", is_flag=True, help="As JSON.")
@pass_context
def stats(context: Context, /, *, json_: bool) -> None:
    """How many answers are kept, and where."""
    from podman_llm.bootstrap import cache_directory, open_store

    settings = context.load_settings().settings
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
@click.option("--yes", is_flag=True, help="Do not ask.")
@pass_context
def clear(context: Context, /, *, yes: bool) -> None:
    """Drop every answer kept."""
    from podman_llm.bootstrap import cache_directory, open_store

    settings = context.load_settings().settings
    directory = cache_directory(settings)
    if not yes:
        click.confirm(f"Drop every answer in {directory}?", abort=True)
    with contextlib.closing(open_store(settings)) as store:
        context.echo(f"Dropped {store.clear()} answers.")
