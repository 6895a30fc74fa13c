"""The bundled Model Store: dated data in ``model_store.json``, checked and computed here.

The file holds the shape of each model's attention instead of a cache size: the number that decides
on a GPU is computed in one place, and the shape can be checked against a model's ``config.json``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from podman_llm.core.catalog import ModelEntry
from podman_llm.core.nearest import did_you_mean
from podman_llm.errors import ConfigError

_VALUE_BYTES = 2
"""vLLM keeps the cache in 16 bits unless told otherwise, whatever the weights are in."""


@dataclass(frozen=True)
class BundledStore:
    """The models that ship with this version; ``dated`` is the day they were looked up."""

    dated: str
    models: tuple[ModelEntry, ...]


@cache
def bundled() -> BundledStore:
    """The store inside the package, read once: it cannot change while we run."""
    text = resources.files("podman_llm.config").joinpath("model_store.json").read_text("utf-8")
    data = json.loads(text)
    return BundledStore(data["dated"], tuple(_entry(row) for row in data["models"]))


def find_model(model_id: str, models: Iterable[ModelEntry]) -> ModelEntry | None:
    """The entry named by its catalog id or its Hugging Face id; case does not count."""
    wanted = model_id.casefold()
    by_id = [entry for entry in models if entry.model_store_id.casefold() == wanted]
    by_hub = [entry for entry in models if entry.hf_id.casefold() == wanted]
    return next(iter(by_id + by_hub), None)


def is_hub_id(model_id: str) -> bool:
    """Whether it has the form of a Hugging Face id, ``org/name``."""
    org, slash, name = model_id.partition("/")
    return bool(slash and org and name and "/" not in name and not model_id.startswith((".", "~")))


def unknown_model(model_id: str, models: Iterable[ModelEntry]) -> ConfigError:
    """The error for an id that is neither in the catalog nor a Hugging Face id."""
    ids = [entry.model_store_id for entry in models]
    return ConfigError(
        f"modelStoreId = {json.dumps(model_id)}: not in the Model Store, and not a Hugging Face id"
        f" (org/name).{did_you_mean(model_id, ids)}",
        hint="`podman-llm catalog` lists the store.",
    )


def parser_args(tool_parser: str | None, reasoning_parser: str | None) -> tuple[str, ...]:
    """What vLLM must be told so that tool calls and reasoning come back as fields of their own."""
    tools = ("--enable-auto-tool-choice", "--tool-call-parser", tool_parser) if tool_parser else ()
    reasoning = ("--reasoning-parser", reasoning_parser) if reasoning_parser else ()
    return (*tools, *reasoning)


def _entry(row: Mapping[str, Any]) -> ModelEntry:
    attention = row["attention"]
    return ModelEntry(
        model_store_id=row["modelStoreId"],
        name=row["name"],
        hf_id=row["hf_id"],
        revision=row["revision"],
        parameters_b=row["parameters_b"],
        active_parameters_b=row["active_parameters_b"],
        quantisation=row["quantisation"],
        weights_gb=row["weights_gb"],
        kv_bytes_per_token=_kv_bytes_per_token(attention),
        context=row["context"],
        vllm_args=(*row["args"], *parser_args(row["tool_parser"], row["reasoning_parser"])),
        tool_parser=row["tool_parser"],
        reasoning_parser=row["reasoning_parser"],
        min_cuda=row["min_cuda"],
        gated=row["gated"],
        source=row["source"],
        attention_heads=attention["heads"],
        kv_shards=attention.get("kv_heads", 1),
    )


def _kv_bytes_per_token(attention: Mapping[str, int]) -> int:
    if "latent" in attention:
        values = attention["latent"]
    else:
        values = 2 * attention["kv_heads"] * attention["head_dim"]  # a key and a value
    return attention["layers"] * values * _VALUE_BYTES
