"""Token counts, in the four shapes in which vLLM tells them."""

from __future__ import annotations

from podman_llm.testing.openai_config import OpenAIDoubleConfig
from podman_llm.testing.openai_errors import Json
from podman_llm.testing.openai_model import Answer


def whole_usage(config: OpenAIDoubleConfig, answer: Answer) -> Json:
    """Usage in a document: every key, told or not."""
    details = None
    if config.prompt_tokens_details:
        details = {**_cache_counts(answer), "multimodal_tokens": None}
    return {
        **_counts(len(answer.prompt), answer.completion_tokens),
        "prompt_tokens_details": details,
        "completion_tokens_details": None,
    }


def stream_usage(config: OpenAIDoubleConfig, answer: Answer) -> Json:
    """Usage in the last chunk of a stream: only what is known."""
    usage = _counts(len(answer.prompt), answer.completion_tokens)
    if config.prompt_tokens_details:
        usage["prompt_tokens_details"] = _cache_counts(answer)
    return usage


def running_usage(answer: Answer, written: int) -> Json:
    """Usage in each chunk of a stream that asked for continuous counts."""
    return {**_counts(len(answer.prompt), written), "completion_tokens_details": None}


def _counts(prompt: int, completion: int) -> Json:
    return {
        "prompt_tokens": prompt,
        "total_tokens": prompt + completion,
        "completion_tokens": completion,
    }


def _cache_counts(answer: Answer) -> Json:
    return {"cached_tokens": answer.cached_tokens, "created_cache_tokens": answer.created_tokens}
