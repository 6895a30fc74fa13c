"""``logs``: of the pod and its host from the provider, of daemon and proxy from files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from podman_llm.cli.context import Context, pass_context
from podman_llm.cli.view import look
from podman_llm.errors import NotFound
from podman_llm.host.clock import Clock
from podman_llm.state.paths import StatePaths

_CONTAINER = {"pod": "container", "system": "system"}


@click.command()
@click.option("-f", "--follow", "follow_", is_flag=True, help="Go on as lines come.")
@click.option(
    "--source",
    type=click.Choice(["pod", "system", "daemon", "proxy"]),
    default="pod",
    show_default=True,
)
@click.option("--tail", "tail_", type=click.IntRange(0, 5000), default=100, show_default=True)
@pass_context
def logs(context: Context, /, *, follow_: bool, source: str, tail_: int) -> None:
    """Show logs of the pod, its host, the daemon or the proxy."""
    paths = context.paths()
    if source in _CONTAINER:
        lines = _pod_lines(context, paths, source=source, tail=tail_, follow=follow_)
    else:
        path = paths.daemon_log if source == "daemon" else paths.proxy_log
        lines = _file_lines(path, context.clock, tail=tail_, follow=follow_)
    try:
        for line in lines:
            context.echo(line)
    except KeyboardInterrupt:
        return


def _pod_lines(
    context: Context, paths: StatePaths, *, source: str, tail: int, follow: bool
) -> Iterator[str]:
    from podman_llm.config.recall import recall

    view = look(paths, context.clock.wall())
    record = view.record
    if record is None or record.pod_id is None or view.desired is None:
        raise NotFound("there is no pod whose logs could be shown", hint="`podman-llm up` first.")
    if not record.is_open:
        # The provider forgets a pod's logs with the pod; what was saved at its end is all there is.
        yield from record.log_tail
        return
    provider = context.provider(recall(view.desired.settings, paths.desired))
    container = _CONTAINER[source]
    for line in provider.logs(record.pod_id, source=container, tail=tail, follow=follow):
        yield f"{line.at} {line.line}"


def _file_lines(path: Path, clock: Clock, *, tail: int, follow: bool) -> Iterator[str]:
    if not path.exists():
        raise NotFound(f"there is no log at {path} yet")
    with path.open(encoding="utf-8", errors="replace") as file:
        yield from [line.rstrip("\n") for line in file.readlines()[-tail:]]
        while follow:
            line = file.readline()
            if line:
                yield line.rstrip("\n")
            else:
                clock.sleep(0.2)
