"""``up``: write what is wanted, see that a daemon runs, follow until it is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from podman_llm.cli import connect, demo
from podman_llm.cli.context import Context, demo_paths, pass_context
from podman_llm.cli.durations import Duration, format_duration
from podman_llm.cli.follow import FailedError, Narrator, follow, narrator
from podman_llm.cli.launch import ensure_daemon, tail
from podman_llm.cli.view import View, as_json, glance
from podman_llm.cli.wish import last_wish, next_wish, unheeded
from podman_llm.config.load import Loaded
from podman_llm.config.models import Settings
from podman_llm.config.origins import Origin
from podman_llm.config.recall import recall
from podman_llm.core.pod import Phase
from podman_llm.errors import PodmanLLMError, StillBilling, WaitExpired
from podman_llm.state.desired import Desired, save_desired
from podman_llm.state.locks import is_held
from podman_llm.state.paths import StatePaths
from podman_llm.supervisor.units import installed_scope

_RUNNING = frozenset({Phase.BOOTING, Phase.READY, Phase.DEGRADED})


@click.command()
@click.option("--for", "runtime", type=Duration(), help="End the pod after this long, e.g. 4h.")
@click.option("--idle", type=Duration(), help="End it after this long without requests; 0: never.")
@click.option("--wake/--no-wake", default=None, help="Let a request start it again after that.")
@click.option("--gpu", multiple=True, help="GPU id, or auto; several in order of preference.")
@click.option("--model", help="Catalog id or Hugging Face org/name.")
@click.option("--max-price", type=float, help="Ceiling in USD per hour.")
@click.option("--budget-day", type=float, help="Most USD per UTC day.")
@click.option("--budget", type=float, help="Most USD over all pods in the ledger, ever.")
@click.option(
    "--wait", type=click.Choice(["ready", "running", "none"]), default="ready", show_default=True
)
@click.option("--timeout", type=Duration(), help="Stop waiting after this long; the pod goes on.")
@click.option("--foreground", is_flag=True, help="Be the daemon; Ctrl-C leaves the pod running.")
@click.option("--demo", "as_demo", is_flag=True, help="A made-up RunPod: no account, no cost.")
@click.option("--dry-run", is_flag=True, help="Show what would be rented; touch nothing.")
@click.option("--shutdown", is_flag=True, help="The same as `down`.")
@click.option("--json", "json_", is_flag=True, help="The result as JSON.")
@click.option("-v", "--verbose", is_flag=True, help="Say more.")
@pass_context
@click.pass_context
def up(ctx: click.Context, context: Context, /, **options: Any) -> None:  # noqa: ANN401 - click gives them by name
    """Rent a pod, serve its model on localhost, and end it on time.

    A second `up` follows the pod there is.
    """
    context.demo = context.demo or options["as_demo"]
    context.verbose = context.verbose or options["verbose"]
    if options["shutdown"]:
        from podman_llm.cli.down import down

        ctx.invoke(down, json_=options["json_"])
        return
    loaded = context.load_settings(_flags(options))
    if options["dry_run"]:
        from podman_llm.cli.plan import show_plan

        show_plan(context, loaded.settings, as_json=options["json_"])
        return
    _up(context, loaded, options)


def _flags(options: dict[str, Any]) -> dict[str, Any]:
    flags = {
        "runtime_seconds": options["runtime"],
        "pod.idle_seconds": options["idle"],
        "routing.wake": options["wake"],
        "gpu_type_id": _gpus(options["gpu"]),
        "modelStoreId": options["model"],
        "pod.max_price_per_hour": options["max_price"],
        "budget.max_usd_per_day": options["budget_day"],
        "budget.max_usd_total": options["budget"],
    }
    given = {key: value for key, value in flags.items() if value is not None}
    if given.get("pod.idle_seconds") == 0:
        given["pod.idle_seconds"] = None
    return given


def _gpus(gpus: tuple[str, ...]) -> str | tuple[str, ...] | None:
    if not gpus:
        return None
    return "auto" if gpus == ("auto",) else gpus


def _up(context: Context, loaded: Loaded, options: dict[str, Any]) -> None:
    paths = demo_paths(context.home()) if context.demo else context.home()
    settings = loaded.settings
    if context.demo:
        settings = demo.prepare(paths, settings, context.clock)
    elif not is_held(paths):  # a daemon that runs has its key, or says so
        context.provider(settings)  # a missing key is said before anything is written
    desired = _want(context, paths, settings, loaded.origins)
    if options["foreground"]:
        from podman_llm.bootstrap.control import run_daemon

        raise SystemExit(run_daemon(paths, log_to_stderr=True))
    settings = recall(desired.settings, paths.desired)
    follow_up(context, paths, settings, desired, options)


def _want(
    context: Context, paths: StatePaths, settings: Settings, origins: Mapping[str, Origin]
) -> Desired:
    """What is wanted from now on: the ``up`` in force if its pod is still open, else a new one."""
    paths.ensure()
    last = last_wish(context, paths)
    if last and last.want == "up":
        view = glance(paths, context.clock.wall())
        if _is_in_force(view):
            context.err("A pod is already wanted here; following it. `podman-llm down` ends it.")
            if others := unheeded(settings, origins, last):
                context.err(_unheeded_line(others))
            return last
    require_port(paths, settings)
    desired = next_wish(context, paths, last, settings)
    save_desired(paths, desired)
    return desired


def _unheeded_line(others: list[str]) -> str:
    extend = ""
    if "runtime_seconds" in others:
        extend = " `podman-llm extend` moves its deadline."
    return f"It keeps the settings it was asked for with; not these: {', '.join(others)}.{extend}"


def _is_in_force(view: View) -> bool:
    if view.problem:
        return True  # the daemon finds out what runs before it rents anything
    if view.is_current and view.record is not None:
        return view.record.is_open
    return view.daemon is not None and view.failure is None and not view.is_done


def require_port(paths: StatePaths, settings: Settings) -> None:
    """Say who holds the port before anything is rented."""
    from podman_llm.host.sockets import require_free

    if not is_held(paths) and installed_scope(paths.root) is None:
        require_free(settings.proxy.host, settings.proxy_port, except_pids=_own_workers(paths))


def _own_workers(paths: StatePaths) -> frozenset[int]:
    """Workers left by a killed daemon; the next daemon takes their port over."""
    from podman_llm.state.activity import load_activities

    return frozenset(activity.pid for activity in load_activities(paths))


def follow_up(
    context: Context,
    paths: StatePaths,
    settings: Settings,
    desired: Desired,
    options: dict[str, Any],
) -> None:
    """See that a daemon runs, and tell what it does until this wish is reached or has failed."""

    def is_over(view: View) -> bool:
        if options["wait"] == "none":
            return view.daemon is not None
        wanted = {Phase.READY} if options["wait"] == "ready" else _RUNNING
        failed = view.failure is not None and view.failure.generation == desired.generation
        ended = view.is_current and view.record is not None and not view.record.is_open
        return failed or ended or (view.is_current and view.phase in wanted)

    def watch(teller: Narrator) -> tuple[View, bool]:
        return follow(
            paths,
            context.clock,
            teller,
            is_over=is_over,
            is_daemon_gone=ensure_daemon(paths, context.clock),
            timeout=options["timeout"],
        )

    live = context.is_terminal and not options["json_"]
    try:
        with narrator(live=live) as teller:
            view, is_there = watch(teller)
            if not (is_there or view.daemon or view.is_current or view.failure):
                # The daemon was just leaving when the wish was written; the next one sees it.
                view, is_there = watch(teller)
    except KeyboardInterrupt:
        _say_what_bills(context, glance(paths, context.clock.wall()))
        raise SystemExit(130) from None
    _conclude(context, paths, settings, view, options, is_there=is_there)


def _say_what_bills(context: Context, view: View) -> None:
    if not view.is_billing or view.record is None:
        context.err("Interrupted. The daemon goes on; `podman-llm down` ends it.")
        return
    pod = view.record.pod_id or view.record.name
    context.err(
        f"Interrupted. Pod {pod} is billing ${view.record.cost_per_hour:.2f}/h "
        f"(${view.spent:.4f} so far); the daemon goes on. `podman-llm --shutdown` ends it."
    )


def _conclude(
    context: Context,
    paths: StatePaths,
    settings: Settings,
    view: View,
    options: dict[str, Any],
    *,
    is_there: bool,
) -> None:
    record = view.record if view.is_current else None
    if view.failure:
        for line in record.log_tail if record else ():
            context.err(f"  | {line}")
        raise FailedError(view.failure)
    if not is_there:
        _explain_absence(paths, view)
    if options["json_"]:
        context.emit_json(as_json(view))
        return
    if record is None or view.phase is not Phase.READY:
        context.echo(f"{view.note}  Follow it with `podman-llm status --watch`.")
        return
    left = format_duration(view.time_left or 0)
    context.echo(
        f"\nREADY after {format_duration(view.now - record.intent.wall)}: pod {record.pod_id} on "
        f"{record.candidate.gpu_count} x {record.candidate.gpu_name}, "
        f"${record.cost_per_hour:.2f}/h, ends in {left} (`podman-llm extend 1h`).\n"
    )
    context.echo("\n".join(connect.lines(settings, record)))
    if idle := settings.pod.idle_seconds:
        context.echo(f"\n  {_idle_line(idle, wakes=settings.routing.wake)}")
    for notice in view.notices:
        context.echo(f"\n  Note: {notice.text}.")
    for problem in view.cache_problems:
        context.echo(f"\n  Served without a cache: {problem}")
    context.echo("\n  `podman-llm status` shows cost and hits; `podman-llm --shutdown` ends all.")


def _idle_line(idle: float, *, wakes: bool) -> str:
    after = f"After {format_duration(idle)} without requests"
    if wakes:
        return f"{after} it sleeps, which costs nothing; a request starts it again."
    return f"{after} it is ended (`--wake` lets a request start it again)."


def _explain_absence(paths: StatePaths, view: View) -> None:
    """Neither there nor failed: the wait ran out, or the daemon went away."""
    if view.is_done:
        raise PodmanLLMError(view.note, hint="Mend that, then `podman-llm up` again.")
    if view.daemon:
        pod = view.record.pod_id if view.record else None
        raise WaitExpired(
            f"not there yet: {view.note} (pod {pod}, goes on)",
            hint="`podman-llm status --watch` follows it, `podman-llm --shutdown` ends it.",
        )
    message = f"the daemon ended:\n{tail(paths.daemon_log)}"
    hint = f"The whole log is {paths.daemon_log}; `podman-llm up` tries again."
    if view.is_billing:
        raise StillBilling(message, hint=hint)
    raise PodmanLLMError(message, hint=hint)
