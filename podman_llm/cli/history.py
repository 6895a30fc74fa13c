"""``history``: the pods that were, why each ended, what it cost, and the proof. Files only."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click

from podman_llm.cli.columns import show_table
from podman_llm.cli.context import Context, pass_context
from podman_llm.cli.durations import format_duration
from podman_llm.core.charges import stretches, total
from podman_llm.core.pod import Evidence, PodRecord
from podman_llm.state.store import PodState, read_pod_state

_HEADINGS = ("Asked for", "Pod", "Model", "GPU", "Lived", "Cost", "Ended", "Evidence")


@click.command()
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="Latest ones.")
@click.option("--json", "json_", is_flag=True, help="As JSON.")
@pass_context
def history(context: Context, /, *, limit: int, json_: bool) -> None:
    """List pods that ended: when, why, for how much, and how we know that they are gone."""
    records = closed(read_pod_state(context.paths()))[:limit]
    if json_:
        context.emit_json([as_json(record) for record in records])
    elif records:
        cells = [_cells(record) for record in records]
        show_table(context, _HEADINGS, cells, spare=("GPU", "Model", "Lived"))
    else:
        context.err("No pod has ended yet.")


def closed(state: PodState | None) -> tuple[PodRecord, ...]:
    """The closed records, newest first."""
    if state is None:
        return ()
    return tuple(one for one in (state.current, *state.closed) if one and not one.is_open)


def as_json(record: PodRecord) -> dict[str, Any]:
    """The stable shape of one entry: USD, wall seconds."""
    return {
        "pod_id": record.pod_id,
        "name": record.name,
        "model": record.spec.model_store_id,
        "gpu": record.candidate.gpu_name,
        "gpu_count": record.candidate.gpu_count,
        "asked_at": record.intent.wall,
        "ready_at": record.ready_at,
        "ended_at": _ended_at(record),
        "state": record.phase.value,
        "reason": record.reason.value if record.reason else None,
        "detail": record.reason_detail,
        "usd": total(stretches(record, _ended_at(record))).usd,
        "evidence": asdict(record.evidence) if record.evidence else None,
        "log_tail": list(record.log_tail),
    }


def _cells(record: PodRecord) -> tuple[str, ...]:
    asked = datetime.fromtimestamp(record.intent.wall, UTC)
    count = f"{record.candidate.gpu_count} x " if record.candidate.gpu_count > 1 else ""
    return (
        asked.strftime("%Y-%m-%d %H:%MZ"),
        record.pod_id or "-",
        record.spec.model_store_id,
        f"{count}{record.candidate.gpu_name}",
        format_duration(_ended_at(record) - record.intent.wall),
        f"${total(stretches(record, _ended_at(record))).usd:.4f}",
        (record.reason.value if record.reason else record.phase.value.lower()),
        _proof(record.evidence),
    )


def _ended_at(record: PodRecord) -> float:
    if record.evidence:
        return record.evidence.at
    return record.transitions[-1].at if record.transitions else record.intent.wall


def _proof(evidence: Evidence | None) -> str:
    if evidence is None:
        return "none"
    status = f" + {evidence.get_status}" if evidence.get_status else ""
    return f"{len(evidence.list_times)} lists{status}"
