"""The size of a model of which only the name is known.

Names on Hugging Face nearly always tell the number of parameters (``32B``, ``8x7B``) and the
quantisation (``AWQ``, ``FP8``). What a name does not tell is taken on the large side: too big a GPU
costs a little more, too small a one costs a failed boot.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from podman_llm.core.catalog import ModelEntry

_PARAMETERS: Final = re.compile(
    r"(?<![\dA-Za-z.])(?:(\d+)x)?(\d+(?:\.\d+)?)([bt])(?![a-z])", re.IGNORECASE
)
_QUANTISATIONS: Final = (
    ("4bit", 0.75, re.compile(r"awq|gptq|int4|w4a16|4-?bit|nvfp4|mxfp4|fp4", re.IGNORECASE)),
    ("8bit", 1.10, re.compile(r"fp8|int8|w8a8|w8a16|8-?bit", re.IGNORECASE)),
)
_UNQUANTISED: Final = ("bf16", 2.0)
_CACHE_BYTES_PER_TOKEN: Final = 262144
"""64 layers of 8 heads of 128 values, key and value, 16 bits: a 32B model without tricks."""


def hub_entry(hf_id: str) -> ModelEntry:
    """An entry for a bare Hugging Face id; everything that is not known is 0 or empty."""
    return ModelEntry(
        model_store_id=hf_id,
        name=hf_id.rpartition("/")[2],
        hf_id=hf_id,
        revision="main",
        parameters_b=0.0,
        active_parameters_b=0.0,
        quantisation="",
        weights_gb=0.0,
        kv_bytes_per_token=0,
        context=0,
        vllm_args=(),
        tool_parser=None,
        reasoning_parser=None,
        min_cuda=None,
        gated=False,
        source=f"https://huggingface.co/{hf_id}",
        origin="hub",
    )


def with_estimate(entry: ModelEntry) -> ModelEntry:
    """The entry with its size read from its name, where it has none and the name tells one."""
    found = _PARAMETERS.search(entry.hf_id.rpartition("/")[2])
    if entry.weights_gb or found is None:
        return entry
    experts, number, unit = found.groups()
    billions = float(number) * int(experts or 1) * (1000 if unit in "tT" else 1)
    quantisation, bytes_each = _bytes_per_parameter(entry.hf_id)
    return replace(
        entry,
        parameters_b=billions,
        active_parameters_b=billions,
        quantisation=quantisation,
        weights_gb=round(billions * bytes_each, 1),
        kv_bytes_per_token=_CACHE_BYTES_PER_TOKEN,
    )


def _bytes_per_parameter(name: str) -> tuple[str, float]:
    found = ((kind, size) for kind, size, pattern in _QUANTISATIONS if pattern.search(name))
    return next(found, _UNQUANTISED)
