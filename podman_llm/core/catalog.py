"""The shapes of the Model Store catalog: models we know how to serve, GPUs that can be rented."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ModelEntry:
    """One model of the store.

    ``parameters_b`` counts all weights, mixture-of-experts included, in billions.
    ``weights_gb`` is what the files take on disk and in VRAM (GB, decimal).
    ``kv_bytes_per_token`` is the KV cache of one token over all layers.
    ``context`` is the largest window the model is published for, in tokens.
    ``vllm_args`` are extra serving arguments, parsers included. ``origin`` is where the entry came
    from: ``bundled``, ``repository`` (the account's own), or ``hub`` (a bare Hugging Face id).
    ``attention_heads`` must be divisible by the number of GPUs, and ``kv_shards`` is into how many
    parts one token's cache can be cut (its KV heads; 1 for latent attention), beyond which GPUs
    hold copies; 0 where they are not known.
    """

    model_store_id: str
    name: str
    hf_id: str
    revision: str
    parameters_b: float
    active_parameters_b: float
    quantisation: str
    weights_gb: float
    kv_bytes_per_token: int
    context: int
    vllm_args: tuple[str, ...]
    tool_parser: str | None
    reasoning_parser: str | None
    min_cuda: str | None
    gated: bool
    source: str
    origin: str = "bundled"
    attention_heads: int = 0
    kv_shards: int = 0


@dataclass(frozen=True)
class DataCenter:
    """One data centre's stock of one GPU: NONE, LOW, MEDIUM or HIGH."""

    data_center_id: str
    availability: str


@dataclass(frozen=True)
class GpuOffer:
    """One GPU type as the provider sells it now.

    Prices are USD per hour for one GPU, None where that cloud does not sell it.
    """

    gpu_id: str
    name: str
    manufacturer: str
    vram_gb: float
    secure_price: float | None
    community_price: float | None
    max_count_secure: int
    max_count_community: int
    availability: str
    data_centers: tuple[DataCenter, ...]
    cuda_versions: tuple[str, ...]


@dataclass(frozen=True)
class Catalog:
    """All we can serve and all it can run on, with its age.

    ``fetched_at`` is wall seconds of the live part, None when only the bundled part serves;
    ``notes`` say in words what is missing and why.
    """

    models: tuple[ModelEntry, ...]
    gpus: tuple[GpuOffer, ...]
    bundled_on: str
    fetched_at: float | None
    notes: tuple[str, ...]
