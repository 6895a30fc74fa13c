"""``config``: what the settings are and where each comes from; a sample, a check, the schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from podman_llm.cli.context import Context, pass_context


@click.group()
def config() -> None:
    """Show, make or check the configuration."""


@config.command()
@click.option("--json", "json_", is_flag=True, help="As JSON.")
@pass_context
def show(context: Context, /, *, json_: bool) -> None:
    """Print every setting with its origin."""
    from podman_llm.config.origins import masked, value_at

    loaded = context.load_settings()
    settings = loaded.settings
    rows = {
        key: {"value": masked(_plain(value_at(settings, key))), "origin": str(origin)}
        for key, origin in loaded.origins.items()
    } | _secrets()
    if json_:
        context.emit_json(rows)
        return
    width = max(map(len, rows))
    for key, row in rows.items():
        value = json.dumps(row["value"], ensure_ascii=False)
        context.echo(f"{key:<{width}}  {value}  ({row['origin']})")


@config.command()
@pass_context
def check(context: Context, /) -> None:
    """Say what is wrong with the configuration; exit 2 if anything is."""
    from podman_llm.config.origins import Kind

    loaded = context.load_settings()
    context.echo("The configuration is valid. Set are:")
    for key, origin in loaded.origins.items():
        if origin.kind is not Kind.DEFAULT:
            context.echo(f"  {key} ({origin})")


@config.command()
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@pass_context
def init(context: Context, /, *, force: bool) -> None:
    """Write a sample pod_config.json here, and its JSON Schema for editors."""
    from podman_llm.config.files import CONFIG_FILE
    from podman_llm.config.schema import SCHEMA_FILE, sample_text, schema_text

    for name, text in ((CONFIG_FILE, sample_text()), (SCHEMA_FILE, schema_text())):
        _write_new(Path(name), text, force=force or name == SCHEMA_FILE)
        context.echo(f"Wrote {name}.")


@config.command()
@click.option("--markdown", is_flag=True, help="The reference for people instead.")
@pass_context
def schema(context: Context, /, *, markdown: bool) -> None:
    """Print the JSON Schema of pod_config.json."""
    from podman_llm.config.schema import reference_text, schema_text

    context.echo((reference_text() if markdown else schema_text()).rstrip("\n"))


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value


def _secrets() -> dict[str, dict[str, Any]]:
    """Whether each key is there and where it was found, never what it is."""
    from podman_llm.config.secrets import RUNPOD_API_KEY, RUNPOD_ENDPOINT_API_KEY, find_secret

    found = {name: find_secret(name) for name in (RUNPOD_API_KEY, RUNPOD_ENDPOINT_API_KEY)}
    return {
        name: {"value": "***" if secret else None, "origin": secret.origin if secret else "not set"}
        for name, secret in found.items()
    }


def _write_new(path: Path, text: str, *, force: bool) -> None:
    from podman_llm.errors import ConfigError

    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        message = f"{path} is there already"
        raise ConfigError(message, hint="`--force` replaces it.") from None
    except OSError as err:
        raise ConfigError(f"{path}: cannot be written: {err.strerror}") from err
