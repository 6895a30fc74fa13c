from __future__ import annotations

from dataclasses import replace

import pytest

from podman_llm.core.abilities import Needs
from podman_llm.core.completion import Endpoint
from podman_llm.core.pricing import FREE, UNPRICED, Price, Quote, beyond, lower, quote

SONNET = Price(prompt=3_000_000, answer=15_000_000)
CHAT = Needs(Endpoint.CHAT, "podman-llm", prompt=1000, answer=200)


@pytest.mark.parametrize(
    ("needs", "price", "longest_answer", "quoted"),
    [
        (CHAT, SONNET, None, Quote(3000 + 3000)),
        (CHAT, SONNET, 5, Quote(6000)),  # the request's own limit counts
        (replace(CHAT, choices=3), SONNET, None, Quote(3000 + 9000)),
        (replace(CHAT, pictures=2), SONNET, None, Quote(15_000 + 3000)),
        (replace(CHAT, answer=None), SONNET, 8192, Quote(3000 + 122_880)),
        (replace(CHAT, prompt=1, answer=0), Price(1, 1), None, Quote(1)),  # rounded up
        (CHAT, Price(0, 0), None, FREE),
        (Needs(Endpoint.EMBEDDINGS, prompt=1000), Price(prompt=20_000), None, Quote(20)),
        (CHAT, UNPRICED, 5, Quote(None, "input_usd_per_million, output_usd_per_million")),
        (CHAT, Price(prompt=1), 5, Quote(None, "output_usd_per_million")),
        (
            replace(CHAT, answer=None),
            SONNET,
            None,
            Quote(None, "max_answer_tokens"),
        ),
    ],
)
def test_the_worst_case_is_the_prompt_and_every_answer_at_its_longest(
    needs: Needs, price: Price, longest_answer: int | None, quoted: Quote
) -> None:
    assert quote(needs, price, longest_answer) == quoted


@pytest.mark.parametrize(
    ("asked", "ceiling", "spent", "why"),
    [
        (Quote(9_000_000), None, 0, ""),
        (Quote(None, "x"), None, 0, ""),
        (Quote(50_000), 50_000, 0, ""),
        (FREE, 0, 0, ""),
        (Quote(50_001), 50_000, 0, "may cost $0.050001, over the limit of $0.05"),
        (Quote(30_000), 50_000, 20_000, ""),
        (
            Quote(30_000),
            50_000,
            20_001,
            "may cost $0.03 after $0.020001 before it, over the limit of $0.05",
        ),
        (
            Quote(None, "input_usd_per_million"),
            2_000_000,
            0,
            "has no known cost, which the limit of $2 needs: set its input_usd_per_million",
        ),
    ],
)
def test_a_ceiling_holds_for_all_attempts_together_and_unknown_is_not_free(
    asked: Quote, ceiling: int | None, spent: int, why: str
) -> None:
    assert beyond(asked, ceiling, spent) == why


@pytest.mark.parametrize(
    ("allowed", "asked", "ceiling"),
    [(None, None, None), (5, None, 5), (None, 3, 3), (5, 3, 3), (5, 9, 5), (5, 0, 0)],
)
def test_a_request_lowers_its_ceiling_and_never_raises_it(
    allowed: int | None, asked: int | None, ceiling: int | None
) -> None:
    assert lower(allowed, asked) == ceiling
