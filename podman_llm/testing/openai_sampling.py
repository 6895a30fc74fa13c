"""What a request asks of the sampler, and what vLLM refuses of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from podman_llm.testing.openai_errors import Json, bad_request
from podman_llm.testing.openai_fields import as_truth

_MAX_SEQUENCES = 16_384
_MAX_LOGPROBS = 20
_JSON_TYPES = {"object", "array", "string", "number", "integer", "boolean", "null"}


@dataclass(frozen=True)
class Sampling:
    """How to answer; ``max_tokens`` is None where only the context window bounds the answer."""

    n: int
    max_tokens: int | None
    stops: tuple[str, ...]
    stop_token_ids: frozenset[int]
    top_logprobs: int | None
    prompt_logprobs: int | None
    wants_token_ids: bool
    is_random: bool
    """An explicit temperature without a seed: the same request may get another answer."""


def read_sampling(body: Json, *, vocabulary_size: int, max_model_len: int) -> Sampling:
    """The sampler's part of a body of the right shape; raises Refused."""
    _check_stream_options(body)
    _check_ranges(body)
    _check_logit_bias(body, vocabulary_size)
    stop = body.get("stop") or ()
    max_tokens = _max_tokens(body, max_model_len)
    return Sampling(
        n=_count(body),
        max_tokens=max_tokens,
        stops=(stop,) if isinstance(stop, str) else tuple(stop),
        stop_token_ids=frozenset(map(int, body.get("stop_token_ids") or ())),
        top_logprobs=_top_logprobs(body),
        prompt_logprobs=_prompt_logprobs(body),
        wants_token_ids=as_truth(body.get("return_token_ids")),
        is_random=bool(_number(body, "temperature", 0.0)) and body.get("seed") is None,
    )


def _number(body: Json, name: str, default: float) -> float:
    value = body.get(name)
    return default if value is None else float(value)


def _check_stream_options(body: Json) -> None:
    if body.get("stream_options") is not None and not as_truth(body.get("stream")):
        message = "Stream options can only be defined when `stream=True`."
        raise bad_request(message, "stream_options")


def _check_ranges(body: Json) -> None:
    temperature = _number(body, "temperature", 1.0)
    if temperature < 0:
        message = f"temperature must be non-negative, got {temperature}."
        raise bad_request(message, "temperature", temperature)
    _check_range("temperature", temperature, "[0, 2]", lambda given: given <= 2)  # noqa: PLR2004 - told beside it
    _check_range("top_p", _number(body, "top_p", 1.0), "(0, 1]", lambda given: 0 < given <= 1)
    for name in ("presence_penalty", "frequency_penalty"):
        penalty = _number(body, name, 0.0)
        if abs(penalty) > 2:  # noqa: PLR2004 - told in the message
            raise bad_request(f"{name} must be in [-2, 2], got {penalty}.")


def _check_range(name: str, given: float, told: str, holds: Callable[[float], bool]) -> None:
    if not holds(given):
        raise bad_request(f"{name} must be in {told}, got {given}.", name, given)


def _check_logit_bias(body: Json, vocabulary_size: int) -> None:
    given = body.get("logit_bias") or {}
    for key in given:
        if not key.isdecimal():
            raise bad_request(f"token_id `{key}` in logit_bias is no integer.", "logit_bias", key)
    beyond = [int(key) for key in given if int(key) >= vocabulary_size]
    if beyond:
        message = f"token_id(s) {beyond} in logit_bias contain out-of-vocab token ids."
        message += f" Vocabulary size: {vocabulary_size}"
        raise bad_request(message, "logit_bias", beyond)


def _max_tokens(body: Json, max_model_len: int) -> int | None:
    given = body.get("max_completion_tokens")
    given = body.get("max_tokens") if given is None else given
    if given is None:
        return None
    limit = int(given)
    if limit > max_model_len:
        message = f"max_tokens={limit} cannot be greater than max_model_len={max_model_len}."
        raise bad_request(f"{message} Please request fewer output tokens.", "max_tokens", limit)
    if limit < 1:
        raise bad_request(f"max_tokens must be at least 1, got {limit}.", "max_tokens", limit)
    least = int(body.get("min_tokens") or 0)
    if least > limit:
        raise bad_request(
            f"min_tokens must be less than or equal to max_tokens={limit}, got {least}."
        )
    return limit


def _count(body: Json) -> int:
    value = body.get("n")
    n = 1 if value is None else int(value)
    if n < 1:
        raise bad_request(f"n must be at least 1, got {n}.")
    if n > _MAX_SEQUENCES:
        hint = "To increase this limit, set the VLLM_MAX_N_SEQUENCES environment variable."
        raise bad_request(f"n must be at most {_MAX_SEQUENCES}, got {n}. {hint}")
    if n > 1 and _number(body, "temperature", 1.0) == 0:
        raise bad_request(f"n must be 1 when using greedy sampling, got {n}.")
    return n


def _top_logprobs(body: Json) -> int | None:
    """How many alternatives to tell beside each token; None tells no probabilities at all.

    Chat asks with a boolean and a number, completions with one number in ``logprobs``.
    """
    wanted = body.get("logprobs")
    top = body.get("top_logprobs")
    if top is not None and not wanted:
        message = "when using `top_logprobs`, `logprobs` must be set to true."
        raise bad_request(message, "top_logprobs")
    if isinstance(wanted, str):
        wanted = as_truth(wanted)
    if wanted is None or wanted is False:
        return None
    return _bounded("sample", int(top or 0) if wanted is True else int(wanted), "logprobs")


def _prompt_logprobs(body: Json) -> int | None:
    wanted = body.get("prompt_logprobs")
    return None if wanted is None else _bounded("prompt", int(wanted), "prompt_logprobs")


def _bounded(kind: str, count: int, param: str) -> int:
    if count > _MAX_LOGPROBS:
        message = f"Requested {kind} logprobs of {count}, which is greater than max allowed:"
        raise bad_request(f"{message} {_MAX_LOGPROBS}", param, count)
    if count < 0:
        raise bad_request(f"Requested {kind} logprobs of {count}, must be positive.", param, count)
    return count


def check_grammar(schema: object) -> None:
    """Refuse a JSON schema that the grammar compiler does not understand."""
    if not isinstance(schema, dict):
        return
    kind = schema.get("type")
    if isinstance(kind, str) and kind not in _JSON_TYPES:
        raise bad_request(f"Grammar error: Invalid type: {kind}")
    properties = schema.get("properties") or {}
    if not isinstance(properties, dict) or not isinstance(schema.get("enum", []), list):
        raise bad_request("Grammar error: Invalid schema")
    for inner in (*properties.values(), schema.get("items")):
        check_grammar(inner)
