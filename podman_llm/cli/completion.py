"""``completion``: the line that makes a shell complete our commands."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import BashComplete, FishComplete, ZshComplete

from podman_llm.cli.context import Context, pass_context

_SHELLS: Final = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}


@click.command()
@click.argument("shell", type=click.Choice(list(_SHELLS)))
@pass_context
def completion(context: Context, /, *, shell: str) -> None:
    """Print the completion script for SHELL.

    For bash: podman-llm completion bash > ~/.local/share/bash-completion/completions/podman-llm
    """
    from podman_llm.cli.main import cli

    kind = _SHELLS[shell]
    context.echo(kind(cli, {}, "podman-llm", "_PODMAN_LLM_COMPLETE").source())
