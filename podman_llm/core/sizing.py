"""Which GPUs a model fits on, how many of them, with which window, and in which order to ask.

The rule: the weights with 8 % for what loading leaves behind, one full window of KV cache, and 2 GB
on each GPU for activations, must fit into 90 % of the VRAM. GB are taken as decimal although cards
have a little more; that margin is meant.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from podman_llm.core.catalog import GpuOffer, ModelEntry
from podman_llm.core.pod import Candidate

USABLE_SHARE: Final = 0.90
"""What vLLM is told to use of a GPU's memory."""

WINDOWS: Final = (65536, 32768, 16384)
"""Windows aimed at, in tokens, when none was asked for. An agent sends 10 to 20 thousand tokens
before the first question; a GPU that holds less than the first is taken only when none holds it."""

_LOADED, _OVERHEAD_GB = 1.08, 2.0
_WINDOW_STEP = 1024
_STOCK = {"HIGH": 0, "MEDIUM": 1, "LOW": 2}
_TOO_OLD = ("Tesla V100",)  # compute capability 7.0; vLLM's images need 7.5


class Why(StrEnum):
    """What rules an offer out; tells which error to raise when nothing is left."""

    NOT_WANTED = "not_wanted"
    UNSUITABLE = "unsuitable"
    TOO_SMALL = "too_small"
    NOT_SOLD = "not_sold"
    PRICE = "price"
    NO_STOCK = "no_stock"


@dataclass(frozen=True)
class Excluded:
    """An offer ruled out; ``what`` names the GPU, and the cloud where it matters.

    ``price_per_hour`` is for all its GPUs, where the price is the reason.
    """

    what: str
    why: Why
    reason: str
    price_per_hour: float | None = None


@dataclass(frozen=True)
class Wishes:
    """What was asked for; empty tuples and None leave it open."""

    gpu_ids: tuple[str, ...] = ()
    gpu_count: int | None = None
    clouds: tuple[str, ...] = ("SECURE", "COMMUNITY")
    data_center_ids: tuple[str, ...] = ()
    max_price_per_hour: float | None = None
    context: int | None = None
    min_cuda: str | None = None


@dataclass(frozen=True)
class Sizing:
    """Candidates best first, each of which holds a window of ``context`` tokens."""

    context: int
    candidates: tuple[Candidate, ...]
    excluded: tuple[Excluded, ...]


def vram_need_gb(model: ModelEntry, context: int, gpu_count: int = 1) -> float:
    """VRAM over all its GPUs that the model takes with one full window, in GB."""
    cache = context * _cache_bytes_per_token(model, gpu_count) / 1e9
    return model.weights_gb * _LOADED + cache + _OVERHEAD_GB * gpu_count


def largest_window(model: ModelEntry, vram_gb: float, gpu_count: int) -> int:
    """Tokens that fit, in whole steps, at most the model's own window where that is known."""
    if not model.kv_bytes_per_token:
        return model.context
    room = vram_gb * gpu_count * USABLE_SHARE - vram_need_gb(model, 0, gpu_count)
    tokens = math.floor(max(0.0, room) * 1e9 / _cache_bytes_per_token(model, gpu_count))
    is_whole = 0 < model.context <= tokens
    return model.context if is_whole else tokens // _WINDOW_STEP * _WINDOW_STEP


def fewest_gpus(model: ModelEntry, vram_gb: float, context: int, limit: int) -> int | None:
    """The smallest power of two, up to ``limit``, that holds the window; None when none does."""
    counts = (1 << power for power in range(max(0, limit).bit_length()))
    return next((n for n in counts if n <= limit and _holds(model, vram_gb, n, context)), None)


def disk_gb(weights_gb: float) -> int:
    """Container disk in GB for the downloaded weights and what the image writes."""
    return max(30, math.ceil(weights_gb * 1.15 + 20))


def windows(model: ModelEntry, asked: int | None = None) -> tuple[int, ...]:
    """The windows to try, largest first: the one asked for, else those that serve an agent."""
    if asked is not None:
        return (asked,)
    own = model.context or max(WINDOWS)
    return tuple(sorted({min(window, own) for window in WINDOWS}, reverse=True))


def size(model: ModelEntry, offers: Sequence[GpuOffer], wishes: Wishes) -> Sizing:
    """Candidates for a model, and every other offer with the reason against it.

    All candidates share one window, because the pod's command is the same for all: the largest that
    each of them holds, once the first of ``windows`` that any of them holds is reached.
    """
    sizing = Sizing(0, (), ())
    for window in windows(model, wishes.context):
        sizing = _size_for(model, offers, wishes, window)
        if sizing.candidates:
            break
    return sizing


def cheapest_fits(
    model: ModelEntry, offers: Iterable[GpuOffer], context: int
) -> tuple[tuple[GpuOffer, int, float], ...]:
    """Every GPU the model fits on, with the fewest of them and their price, cheapest first."""
    found = []
    for offer in offers:
        price = min(filter(None, (offer.secure_price, offer.community_price)), default=None)
        limit = max(offer.max_count_secure, offer.max_count_community)
        count = fewest_gpus(model, offer.vram_gb, context, limit)
        if price and count and not _unsuitable(offer, model.min_cuda):
            found.append((offer, count, price * count))
    return tuple(sorted(found, key=lambda fit: (fit[2], fit[0].gpu_id)))


def _cache_bytes_per_token(model: ModelEntry, gpu_count: int) -> float:
    """Over all GPUs; more GPUs than the cache can be cut for hold copies of it."""
    copies = max(1.0, gpu_count / model.kv_shards) if model.kv_shards else 1.0
    return model.kv_bytes_per_token * copies


def _holds(model: ModelEntry, vram_gb: float, gpu_count: int, context: int) -> bool:
    is_even = not model.attention_heads or model.attention_heads % gpu_count == 0
    has_room = vram_need_gb(model, context, gpu_count) <= vram_gb * gpu_count * USABLE_SHARE
    return is_even and has_room


def _size_for(model: ModelEntry, offers: Sequence[GpuOffer], wishes: Wishes, window: int) -> Sizing:
    outcomes = [place for offer in offers for place in _places(model, offer, wishes, window)]
    candidates = [place for place in outcomes if isinstance(place, Candidate)]
    excluded = tuple(place for place in outcomes if isinstance(place, Excluded))
    if wishes.context is None:
        held = (largest_window(model, place.vram_gb, place.gpu_count) for place in candidates)
        window = min(held, default=window)
    candidates.sort(key=lambda candidate: _rank(candidate, wishes))
    return Sizing(window, tuple(candidates), excluded)


def _rank(candidate: Candidate, wishes: Wishes) -> tuple[int, float, int, int, int, str, str]:
    """The order of asking: the person's, then price, then what is likelier to be there."""
    return (
        wishes.gpu_ids.index(candidate.gpu_id) if wishes.gpu_ids else 0,
        candidate.price_per_hour,
        wishes.clouds.index(candidate.cloud),
        _STOCK.get(candidate.availability, len(_STOCK)),
        candidate.gpu_count,
        candidate.data_center_id or "",
        candidate.gpu_id,
    )


def _places(
    model: ModelEntry, offer: GpuOffer, wishes: Wishes, window: int
) -> Iterator[Candidate | Excluded]:
    if wishes.gpu_ids and offer.gpu_id not in wishes.gpu_ids:
        yield Excluded(offer.gpu_id, Why.NOT_WANTED, "not in gpu_type_id")
    elif reason := _unsuitable(offer, _newer(model.min_cuda, wishes.min_cuda)):
        yield Excluded(offer.gpu_id, Why.UNSUITABLE, reason)
    else:
        for cloud in wishes.clouds:
            yield from _in_cloud(model, offer, wishes, window, cloud)


def _in_cloud(
    model: ModelEntry, offer: GpuOffer, wishes: Wishes, window: int, cloud: str
) -> Iterator[Candidate | Excluded]:
    what = f"{offer.gpu_id}, {cloud}"
    is_secure = cloud == "SECURE"
    price = offer.secure_price if is_secure else offer.community_price
    limit = offer.max_count_secure if is_secure else offer.max_count_community
    if not price or limit < (wishes.gpu_count or 1):
        reason = f"at most {limit} in one pod" if price else "not sold there"
        yield Excluded(what, Why.NOT_SOLD, reason)
        return
    count = _count(model, offer, wishes, window, limit)
    if count is None:
        yield Excluded(what, Why.TOO_SMALL, _too_small(model, offer, wishes, window, limit))
        return
    total = round(price * count, 4)
    if wishes.max_price_per_hour is not None and total > wishes.max_price_per_hour:
        reason = f"${total:.2f}/h is over the ceiling of ${wishes.max_price_per_hour:.2f}/h"
        yield Excluded(what, Why.PRICE, reason, total)
        return
    for data_center_id, availability in _stock(offer, wishes):
        if availability == "NONE":
            yield Excluded(what, Why.NO_STOCK, f"no stock in {data_center_id or 'any data centre'}")
        else:
            yield Candidate(
                offer.gpu_id,
                offer.name,
                count,
                cloud,
                data_center_id,
                total,
                offer.vram_gb,
                availability,
            )


def _count(
    model: ModelEntry, offer: GpuOffer, wishes: Wishes, window: int, limit: int
) -> int | None:
    if wishes.gpu_count is None:
        return fewest_gpus(model, offer.vram_gb, window, limit)
    fits = _holds(model, offer.vram_gb, wishes.gpu_count, window)
    return wishes.gpu_count if fits else None


def _too_small(model: ModelEntry, offer: GpuOffer, wishes: Wishes, window: int, limit: int) -> str:
    count = wishes.gpu_count or 1 << (limit.bit_length() - 1)
    if model.attention_heads and model.attention_heads % count:
        return f"{model.attention_heads} attention heads cannot be shared by {count} GPUs"
    need = vram_need_gb(model, window, count)
    usable = offer.vram_gb * count * USABLE_SHARE
    return (
        f"{model.model_store_id} needs {need:.1f} GB with {window} tokens of context, and"
        f" {count} x {offer.vram_gb:g} GB leave {usable:.1f}"
    )


def _stock(offer: GpuOffer, wishes: Wishes) -> Iterator[tuple[str | None, str]]:
    """Where to ask and what stock it has: anywhere, or each data centre that was named."""
    if not wishes.data_center_ids:
        yield None, offer.availability
        return
    known = {center.data_center_id: center.availability for center in offer.data_centers}
    for data_center_id in wishes.data_center_ids:
        yield data_center_id, known.get(data_center_id, "NONE")


def _unsuitable(offer: GpuOffer, min_cuda: str | None) -> str:
    """Why a GPU cannot run vLLM's image at all; empty when it can."""
    if offer.manufacturer.casefold() != "nvidia":
        return f"the image is for NVIDIA, this is {offer.manufacturer}"
    if offer.gpu_id.startswith(_TOO_OLD):
        return "too old for vLLM's image"
    newest = max(map(_version, offer.cuda_versions), default=None)
    if min_cuda and newest is not None and newest < _version(min_cuda):
        return f"no host offers CUDA {min_cuda} or newer"
    return ""


def _newer(one: str | None, other: str | None) -> str | None:
    return max(filter(None, (one, other)), key=_version, default=None)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())
