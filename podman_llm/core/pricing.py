"""What a request may cost at those who charge by the token, and whether its ceiling allows it.

Money is in whole micro-dollars and rounded up. What cannot be told is unknown, never 0: under a
ceiling nobody is asked of whom it is not known what the answer may cost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from podman_llm.core.abilities import Needs
from podman_llm.core.charges import MICROS
from podman_llm.core.completion import Endpoint

_PICTURE_TOKENS: Final = 2_000
"""What a large picture is charged as, about."""


_NAMES: Final = ("input_usd_per_million", "output_usd_per_million", "max_answer_tokens")


@dataclass(frozen=True, slots=True)
class Price:
    """Micro-dollars for a million tokens, of what is read and of what is written; None: unknown."""

    prompt: int | None = None
    answer: int | None = None


UNPRICED: Final = Price()
"""Of whom nobody said what they charge."""


@dataclass(frozen=True, slots=True)
class Quote:
    """What an attempt costs at most, in micro-dollars.

    None where nobody can tell; ``unknown`` names the settings that are missing.
    """

    micros: int | None
    unknown: str = ""


FREE: Final = Quote(0)
"""The pod's: it is paid by the hour, asked or not."""


def quote(needs: Needs, price: Price, longest_answer: int | None) -> Quote:
    """The worst case of one request: its prompt, as guessed, and as much answer as it allows.

    ``longest_answer`` is the limit, in tokens, of an answer to a request that sets none.
    """
    prompt = needs.prompt + needs.pictures * _PICTURE_TOKENS
    answer = longest_answer if needs.answer is None else needs.answer
    if needs.endpoint is Endpoint.EMBEDDINGS:  # what it writes is not charged
        price, answer = replace(price, answer=0), 0
    if price.prompt is None or price.answer is None or answer is None:
        asked = (price.prompt, price.answer, answer)
        return Quote(
            None, ", ".join(name for name, of in zip(_NAMES, asked, strict=True) if of is None)
        )
    return Quote(_rounded_up(prompt * price.prompt + needs.choices * answer * price.answer))


def beyond(asked: Quote, ceiling: int | None, spent: int = 0) -> str:
    """Why the ceiling forbids an attempt, as a phrase that follows a name; empty if it does not.

    ``spent`` is what earlier attempts at the same request may have cost.
    """
    if ceiling is None:
        return ""
    if asked.micros is None:
        return (
            f"has no known cost, which the limit of {_usd(ceiling)} needs: set its {asked.unknown}"
        )
    if spent + asked.micros <= ceiling:
        return ""
    before = f" after {_usd(spent)} before it" if spent else ""
    return f"may cost {_usd(asked.micros)}{before}, over the limit of {_usd(ceiling)}"


def lower(ceiling: int | None, asked: int | None) -> int | None:
    """The ceiling of a request that asks for one: what the settings allow is never widened."""
    given = [one for one in (ceiling, asked) if one is not None]
    return min(given, default=None)


def _rounded_up(parts: int) -> int:
    """Micro-dollars out of millionths of them."""
    return -(-parts // MICROS)


def _usd(micros: int) -> str:
    return f"${micros / MICROS:.6f}".rstrip("0").rstrip(".")
