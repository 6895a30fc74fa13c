"""The commands that processes call, not people: the daemon, and its proxy workers."""

from __future__ import annotations

from pathlib import Path

import click

from podman_llm.state.paths import StatePaths

_DIRECTORY = click.Path(file_okay=False, path_type=Path)


@click.command(hidden=True)
@click.option("--state-dir", type=_DIRECTORY, required=True)
def daemon(*, state_dir: Path) -> None:
    """Own the state directory: reconcile the pod, supervise the proxy."""
    from podman_llm.bootstrap.control import run_daemon

    raise SystemExit(run_daemon(StatePaths(state_dir)))


@click.command(hidden=True)
@click.option("--state-dir", type=_DIRECTORY, required=True)
@click.option("--slot", type=int, required=True)
@click.option("--fd", type=int, required=True)
@click.option("--lifeline", type=int, required=True)
def worker(*, state_dir: Path, slot: int, fd: int, lifeline: int) -> None:
    """Serve the proxy on the listening socket that the daemon owns."""
    from podman_llm.bootstrap.worker import run_worker

    run_worker(StatePaths(state_dir), slot=slot, listen_fd=fd, lifeline_fd=lifeline)
