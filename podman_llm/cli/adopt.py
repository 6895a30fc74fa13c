"""``adopt``: keep a pod of ours that is in no record, instead of having it ended.

Only a pod that carries our owner's name and mark, and the deadline that goes with them, can be
adopted. One of another owner has a controller elsewhere; two would fight over it. One made by hand
carries no deadline and no guard, so that nothing would end it if we died; ``serve`` puts the proxy
before it all the same.
"""

from __future__ import annotations

from typing import Any

import click

from podman_llm.cli.context import Context, pass_context
from podman_llm.cli.durations import Duration
from podman_llm.cli.up import follow_up, require_port
from podman_llm.cli.view import look
from podman_llm.cli.wish import last_wish, next_wish
from podman_llm.config.models import Settings
from podman_llm.core import naming
from podman_llm.core.sight import Gone, PodSight, Unknown
from podman_llm.errors import ConfigError, NotFound, ProviderUnreachable, RefusedByCap
from podman_llm.state.desired import Desired, save_desired
from podman_llm.state.owner import load_owner
from podman_llm.state.paths import StatePaths


@click.command()
@click.argument("pod_id", metavar="ID")
@click.option("--for", "runtime", type=Duration(), help="End it this long from now, e.g. 2h.")
@click.option(
    "--wait", type=click.Choice(["ready", "running", "none"]), default="ready", show_default=True
)
@click.option("--timeout", type=Duration(), help="Stop waiting after this long; the pod goes on.")
@click.option("--json", "json_", is_flag=True, help="The result as JSON.")
@pass_context
def adopt(context: Context, /, pod_id: str, **options: Any) -> None:  # noqa: ANN401 - click gives them by name
    """Take over pod ID, which is ours and in no record (see `ps --all`).

    Its hard deadline stays the one in its name.
    """
    paths = context.paths()
    paths.ensure()
    _require_room(context, paths)
    pod = _find(context, paths, pod_id)
    model = pod.env[naming.MODEL_MARK]
    given = {"modelStoreId": model, "runtime_seconds": options["runtime"]}
    flags = {key: value for key, value in given.items() if value is not None}
    settings = context.load_settings(flags).settings
    require_port(paths, settings)
    desired = _want(context, paths, settings, pod_id)
    follow_up(context, paths, settings, desired, options)


def _require_room(context: Context, paths: StatePaths) -> None:
    record = look(paths, context.clock.wall()).record
    if record is not None and record.is_open:
        raise ConfigError(
            f"this state directory has a pod already: {record.pod_id or record.name}",
            hint="End it with `podman-llm down` first.",
        )


def _find(context: Context, paths: StatePaths, pod_id: str) -> PodSight:
    """The pod, if it is ours beyond doubt and has time left.

    Raises:
        PodmanLLMError: why it cannot be adopted.
    """
    sight = context.provider(context.settings_in_force()).get(pod_id)
    if isinstance(sight, Gone):
        raise NotFound(f"there is no pod {pod_id}", hint="`podman-llm ps --all` lists them.")
    if isinstance(sight, Unknown):
        raise ProviderUnreachable(f"pod {pod_id} cannot be looked at: {sight.why}")
    owner = load_owner(paths)
    _require_ours(sight, owner.id if owner else "")
    name = naming.parse(sight.name)
    if name is not None and name.deadline <= context.clock.wall():
        raise RefusedByCap(
            f"pod {pod_id} is past the hard deadline in its name",
            hint="`podman-llm reap` ends it.",
        )
    return sight


def _require_ours(pod: PodSight, owner: str) -> None:
    marked = pod.env.get(naming.OWNER_MARK)
    if naming.is_marked(pod.name, pod.env, owner) and naming.MODEL_MARK in pod.env:
        return
    if marked is None:
        raise ConfigError(
            f"pod {pod.pod_id} was not made by podman-llm: it has no deadline and no guard, so that"
            " nothing would end it if this machine died",
            hint="`podman-llm serve --endpoint URL` puts the proxy before it, and you end it"
            " yourself; `podman-llm up` rents one that ends by itself.",
        )
    if marked == owner:
        raise ConfigError(
            f"pod {pod.pod_id} was changed since it was made: its name is {pod.name!r}, its"
            f" {naming.INTENT_MARK} {pod.env.get(naming.INTENT_MARK)!r}, its {naming.MODEL_MARK}"
            f" {pod.env.get(naming.MODEL_MARK)!r}; what they say of its deadline and model is not"
            " trusted",
            hint="Undo that in the provider's console, or end the pod there; `reap` leaves it.",
        )
    raise ConfigError(
        f"pod {pod.pod_id} belongs to owner {marked}, not to this state directory"
        f" ({owner or 'which has none yet'})",
        hint="Adopt it where owner.json names that owner; two controllers would fight over it.",
    )


def _want(context: Context, paths: StatePaths, settings: Settings, pod_id: str) -> Desired:
    last = last_wish(context, paths)
    desired = next_wish(context, paths, last, settings, adopt=pod_id)
    save_desired(paths, desired)
    return desired
