"""The models behind Bedrock that make vectors, as far as their ids tell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Maker(StrEnum):
    """Whose words a model is asked in."""

    TITAN = "titan"
    """Amazon's: one text a call."""
    COHERE = "cohere"
    """Up to 96 texts a call."""


@dataclass(frozen=True, slots=True)
class EmbeddingModel:
    """A model and its abilities.

    ``sizes`` are the dimensions that its vectors may have, those they have unasked first.
    ``may_be_raw``: they need not be of length 1.
    """

    id: str
    maker: Maker
    sizes: tuple[int, ...]
    may_be_raw: bool = False

    @property
    def told_sizes(self) -> str:
        """The dimensions there are, for people."""
        *others, last = map(str, self.sizes)
        return f"{', '.join(others)} or {last}" if others else last


def embedding_model(model_id: str) -> EmbeddingModel | None:
    """The model of an id, an inference profile's id or its ARN; None if it is not known as one."""
    for pattern, maker, sizes, may_be_raw in _MODELS:
        if pattern.search(model_id):
            return EmbeddingModel(model_id, maker, sizes, may_be_raw)
    return None


_MODELS: Final = (
    (re.compile(r"amazon\.titan-embed-text-v2"), Maker.TITAN, (1024, 512, 256), True),
    (re.compile(r"amazon\.titan-embed-(text-v1|g1-text)"), Maker.TITAN, (1536,), False),
    (re.compile(r"cohere\.embed-v4"), Maker.COHERE, (1536, 1024, 512, 256), False),
    (re.compile(r"cohere\.embed-[a-z]+-v3"), Maker.COHERE, (1024,), False),
)
