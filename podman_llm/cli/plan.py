"""``up --dry-run``: what would be rented, in which order, and what is ruled out and why."""

from __future__ import annotations

from dataclasses import asdict

from podman_llm.cli.context import Context
from podman_llm.cli.durations import format_duration
from podman_llm.config.models import Settings


def show_plan(context: Context, settings: Settings, *, as_json: bool) -> None:
    """Plan with the live catalog when there is a key, and write nothing anywhere."""
    from podman_llm.bootstrap import plan_only

    plan = plan_only(settings, context.paths())
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
