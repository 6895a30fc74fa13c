"""``down``, also as ``--shutdown``: end the pod, prove it, stop daemon and proxy."""

from __future__ import annotations

from typing import Any

import click

from podman_llm.cli import demo
from podman_llm.cli.context import Context, pass_context
from podman_llm.cli.durations import Duration, format_duration
from podman_llm.cli.follow import FailedError, follow, narrator
from podman_llm.cli.launch import ensure_daemon
from podman_llm.cli.view import View, as_json, glance
from podman_llm.cli.wish import last_wish, next_wish
from podman_llm.config.models import Settings
from podman_llm.config.recall import recall
from podman_llm.core.pod import Evidence, PodRecord
from podman_llm.errors import ProviderRefused, StillBilling
from podman_llm.state.desired import Desired, save_desired
from podman_llm.state.double import load_double, runs
from podman_llm.state.locks import is_held
from podman_llm.state.paths import StatePaths


@click.command()
@click.option("--now", is_flag=True, help="Do not wait for answers in flight.")
@click.option(
    "--timeout",
    type=Duration(),
    default=900.0,
    help="Stop waiting for the proof after this long (exit 7); the daemon goes on.  [15m]",
)
@click.option("--json", "json_", is_flag=True, help="The result as JSON.")
@pass_context
def down(context: Context, /, *, now: bool = False, timeout: float = 900.0, json_: bool) -> None:
    """End the pod, prove that it is gone, stop the daemon and the proxy.

    Exits 0 only with recorded evidence that nothing is billing.
    """
    paths = context.paths()
    desired = last_wish(context, paths)
    if desired is None:
        if not (paths.desired.exists() or paths.pod_state.exists()):
            _print_nothing(context, json_=json_)
            return
        desired = next_wish(context, paths, None, _settings_of_now(context, paths))
    is_over = _is_demo(context, paths) and not _revive(context, paths, desired)
    if not is_over:
        _require_key(context, paths, desired)
    if desired.want == "up":
        desired = desired.model_copy(update={"want": "down", "now": now})
        save_desired(paths, desired)
    if is_over:
        _report(context, glance(paths, context.clock.wall()), None, json_=json_)
        return
    view = _follow_down(context, paths, timeout=timeout, live=context.is_terminal and not json_)
    bill = demo.end(paths) if _is_demo(context, paths) else None
    _report(context, view, bill, json_=json_)


def _settings_of_now(context: Context, paths: StatePaths) -> Settings:
    """What to go by where those that the pod was asked for with are lost."""
    settings = context.load_settings().settings
    if _is_demo(context, paths):
        return demo.prepare(paths, settings, context.clock)
    return settings


def _is_demo(context: Context, paths: StatePaths) -> bool:
    return paths.root == demo.root(context)


def _revive(context: Context, paths: StatePaths, desired: Desired) -> bool:
    """Whether the demo's double runs. It is started again if it has a pod's end to tell of."""
    if runs(load_double(paths)):
        return True
    if not (is_held(paths) or glance(paths, context.clock.wall()).is_billing):
        return False
    demo.prepare(paths, recall(desired.settings, paths.desired), context.clock)
    return True


def _require_key(context: Context, paths: StatePaths, desired: Desired) -> None:
    """A daemon of ours needs the key; without it nothing can be ended, and that is said at once.

    Raises:
        ProviderRefused: there is no key.
    """
    if is_held(paths):
        return
    try:
        context.provider(recall(desired.settings, paths.desired))
    except ProviderRefused as err:
        view = glance(paths, context.clock.wall())
        pod = view.record.pod_id or view.record.name if view.record else ""
        may_bill = f"Pod {pod} may still be billing. " if view.is_billing else ""
        raise ProviderRefused(err.message, hint=f"{may_bill}{err.hint}") from err


def _print_nothing(context: Context, *, json_: bool) -> None:
    if json_:
        context.emit_json({"state": "ABSENT", "pod_id": None, "is_billing": False})
    else:
        context.echo("Nothing to end: no pod was ever asked for from this state directory.")


def _follow_down(context: Context, paths: StatePaths, *, timeout: float, live: bool) -> View:
    is_daemon_gone = ensure_daemon(paths, context.clock)
    try:
        with narrator(live=live) as teller:
            view, _ = follow(
                paths,
                context.clock,
                teller,
                # Over when the daemon has left: port free, no process; or rests, under systemd.
                is_over=lambda _: False,
                is_daemon_gone=is_daemon_gone,
                timeout=timeout,
            )
    except KeyboardInterrupt:
        _complain(glance(paths, context.clock.wall()), "interrupted before the proof", code=130)
        raise SystemExit(130) from None
    if not (view.is_done or is_daemon_gone()):
        _complain(view, f"no proof of absence after {format_duration(timeout)}")
    if view.record is not None and view.record.is_open:
        _complain(view, "the daemon left before the proof")
    if view.failure:
        raise FailedError(view.failure)
    return view


def _complain(view: View, why: str, *, code: int = StillBilling.exit_code) -> None:
    """Name what may still bill.

    Raises:
        StillBilling: always, with ``code``.
    """
    record = view.record
    pod = (record.pod_id or record.name) if record else "unknown"
    error = StillBilling(
        f"{why}: pod {pod} may still be billing ({view.note})",
        hint="`podman-llm --shutdown` tries again; RunPod's console shows and ends pods too.",
    )
    error.exit_code = code
    raise error


def _gone(record: PodRecord, seen: Evidence, spent: float) -> str:
    answered = f", GET answered {seen.get_status}" if seen.get_status else ""
    return (
        f"Down. Pod {record.pod_id or record.name} is gone: absent from {len(seen.list_times)} "
        f"complete lists{answered}. It cost ${spent:.4f}."
    )


def _report(context: Context, view: View, bill: dict[str, Any] | None, *, json_: bool) -> None:
    if json_:
        context.emit_json(as_json(view) | ({"bill": bill} if bill is not None else {}))
        return
    record = view.record
    if record is None or record.evidence is None:
        context.echo("Down. Nothing was billing.")
    else:
        context.echo(_gone(record, record.evidence, view.spent))
    if bill is not None:
        context.echo(f"The double's bill: {bill['live']} live pods, ${bill['usd']:.4f} in all.")
