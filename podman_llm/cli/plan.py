"""``up --dry-run``: what would be rented, in which order, and what is ruled out and why."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from podman_llm.cli.context import Context
from podman_llm.cli.durations import format_duration
from podman_llm.config.models import Settings
from podman_llm.errors import RefusedByCap

if TYPE_CHECKING:
    from podman_llm.pods.planning import Plan


def show_plan(context: Context, settings: Settings, *, as_json: bool) -> None:
    """Plan with the live catalog when there is a key, and write nothing anywhere."""
    from podman_llm.bootstrap.provider import plan_only

    plan = _within_budgets(context, settings, plan_only(settings, context.paths()))
    if as_json:
        context.emit_json(
            {
                "spec": asdict(plan.spec),
                "candidates": [asdict(candidate) for candidate in plan.candidates],
                "excluded": [{"what": what, "why": why} for what, why in plan.excluded],
            }
        )
        return
    spec = plan.spec
    context.echo(f"Model    {spec.model_store_id} ({spec.hf_id}), context {spec.context} tokens")
    context.echo(f"Image    {spec.image}, disk {spec.disk_gb} GB")
    context.echo(f"Runs     {format_duration(settings.runtime_seconds)} at most, boot included")
    context.echo("Would try, in this order:")
    for candidate in plan.candidates:
        where = candidate.data_center_id or "any data centre"
        context.echo(
            f"  {candidate.gpu_count} x {candidate.gpu_name:<28} {candidate.cloud:<9} {where:<16}"
            f" ${candidate.price_per_hour:.2f}/h  stock {candidate.availability}"
        )
    if context.verbose:
        for what, why in plan.excluded:
            context.echo(f"  not {what}: {why}")
    context.echo("Nothing was rented and nothing written.")


def _within_budgets(context: Context, settings: Settings, plan: Plan) -> Plan:
    """Without the places that a budget does not allow now, as the daemon would decide.

    Raises:
        RefusedByCap: it allows none of them.
    """
    from podman_llm.core.budget import NOTHING_SPENT, refusal
    from podman_llm.core.charges import day_of
    from podman_llm.pods.controller import caps_of
    from podman_llm.usage.ledger import read_ledger

    now = context.clock.wall()
    ledger = read_ledger(context.paths().ledger)
    spent = ledger.spent(besides=None, day=day_of(now)) if ledger else NOTHING_SPENT
    caps = caps_of(settings)
    why = [(one, refusal(caps, spent, one.price_per_hour, (), now)) for one in plan.candidates]
    allowed = tuple(one for one, no in why if not no)
    if not allowed:
        raise RefusedByCap(
            f"A cap forbids it: {why[0][1]}",
            hint="`podman-llm cost` shows what was spent; the group `budget` caps it.",
        )
    dear = tuple((f"{one.gpu_id} {one.cloud}", no) for one, no in why if no)
    return replace(plan, candidates=allowed, excluded=(*plan.excluded, *dear))
