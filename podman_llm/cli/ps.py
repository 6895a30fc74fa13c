"""``ps``: this state directory's pod from its files, or with ``--all`` every pod of the account."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import click

from podman_llm.cli.columns import show_table
from podman_llm.cli.context import Context, pass_context
from podman_llm.cli.durations import format_duration
from podman_llm.core import naming
from podman_llm.core.pod import MAY_BILL, PodRecord
from podman_llm.core.sight import PodSight, Unknown
from podman_llm.errors import ProviderUnreachable
from podman_llm.state.owner import load_owner
from podman_llm.state.store import read_pod_state

_HEADINGS = ("Pod", "Whose", "State", "GPU", "$/h", "Age", "Ends in", "Name")


@dataclass(frozen=True)
class Row:
    """One pod. Times are wall seconds; None is unknown, or not for us to know.

    ``whose`` is ``ours``, ``stray`` (ours, in no record), the id of another owner, or ``other``.
    """

    pod_id: str
    whose: str
    state: str
    gpu: str | None
    usd_per_hour: float | None
    created_at: float | None
    deadline: float | None
    name: str


@click.command()
@click.option("--all", "all_", is_flag=True, help="Ask the provider for every pod of the account.")
@click.option("--json", "json_", is_flag=True, help="As JSON.")
@pass_context
def ps(context: Context, /, *, all_: bool, json_: bool) -> None:
    """List this state directory's pod, or all pods of the account.

    `stray` is a pod of ours that is in no record: `adopt` keeps it, the daemon or `reap` ends it.
    """
    state = read_pod_state(context.paths())
    record = state.current if state and state.current and state.current.is_open else None
    rows = _account(context, record) if all_ else [_own(record)] if record else []
    if json_:
        context.emit_json([asdict(row) for row in rows])
        return
    cells = [_cells(row, context.clock.wall()) for row in rows]
    show_table(context, _HEADINGS, cells, spare=("Name", "Age"))
    context.err(_sum(rows, whole=all_))


def whose(pod: PodSight, owner: str, record: PodRecord | None) -> str:
    """To whom a pod belongs, by its name and its marks together."""
    if naming.is_marked(pod.name, pod.env, owner):
        is_recorded = record is not None and pod.pod_id == record.pod_id
        return "ours" if is_recorded else "stray"
    name = naming.parse(pod.name)
    if name is None or naming.OWNER_MARK not in pod.env:
        return "other"  # a name alone proves nothing: people copy names
    return pod.env[naming.OWNER_MARK]


def _own(record: PodRecord) -> Row:
    bills = record.phase in MAY_BILL
    return Row(
        pod_id=record.pod_id or "",
        whose="ours",
        state=record.phase.value,
        gpu=f"{record.candidate.gpu_count} x {record.candidate.gpu_name}",
        usd_per_hour=record.cost_per_hour if bills else 0.0,
        created_at=record.created_at or record.intent.wall,
        deadline=record.soft_deadline,
        name=record.name,
    )


def _account(context: Context, record: PodRecord | None) -> list[Row]:
    paths = context.paths()
    owner = load_owner(paths)
    listing = context.provider(context.settings_in_force()).list_pods()
    if isinstance(listing, Unknown):
        raise ProviderUnreachable(
            f"the account's pods cannot be listed: {listing.why}",
            hint="`podman-llm doctor` looks for the reason; the provider's console lists pods too.",
        )
    return [_row(pod, owner.id if owner else "", record) for pod in listing.pods]


def _row(pod: PodSight, owner: str, record: PodRecord | None) -> Row:
    name = naming.parse(pod.name)
    gpu = f"{pod.gpu_count} x {pod.gpu_id}" if pod.gpu_id else None
    return Row(
        pod_id=pod.pod_id,
        whose=whose(pod, owner, record),
        state=pod.status.value,
        gpu=gpu,
        usd_per_hour=pod.cost_per_hour,
        created_at=pod.created_at,
        deadline=name.deadline if name else None,
        name=pod.name,
    )


def _cells(row: Row, now: float) -> tuple[str, ...]:
    return (
        row.pod_id or "-",
        row.whose,
        row.state,
        row.gpu or "-",
        "?" if row.usd_per_hour is None else f"{row.usd_per_hour:.2f}",
        "?" if row.created_at is None else format_duration(now - row.created_at),
        "-" if row.deadline is None else _left(row.deadline - now),
        row.name,
    )


def _left(seconds: float) -> str:
    return format_duration(seconds) if seconds > 0 else f"{format_duration(-seconds)} ago"


def _sum(rows: list[Row], *, whole: bool) -> str:
    if not rows:
        return "The account has no pod." if whole else "No pod is up here; `ps --all` asks RunPod."
    known = sum(row.usd_per_hour or 0.0 for row in rows)
    unknown = sum(row.usd_per_hour is None for row in rows)
    more = f", and {unknown} of unknown price" if unknown else ""
    return f"{len(rows)} pod{'s' * (len(rows) > 1)}, ${known:.2f}/h{more}."
