"""``extend``: move the pod's deadline, up to the cap fixed when it was made."""

from __future__ import annotations

import click

from podman_llm.cli.context import Context, pass_context
from podman_llm.cli.durations import Duration, format_duration
from podman_llm.cli.view import look
from podman_llm.errors import NotFound, RefusedByCap
from podman_llm.state.desired import save_desired


@click.command()
@click.argument("by", type=Duration())
@click.option("--json", "json_", is_flag=True, help="The result as JSON.")
@pass_context
def extend(context: Context, /, *, by: float, json_: bool) -> None:
    """Let the pod live BY longer, for example 1h or 30m."""
    paths = context.paths()
    view = look(paths, context.clock.wall())
    record, desired = view.record, view.desired
    if record is None or desired is None or not record.is_open or desired.want == "down":
        raise NotFound("no pod is up", hint="`podman-llm up --for 4h` starts one.")
    if record.reason is not None:
        raise NotFound(
            f"pod {record.pod_id or record.name} is being ended ({record.reason.value})",
            hint="An end is never undone; `podman-llm up` rents another pod.",
        )
    deadline = record.soft_deadline + by
    if deadline > record.hard_deadline:
        left = format_duration(max(0.0, record.hard_deadline - record.soft_deadline))
        raise RefusedByCap(
            f"the pod's hard deadline allows {left} more, not {format_duration(by)}",
            hint="It was fixed when the pod was made (pod.max_extension_seconds, or what was left "
            "of a budget); a longer life needs a new pod.",
        )
    seconds = desired.extended_seconds + by
    save_desired(paths, desired.model_copy(update={"extended_seconds": seconds}))
    left_now = deadline - context.clock.wall()
    if json_:
        context.emit_json({"deadline": deadline, "time_left": left_now})
    else:
        context.echo(
            f"The pod now ends in {format_duration(left_now)}, "
            f"about ${record.cost_per_hour * by / 3600:.2f} more."
        )
