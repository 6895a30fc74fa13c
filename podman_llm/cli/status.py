"""``status``: what runs, what it is doing, what it costs. Reads files only."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import click

from podman_llm.cli.context import Context, pass_context
from podman_llm.cli.durations import format_duration
from podman_llm.cli.follow import PlainNarrator
from podman_llm.cli.view import View, as_json, look
from podman_llm.core.guard import WORDS as GUARD_WORDS
from podman_llm.core.pod import Guard
from podman_llm.state.activity import Detour


@click.command()
@click.option("--watch", is_flag=True, help="Keep showing it, until Ctrl-C.")
@click.option("--json", "json_", is_flag=True, help="As JSON.")
@pass_context
def status(context: Context, /, *, watch: bool, json_: bool) -> None:
    """Show what runs, what it costs and how long it may."""
    if watch and not json_:
        _watch(context)
        return
    view = look(context.paths(), context.clock.wall())
    if json_:
        context.emit_json(as_json(view))
    else:
        context.echo("\n".join(render(view)))


def _watch(context: Context) -> None:
    paths = context.paths()
    try:
        with _display(context) as show:
            while True:
                show(look(paths, context.clock.wall()))
                context.clock.sleep(0.5)
    except KeyboardInterrupt:
        return


@contextlib.contextmanager
def _display(context: Context) -> Iterator[Callable[[View], None]]:
    """All of it in place; where nothing can be drawn over, once, then each new sentence."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    console = Console()
    if not console.is_terminal or console.is_dumb_terminal:
        context.echo("\n".join(render(look(context.paths(), context.clock.wall()))))
        yield PlainNarrator(context.echo).tell
        return
    with Live(console=console, refresh_per_second=4) as live:
        yield lambda view: live.update(Text("\n".join(render(view))))


def render(view: View) -> list[str]:
    """The lines a person reads."""
    rows = [("State", view.phase.value if view.phase else "ABSENT"), ("Doing", view.note)]
    if view.failure:
        rows.append(("Failed", view.failure.message))
    rows += _sleep_rows(view)
    rows += _pod_rows(view)
    rows += _proxy_rows(view)
    return [f"{name:<9} {text}" for name, text in rows]


def _sleep_rows(view: View) -> list[tuple[str, str]]:
    sleep = view.sleep
    if sleep is None:
        return []
    lasts = format_duration(view.now - sleep.since)
    if sleep.why_not:
        told = f"no request wakes it: {sleep.why_not}"
    elif view.daemon is None:
        told = "no daemon runs that could wake it; `podman-llm up` does"
    else:
        told = f"a request wakes it, in about {format_duration(sleep.cold_start)}"
    return [("Asleep", f"for {lasts}; {told}")]


def _pod_rows(view: View) -> list[tuple[str, str]]:
    record = view.record
    if record is None:
        return []
    gpu = f"{record.candidate.gpu_count} x {record.candidate.gpu_name}"
    rows = [
        ("Pod", f"{record.pod_id or '(no id yet)'}  {record.name}"),
        ("Model", record.spec.model_store_id),
        ("GPU", f"{gpu}, ${record.cost_per_hour:.2f}/h"),
        ("Spent", f"${view.spent:.4f}"),
    ]
    if view.balance is not None and view.is_billing:
        rows.append(("Balance", f"${view.balance:.2f}"))
    if view.time_left is not None:
        hard = format_duration(record.hard_deadline - view.now)
        rows.append(("Left", f"{format_duration(view.time_left)} (can be extended to {hard})"))
    if record.is_open and record.guard is not Guard.NONE:
        rows.append(("Guard", GUARD_WORDS[record.guard]))
    rows += [("Note", notice.text) for notice in view.notices]
    if record.reason:
        rows.append(("Ended", f"{record.reason.value} {record.reason_detail}".rstrip()))
    if record.evidence:
        times = len(record.evidence.list_times)
        rows.append(("Evidence", f"{record.evidence.kind}; absent from {times} complete lists"))
    return rows


def _proxy_rows(view: View) -> list[tuple[str, str]]:
    if view.daemon is None:
        return []
    activity = view.activity
    rate = "-" if activity.hit_rate is None else f"{activity.hit_rate:.0%}"
    pids = ", ".join(str(worker.pid) for worker in view.daemon.serving)
    leaving = "".join(f", {one.pid} finishes its answers" for one in view.daemon.leaving)
    rows = [
        ("Endpoint", view.daemon.url),
        ("Requests", f"{activity.requests} ({activity.in_flight} in flight), hit rate {rate}"),
        ("Daemon", f"pid {view.daemon.pid}, proxy pid {pids or '-'}{leaving}"),
    ]
    if activity.fallbacks or activity.failed_attempts:
        told = f"{activity.fallbacks} answers, {activity.failed_attempts} failed attempts"
        rows.append(("Fallbacks", told))
    if activity.detour is not None:
        rows.append(("Last", _told(activity.detour, view.now)))
    rows += _circuit_rows(view)
    problems = [worker.problem for worker in view.daemon.workers if worker.problem]
    problems += view.cache_problems
    return rows + [("Problem", problem) for problem in problems]


def _told(detour: Detour, now: float) -> str:
    is_refusal = detour.served_by == "podman-llm"
    what = f"refused with {detour.status}" if is_refusal else f"{detour.served_by} answered"
    return f"{what} {format_duration(max(0.0, now - detour.at))} ago: {detour.why}"


def _circuit_rows(view: View) -> list[tuple[str, str]]:
    rows = []
    for name, state in view.activity.circuits.items():
        if name in view.shut_by_hand:
            back = f"`podman-llm breaker close {name}` lets it be asked again"
            rows.append(("Circuit", f"{name} is shut by hand ({back})"))
        elif state != "CLOSED":
            rows.append(("Circuit", f"{name} is {state} (`podman-llm breaker` says why)"))
    return rows
