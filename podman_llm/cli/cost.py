"""``cost``: what pods cost, by our own ledger, beside what the provider says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import click

from podman_llm.cli.columns import show_table
from podman_llm.cli.context import Context, pass_context
from podman_llm.config.models import BudgetSettings
from podman_llm.core.charges import Amount, PodHours, total
from podman_llm.core.pod import PodRecord
from podman_llm.core.sight import Unknown
from podman_llm.core.wording import duration, money
from podman_llm.errors import PodmanLLMError
from podman_llm.state.store import read_pod_state
from podman_llm.usage import report
from podman_llm.usage.ledger import read_ledger
from podman_llm.usage.report import Drift, Period


@dataclass(frozen=True)
class Costs:
    """Everything the command tells. ``bill`` is why there is none, where there is none."""

    now: float
    lines: tuple[PodHours, ...]
    open_pod: PodRecord | None
    budget: BudgetSettings
    bill: Drift | str


@click.command()
@click.option("--day", "by", flag_value="day", help="Each UTC day.")
@click.option("--month", "by", flag_value="month", help="Each month.")
@click.option("--offline", is_flag=True, help="Do not ask the provider for its bill.")
@click.option("--json", "json_", is_flag=True, help="As JSON.")
@pass_context
def cost(context: Context, /, *, by: str | None, offline: bool, json_: bool) -> None:
    """Show what pods cost, from request to proof of absence, the open one included.

    Days are UTC days, sums are of GPUs; disks are told apart. The provider's bill lags by about an
    hour.
    """
    costs = _costs(context, offline=offline)
    if json_:
        context.emit_json(as_json(costs, by or "day"))
    elif by is None:
        context.echo("\n".join(summary(costs)))
    else:
        rows = [(one.name, amount_text(one.amount)) for one in periods(costs.lines, by)]
        show_table(context, (by.capitalize(), "Cost"), rows)


def periods(lines: Sequence[PodHours], by: str) -> tuple[Period, ...]:
    """The days, or the months."""
    return report.months(lines) if by == "month" else report.days(lines)


def amount_text(amount: Amount) -> str:
    """Money, and the time whose price nobody told."""
    if not amount.unpriced:
        return money(amount.usd)
    return f"{money(amount.usd)} and {duration(amount.unpriced)} of unknown price"


def summary(costs: Costs) -> list[str]:
    """The lines a person reads."""
    lines, now = costs.lines, costs.now
    today, month = report.on_day(lines, now), report.in_month(lines, now)
    rows = [
        ("Today", f"{amount_text(today.amount)}  ({today.name}, UTC)"),
        ("Month", f"{amount_text(month.amount)}  ({month.name})"),
        ("In all", f"{amount_text(report.in_all(lines))}  (pods: {len(lines)})"),
    ]
    if (record := costs.open_pod) and record.rates:
        so_far = f"{money(record.spent(now))} so far, {money(record.cost_per_hour)}/h"
        rows.append(("Open", f"pod {record.pod_id or record.name}: {so_far}"))
    rows.append(("Disks", f"{amount_text(report.disks(lines))}, besides  (the pods' own)"))
    if record and record.spec.network_volume_id:
        volume = record.spec.network_volume_id
        rows.append(("Volume", f"{volume} bills by itself, also without a pod; not counted here"))
    rows += [("Budget", text) for text in _budget_texts(costs)]
    rows.append(("Bill", _bill_text(costs.bill)))
    return [f"{name:<7} {text}" for name, text in rows]


def as_json(costs: Costs, by: str) -> dict[str, Any]:
    """The stable shape of ``cost --json``: USD, wall seconds."""
    lines, budget = costs.lines, costs.budget
    return {
        "today": _amount_json(report.on_day(lines, costs.now).amount),
        "month": _amount_json(report.in_month(lines, costs.now).amount),
        "total": _amount_json(report.in_all(lines)),
        "disks": _amount_json(report.disks(lines)),
        "budget": {"usd_per_day": budget.max_usd_per_day, "usd_total": budget.max_usd_total},
        "by": by,
        "periods": [{"period": one.name, **_amount_json(one.amount)} for one in periods(lines, by)],
        "pods": [_pod_json(line) for line in lines],
        "bill": _bill_json(costs.bill),
    }


def _costs(context: Context, *, offline: bool) -> Costs:
    paths, now = context.paths(), context.clock.wall()
    ledger, state = read_ledger(paths.ledger), read_pod_state(paths)
    current = state.current if state else None
    records = [record for record in (current, *(state.closed if state else ())) if record]
    lines = report.complete(ledger.lines() if ledger else (), records, now)
    return Costs(
        now=now,
        lines=lines,
        open_pod=current if current and current.is_open else None,
        budget=context.settings_in_force().budget,
        bill="not asked for" if offline else _bill(context, lines, now),
    )


def _bill(context: Context, lines: Sequence[PodHours], now: float) -> Drift | str:
    if not lines:
        return "no pod yet"
    since = report.bill_span(lines, now)
    try:
        bill = context.provider(context.settings_in_force()).billing(since=since, until=now)
    except PodmanLLMError as err:
        return err.message
    return bill.why if isinstance(bill, Unknown) else report.drift(lines, bill.hours, since)


def _budget_texts(costs: Costs) -> list[str]:
    budget, texts = costs.budget, []
    if (cap := budget.max_usd_per_day) is not None:
        gpus = report.on_day(costs.lines, costs.now).amount
        today = gpus + report.disks_on_day(costs.lines, costs.now)
        texts.append(f"{money(today.usd)} of {money(cap)} today, disks included")
    if (cap := budget.max_usd_total) is not None:
        spent = report.in_all(costs.lines) + report.disks(costs.lines)
        texts.append(f"{money(spent.usd)} of {money(cap)} in all, disks included")
    return texts


def _bill_text(bill: Drift | str) -> str:
    if isinstance(bill, str):
        return f"unknown: {bill}"
    sign = "more" if bill.drift >= 0 else "less"
    disks = "" if bill.theirs_disks is None else f"; {money(bill.theirs_disks)} for disks"
    said = f"{money(bill.theirs)}, {money(abs(bill.drift))} {sign} than counted here for that time"
    return f"{said}{disks}"


def _amount_json(amount: Amount) -> dict[str, float]:
    return {"usd": amount.usd, "unpriced_seconds": amount.unpriced}


def _pod_json(line: PodHours) -> dict[str, Any]:
    return {
        "pod_id": line.pod_id,
        "name": line.name,
        "gpu": line.gpu,
        "since": line.since,
        "until": line.until,
        "is_settled": line.is_settled,
        "reason": line.reason or None,
        **_amount_json(line.amount),
        "disk_usd": None if line.disk_micros_per_hour is None else total((line.disk,)).usd,
    }


def _bill_json(bill: Drift | str) -> dict[str, Any]:
    if isinstance(bill, str):
        return {"usd": None, "unknown": bill}
    return {
        "usd": bill.theirs,
        "since": bill.since,
        "disks_usd": bill.theirs_disks,
        "counted_usd": bill.ours,
        "drift_usd": round(bill.drift, 6),
    }
