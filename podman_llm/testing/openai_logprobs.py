"""Log probabilities: made-up numbers in the recorded shapes."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from podman_llm.testing.openai_errors import Json
from podman_llm.testing.openai_tokens import Token, Vocabulary

_RIVALS = (
    *("the", "of", "and", "to", "in", "is", "that", "for", "it", "with", "as", "was"),
    *("on", "be", "by", "this", "not", "or", "are", "an", "at"),
)  # fmt: skip


def chat_logprobs(vocabulary: Vocabulary, tokens: Iterable[Token], top: int) -> Json:
    """The ``logprobs`` of a chat choice: each token with its ``top`` rivals, itself first."""
    content = [
        {
            **_told(token, 0),
            "top_logprobs": [
                _told(rival, rank) for rank, rival in enumerate(_ranking(vocabulary, token, top))
            ],
        }
        for token in tokens
    ]
    return {"content": content}


def completion_logprobs(
    vocabulary: Vocabulary, told: tuple[Token, ...], top: int, *, offset: int, has_start: bool
) -> Json:
    """The ``logprobs`` of a completion, in columns.

    ``offset`` is where ``told`` begins in the text; ``has_start`` is whether that is the start of
    an echoed prompt, whose first token follows nothing and so has no probability.
    """
    offsets = itertools.accumulate((len(token.text) for token in told), initial=offset)
    known = [not (has_start and index == 0) for index in range(len(told))]
    return {
        "text_offset": list(offsets)[:-1],
        "token_logprobs": [
            _logprob(token, 0) if is_known else None
            for token, is_known in zip(told, known, strict=True)
        ],
        "tokens": [token.text for token in told],
        "top_logprobs": [
            _row(_ranking(vocabulary, token, top)) if is_known else None
            for token, is_known in zip(told, known, strict=True)
        ],
    }


def prompt_logprobs(vocabulary: Vocabulary, prompt: Iterable[Token], top: int) -> list[Json | None]:
    """One row for each prompt token: nothing for the first, then the token and its rivals by id."""
    rows: list[Json | None] = [None]
    for token in itertools.islice(prompt, 1, None):
        ranking = [token, *itertools.islice(_rivals(vocabulary, token), top)]
        rows.append(
            {
                str(rival.id): {
                    "logprob": _logprob(rival, rank),
                    "rank": rank + 1,
                    "decoded_token": rival.text,
                }
                for rank, rival in enumerate(ranking)
            }
        )
    return rows


def _ranking(vocabulary: Vocabulary, token: Token, top: int) -> list[Token]:
    return [token, *_rivals(vocabulary, token)][:top]


def _rivals(vocabulary: Vocabulary, token: Token) -> Iterator[Token]:
    return (vocabulary.token(f" {word}") for word in _RIVALS if f" {word}" != token.text)


def _told(token: Token, rank: int) -> Json:
    spelt = list(token.text.encode())
    return {"token": token.text, "logprob": _logprob(token, rank), "bytes": spelt}


def _row(ranking: list[Token]) -> Json:
    return {token.text: _logprob(token, rank) for rank, token in enumerate(ranking)}


def _logprob(token: Token, rank: int) -> float:
    return -(token.id % 997) / 1000 - rank
