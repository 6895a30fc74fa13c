"""GET /metrics: those of vLLM's numbers that tell whether it works, under vLLM's names."""

from __future__ import annotations

from podman_llm.testing.openai_config import OpenAIDoubleConfig
from podman_llm.testing.openai_tally import Tally

CONTENT_TYPE = "text/plain; version=1.0.0; charset=utf-8"

_FAMILIES = (
    ("num_requests_running", "gauge", "Number of requests in model execution batches."),
    ("num_requests_waiting", "gauge", "Number of requests waiting to be processed."),
    ("prompt_tokens_total", "counter", "Number of prefill tokens processed."),
    ("generation_tokens_total", "counter", "Number of generation tokens processed."),
)


def exposition(config: OpenAIDoubleConfig, tally: Tally) -> str:
    """The Prometheus text."""
    values = (tally.running, tally.waiting, tally.prompt_tokens, tally.generation_tokens)
    labels = f'engine="0",model_name="{config.model}"'
    lines: list[str] = []
    for (name, kind, told), value in zip(_FAMILIES, values, strict=True):
        lines += [
            f"# HELP vllm:{name} {told}",
            f"# TYPE vllm:{name} {kind}",
            f"vllm:{name}{{{labels}}} {float(value)}",
        ]
    return "\n".join(lines) + "\n"
