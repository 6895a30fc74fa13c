"""What all translations between dialects share: documents, and the two ways in which they fail.

Nothing is guessed. What a dialect has no word for goes to somebody who has, and an answer that
cannot be read is none.
"""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]


class Untranslatable(ValueError):
    """The request asks for something that the other dialect has no word for; ``param`` is where."""

    def __init__(self, message: str, *, param: str) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


class Malformed(ValueError):
    """The answer is none: not of its dialect's shape, or the model's output was not to be read."""


def type_of(value: object) -> object:
    """What a part of a request says it is, for people; None if it does not say."""
    return value.get("type") if isinstance(value, dict) else None
