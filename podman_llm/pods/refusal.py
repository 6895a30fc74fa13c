"""Why no plan can be made, in words that end with what would help."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from podman_llm.core.catalog import GpuOffer, ModelEntry
from podman_llm.core.nearest import did_you_mean
from podman_llm.core.pod import Candidate
from podman_llm.core.sizing import (
    USABLE_SHARE,
    Excluded,
    Sizing,
    Why,
    Wishes,
    cheapest_fits,
    vram_need_gb,
    windows,
)
from podman_llm.errors import (
    ConfigError,
    NoCapacity,
    PodmanLLMError,
    ProviderRefused,
    RefusedByCap,
)

_NAMED: Final = 3
"""How many GPUs a sentence names; the rest is in ``--dry-run --verbose``."""


def require_choosable(model: ModelEntry, wishes: Wishes, offers: Sequence[GpuOffer]) -> None:
    """Refuse GPUs that do not exist, and to choose one for a model of unknown size.

    Raises:
        ConfigError: with the nearest GPU ids, or with what to name.
    """
    known = [offer.gpu_id for offer in offers]
    for gpu_id in wishes.gpu_ids:
        if gpu_id not in known:
            raise ConfigError(
                f"gpu_type_id = {json.dumps(gpu_id)}: RunPod has no such GPU."
                f"{did_you_mean(gpu_id, known)}",
                hint="`podman-llm catalog --verbose` lists GPU ids.",
            )
    if not model.weights_gb and not wishes.gpu_ids:
        raise ConfigError(
            f"modelStoreId = {json.dumps(model.model_store_id)}: its size is not known and its name"
            " does not tell it, so that no GPU can be chosen for it",
            hint="Name one or more with gpu_type_id, and pod.gpu_count if one is not enough.",
        )


def no_candidate(
    model: ModelEntry, wishes: Wishes, offers: Sequence[GpuOffer], sizing: Sizing
) -> PodmanLLMError:
    """The error for a sizing that left nothing: the reason that is nearest to a candidate.

    NoCapacity passes by itself, RefusedByCap by a higher ceiling, ConfigError by another choice.
    """
    by_reason = {why: [place for place in sizing.excluded if place.why is why] for why in Why}
    if sold_out := by_reason[Why.NO_STOCK]:
        return NoCapacity(
            f"every GPU that {model.model_store_id} may run on is sold out now ({_list(sold_out)})",
            hint="Try again later, or allow more of gpu_type_id, pod.clouds, pod.data_center_ids.",
        )
    if dear := by_reason[Why.PRICE]:
        return _too_dear(model, wishes, dear)
    return ConfigError(_does_not_fit(model, sizing), hint=_what_would(model, wishes, offers))


def no_balance(places: Sequence[Candidate], balance: float) -> ProviderRefused:
    """The error for an account that pays for none of these places."""
    least = min(place.price_per_hour for place in places)
    return ProviderRefused(
        f"the account's balance of ${balance:.2f} does not pay one hour; the cheapest place costs"
        f" ${least:.2f}/h",
        hint="Add credit at https://console.runpod.io/user/billing.",
    )


def _too_dear(model: ModelEntry, wishes: Wishes, dear: Sequence[Excluded]) -> RefusedByCap:
    best = min(dear, key=lambda place: place.price_per_hour or 0.0)
    return RefusedByCap(
        f"{model.model_store_id} costs at least ${best.price_per_hour:.2f}/h ({best.what}), over"
        f" the ceiling of ${wishes.max_price_per_hour:.2f}/h",
        hint="Raise pod.max_price_per_hour (--max-price) and budget.max_usd_per_hour, or take a "
        "smaller model.",
    )


def _does_not_fit(model: ModelEntry, sizing: Sizing) -> str:
    tried = [place for place in sizing.excluded if place.why is not Why.NOT_WANTED]
    if not tried:
        return "RunPod's catalog holds no GPU at all"
    reasons = "; ".join(f"{place.what}: {place.reason}" for place in tried[:_NAMED])
    more = f"; and {len(tried) - _NAMED} more" if len(tried) > _NAMED else ""
    return f"{model.model_store_id} fits no GPU that may be used. {reasons}{more}"


def _what_would(model: ModelEntry, wishes: Wishes, offers: Sequence[GpuOffer]) -> str:
    window = windows(model, wishes.context)[-1]
    fits = cheapest_fits(model, offers, window)[:_NAMED]
    if not fits:
        need = vram_need_gb(model, window) / USABLE_SHARE
        return f"It needs about {need:.0f} GB of VRAM; take a smaller or quantised model."
    listed = ", ".join(f"{count} x {offer.gpu_id} (${price:.2f}/h)" for offer, count, price in fits)
    return f"With {window} tokens of context it fits: {listed}."


def _list(places: Sequence[Excluded]) -> str:
    return "; ".join(place.what for place in places[:_NAMED])
