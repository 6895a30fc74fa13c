"""``catalog``: the models of the store, the GPUs they fit, and what the cheapest costs now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import click

from podman_llm.cli.columns import show_table
from podman_llm.cli.context import Context, pass_context
from podman_llm.cli.durations import format_duration
from podman_llm.core.catalog import Catalog, GpuOffer, ModelEntry
from podman_llm.core.sizing import USABLE_SHARE, cheapest_fits, vram_need_gb, windows

_STALE_SECONDS: Final = 900.0
"""Stock and prices move within minutes; an older table says so."""
_NAMED: Final = 3
_HEADINGS: Final = ("modelStoreId", "Name", "Weights", "Context", "Fits", "Cheapest", "Stock")
_SPARE: Final = ("Name", "Fits", "Weights", "Stock", "Context")
_SPARE_UNPRICED: Final = ("Name", "Stock", "Cheapest", "Weights", "Context")
"""Before RunPod was asked the memory that a model needs is all there is to tell."""


@dataclass(frozen=True)
class Fit:
    """A way to run a model: so many of that GPU, USD per hour for all of them."""

    gpu_id: str
    gpu_name: str
    gpu_count: int
    price_per_hour: float
    availability: str


@dataclass(frozen=True)
class Row:
    """A model with every fit, cheapest first, for a window of ``window`` tokens."""

    model: ModelEntry
    window: int
    fits: tuple[Fit, ...]

    @property
    def best(self) -> Fit | None:
        """The cheapest that is in stock, else the cheapest."""
        in_stock = [fit for fit in self.fits if fit.availability != "NONE"]
        return next(iter([*in_stock, *self.fits]), None)


@click.group(invoke_without_command=True)
@click.option("--json", "json_", is_flag=True, help="As JSON.")
@click.option("-v", "--verbose", is_flag=True, help="Also Hugging Face ids and every GPU.")
@pass_context
@click.pass_context
def catalog(ctx: click.Context, context: Context, /, *, json_: bool, verbose: bool) -> None:
    """List models by modelStoreId, the GPUs they fit and the cheapest price."""
    ctx.meta["podman_llm.catalog"] = (json_, verbose)
    if ctx.invoked_subcommand is None:
        from podman_llm.providers.runpod.catalog import last_known

        show(context, last_known(context.paths()), json_=json_, verbose=verbose)


@catalog.command()
@click.option("--json", "json_", is_flag=True, help="As JSON.")
@click.option("-v", "--verbose", is_flag=True, help="Also Hugging Face ids and every GPU.")
@pass_context
@click.pass_context
def refresh(ctx: click.Context, context: Context, /, *, json_: bool, verbose: bool) -> None:
    """Ask RunPod for GPUs, prices, stock and the account's own models; then list."""
    from podman_llm.providers.runpod.catalog import refresh as ask

    outer_json, outer_verbose = ctx.meta.get("podman_llm.catalog", (False, False))
    settings = context.load_settings().settings
    found = ask(context.provider(settings), context.paths(), context.clock)
    show(context, found, json_=json_ or outer_json, verbose=verbose or outer_verbose)


def show(context: Context, found: Catalog, *, json_: bool, verbose: bool) -> None:
    """Print a catalog: JSON, a table for a terminal, or plain columns."""
    rows = [row_of(model, found.gpus) for model in found.models]
    now = context.clock.wall()
    if json_:
        context.emit_json(as_json(found, rows, now))
        return
    spare = _SPARE if found.gpus else _SPARE_UNPRICED
    show_table(context, _HEADINGS, [_cells(row) for row in rows], spare=spare)
    if verbose:
        sources = [(row.model.model_store_id, row.model.hf_id, row.model.source) for row in rows]
        show_table(context, ("modelStoreId", "Hugging Face id", "Source"), sources)
        show_table(
            context, ("gpu_type_id", "VRAM", "Secure", "Community", "Stock"), _gpus(found.gpus)
        )
    for line in (age(found, now), *found.notes):
        context.err(line)


def row_of(model: ModelEntry, offers: Sequence[GpuOffer]) -> Row:
    """Where a model fits, with the largest of the usual windows for which there is a GPU."""
    wanted = windows(model)
    for window in wanted if model.weights_gb else ():
        if fits := cheapest_fits(model, offers, window):
            return Row(model, window, tuple(_fit(*fit) for fit in fits))
    return Row(model, wanted[0], ())


def age(found: Catalog, now: float) -> str:
    """How old each part is, in a sentence."""
    if found.fetched_at is None:
        return f"Models as of {found.bundled_on}; `podman-llm catalog refresh` asks RunPod."
    old = now - found.fetched_at
    stale = "; prices and stock move, `podman-llm catalog refresh`" if old > _STALE_SECONDS else ""
    return f"Models as of {found.bundled_on}, GPUs as of {format_duration(old)} ago{stale}."


def as_json(found: Catalog, rows: Sequence[Row], now: float) -> dict[str, Any]:
    """The catalog for scripts."""
    return {
        "bundled_on": found.bundled_on,
        "fetched_at": found.fetched_at,
        "age_seconds": None if found.fetched_at is None else now - found.fetched_at,
        "notes": list(found.notes),
        "models": [_model_json(row) for row in rows],
        "gpus": [asdict(offer) for offer in found.gpus],
    }


def _model_json(row: Row) -> dict[str, Any]:
    fields = asdict(row.model)
    return {
        "modelStoreId": fields.pop("model_store_id"),
        **fields,
        "vram_needed_gb": round(vram_need_gb(row.model, row.window) / USABLE_SHARE, 1),
        "window": row.window,
        "fits": [asdict(fit) for fit in row.fits],
    }


def _fit(offer: GpuOffer, count: int, price: float) -> Fit:
    return Fit(offer.gpu_id, offer.name, count, round(price, 4), offer.availability)


def _cells(row: Row) -> tuple[str, ...]:
    model, best = row.model, row.best
    weights = f"{model.weights_gb:g} GB" if model.weights_gb else "?"
    context = f"{model.context // 1024}k" if model.context else "?"
    names = [fit.gpu_name for fit in row.fits]
    more = f" +{len(names) - _NAMED}" if len(names) > _NAMED else ""
    need = vram_need_gb(model, row.window) / USABLE_SHARE
    fits = ", ".join(names[:_NAMED]) + more if names else f"{need:.0f} GB of VRAM"
    price = f"${best.price_per_hour:.2f}/h {best.gpu_count} x {best.gpu_name}" if best else "-"
    stock = best.availability.lower() if best else "-"
    fits = fits if model.weights_gb else "?"
    return (model.model_store_id, model.name, weights, context, fits, price, stock)


def _gpus(offers: Sequence[GpuOffer]) -> list[tuple[str, ...]]:
    def price(amount: float | None) -> str:
        return f"${amount:.2f}/h" if amount else "-"

    return [
        (
            offer.gpu_id,
            f"{offer.vram_gb:g} GB",
            price(offer.secure_price),
            price(offer.community_price),
            offer.availability.lower(),
        )
        for offer in offers
    ]
