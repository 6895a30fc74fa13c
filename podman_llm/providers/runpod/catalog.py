"""The Model Store with RunPod's side of it: the account's own models, and the GPUs on offer.

What RunPod last told is kept in the state directory, with its age. The bundled part is never kept:
it belongs to the version that runs. Where RunPod cannot be asked the last good answer serves, then
the bundled models alone, and ``Catalog.notes`` say so.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from podman_llm.config.model_store import bundled
from podman_llm.core.catalog import Catalog, DataCenter, GpuOffer, ModelEntry
from podman_llm.core.estimate import with_estimate
from podman_llm.errors import ProviderRefused, ProviderUnreachable
from podman_llm.host.clock import Clock
from podman_llm.host.files import write_atomic
from podman_llm.providers.base import Provider
from podman_llm.state.paths import StatePaths

_VERSION: Final = 1


@dataclass(frozen=True)
class _Live:
    """What RunPod told at ``fetched_at`` (wall seconds)."""

    fetched_at: float
    gpus: tuple[GpuOffer, ...]
    models: tuple[ModelEntry, ...]


def refresh(provider: Provider, paths: StatePaths, clock: Clock) -> Catalog:
    """Ask RunPod, keep the answer, and merge it with the bundled models.

    Raises:
        ProviderRefused: the key is not accepted; an old catalog would hide that.
        StateError: the state directory is not ours to write to.
    """
    try:
        gpus = tuple(provider.gpus())
    except ProviderUnreachable as err:
        return _with_note(last_known(paths), f"RunPod could not be asked: {err.message}.")
    models, note = _repository(provider)
    live = _Live(clock.wall(), gpus, models)
    paths.ensure()
    return _with_note(_merge(live), note, _keep(paths.catalog, live))


def last_known(paths: StatePaths) -> Catalog:
    """The last good catalog, else the bundled one; touches no network and writes nothing."""
    if not paths.catalog.exists():
        return _merge(None)
    try:
        return _merge(_read(paths.catalog))
    except (OSError, ValueError, KeyError, TypeError):
        return _with_note(_merge(None), f"{paths.catalog} cannot be read and is left out.")


def _repository(provider: Provider) -> tuple[tuple[ModelEntry, ...], str]:
    """The account's own models; without them everything else still serves."""
    try:
        return tuple(map(with_estimate, provider.models())), ""
    except (ProviderRefused, ProviderUnreachable) as err:
        return (), f"The account's Model Repository is left out: {err.message}."


def _merge(live: _Live | None) -> Catalog:
    store = bundled()
    if live is None:
        note = "Bundled models only: no GPU, price or stock is known before a refresh."
        return Catalog(store.models, (), store.dated, None, (note,))
    known = {entry.hf_id.casefold() for entry in store.models}
    own = tuple(entry for entry in live.models if entry.hf_id.casefold() not in known)
    return Catalog((*store.models, *own), live.gpus, store.dated, live.fetched_at, ())


def _with_note(catalog: Catalog, *notes: str) -> Catalog:
    return replace(catalog, notes=(*filter(None, notes), *catalog.notes))


def _keep(path: Path, live: _Live) -> str:
    """Write the answer; a full disk costs only the next command's speed."""
    document = {"version": _VERSION, **asdict(live)}
    try:
        write_atomic(path, json.dumps(document, indent=1).encode() + b"\n")
    except OSError as err:
        return f"The catalog could not be kept in {path}: {err.strerror}."
    return ""


def _read(path: Path) -> _Live:
    document: dict[str, Any] = json.loads(path.read_bytes())
    if document["version"] != _VERSION:
        raise ValueError(f"version {document['version']}")
    return _Live(
        float(document["fetched_at"]),
        tuple(map(_offer, document["gpus"])),
        tuple(
            ModelEntry(**{**row, "vllm_args": tuple(row["vllm_args"])})
            for row in document["models"]
        ),
    )


def _offer(row: dict[str, Any]) -> GpuOffer:
    centers: Sequence[dict[str, str]] = row["data_centers"]
    lists = {
        "data_centers": tuple(DataCenter(**center) for center in centers),
        "cuda_versions": tuple(row["cuda_versions"]),
    }
    return GpuOffer(**{**row, **lists})
