"""What each model behind Bedrock's Converse takes, declared once instead of asked by name.

Bedrock offers no such table: these are the facts as of late 2026, by family and version. An id that
is not known gets the cautious defaults; who knows better makes a ``ConverseModel`` by hand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Sampling(StrEnum):
    """Which of ``temperature`` and ``top_p`` may be sent; the rest is left out of the request."""

    BOTH = "both"
    EITHER = "either"
    """Both at once are an error; the temperature wins."""
    NEITHER = "neither"
    """Any is an error."""


class Effort(StrEnum):
    """Where ``reasoning_effort`` goes."""

    NOWHERE = "nowhere"
    OUTPUT_CONFIG = "output_config"
    """``outputConfig.effort``."""
    MODEL_FIELD = "model_field"
    """The model's own field of OpenAI's name."""


@dataclass(frozen=True, slots=True)
class ConverseModel:
    """A model and its abilities.

    - ``id`` is a model id, an inference profile's id or its ARN, as it stands in the URL unencoded.
    - ``default_max_tokens`` is sent when the request sets no limit: Bedrock takes the whole limit
      off the quota before it starts, and without one takes the model's largest.
    - ``max_output_tokens`` lowers what a request asks for, as more is an error; None: not known.
    - ``has_forced_tools``: a call may be demanded. Where it may not be, "required" becomes a wish.
    - ``has_single_calls``: ``parallel_tool_calls: false`` can be kept.
    """

    id: str
    default_max_tokens: int = 8192
    max_output_tokens: int | None = None
    sampling: Sampling = Sampling.BOTH
    effort: Effort = Effort.NOWHERE
    has_forced_tools: bool = True
    has_single_calls: bool = False
    has_json_schema: bool = False
    has_images: bool = False
    has_cache_points: bool = False


def known_model(model_id: str) -> ConverseModel:
    """The model as far as its id tells."""
    if version := _claude(model_id):
        return _claude_model(model_id, *version)
    for pattern, limit, has_json_schema, has_images in _OTHERS:
        if re.search(pattern, model_id):
            is_amazon, is_openai = "amazon." in model_id, "openai." in model_id
            return ConverseModel(
                id=model_id,
                max_output_tokens=limit,
                effort=Effort.MODEL_FIELD if is_openai else Effort.NOWHERE,
                has_forced_tools=is_amazon,
                has_json_schema=has_json_schema,
                has_images=has_images,
                has_cache_points=is_amazon,
            )
    return ConverseModel(id=model_id)


# Pattern, largest answer in tokens, native JSON schema, images.
_OTHERS: Final = (
    (r"amazon\.nova-2", 64_000, False, True),
    (r"amazon\.nova-micro", 10_000, False, False),
    (r"amazon\.nova", 10_000, False, True),
    (r"openai\.gpt-oss", 16_384, True, False),
    (r"qwen\.qwen3-vl", 16_384, True, True),
    (r"qwen\.", 16_384, True, False),
    (r"deepseek\.v", 16_384, True, False),
)

_NEW_NAME: Final = re.compile(r"claude-([a-z]+)-(\d{1,2})(?!\d)(?:-(\d{1,2})(?!\d))?")
_OLD_NAME: Final = re.compile(r"claude-(\d)(?:-(\d))?-([a-z]+)")
_UNNUMBERED: Final = re.compile(r"claude-(fable|mythos)")
_NEWEST: Final = (99, 0)

_Version = tuple[int, int]


def _claude(model_id: str) -> tuple[str, _Version] | None:
    if found := _NEW_NAME.search(model_id):
        family, major, minor = found.groups()
    elif found := _OLD_NAME.search(model_id):
        major, minor, family = found.groups()
    elif found := _UNNUMBERED.search(model_id):
        return found[1], _NEWEST
    else:
        return None
    return family, (int(major), int(minor or 0))


def _claude_model(model_id: str, family: str, version: _Version) -> ConverseModel:
    return ConverseModel(
        id=model_id,
        max_output_tokens=_claude_limit(family, version),
        sampling=_claude_sampling(family, version),
        effort=Effort.OUTPUT_CONFIG if version >= (4, 6) else Effort.NOWHERE,
        has_forced_tools=not (version >= (5, 5) and family != "haiku"),
        has_single_calls=True,
        has_json_schema=_claude_has_json_schema(family, version),
        has_images=True,
        has_cache_points=version >= (3, 5),
    )


def _claude_limit(family: str, version: _Version) -> int:
    if version >= (5, 0):
        return 128_000
    if version < (3, 7):
        return 8192 if version == (3, 5) else 4096
    return 32_000 if family == "opus" and version < (4, 5) else 64_000


def _claude_sampling(family: str, version: _Version) -> Sampling:
    if version >= (5, 0) or (family == "opus" and version >= (4, 7)):
        return Sampling.NEITHER
    return Sampling.EITHER if version >= (4, 1) else Sampling.BOTH


def _claude_has_json_schema(family: str, version: _Version) -> bool:
    if version >= (5, 0):
        return (version == (5, 5) and family == "haiku") or family == "sonnet"
    return version in {(4, 5), (4, 6), (4, 8)}
