"""Tokens without a tokenizer: pieces of about four characters, with stable ids."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from podman_llm.testing.openai_errors import Json
from podman_llm.testing.openai_fields import as_truth, text_of

# Special marks whole, words and numbers in short pieces with the space before them, a run of
# white space without its last character, then single characters.
_PIECE = re.compile(
    r"<\|im_(?:start|end)\|>| ?[A-Za-z]{1,5}| ?[0-9]{1,3}|\s+(?=\s)|\s|.", re.DOTALL
)
_MARKS = {"<|im_start|>": 1, "<|im_end|>": 2}
END_ID = 2
_FIRST_FREE_ID = 3
_BLOCK = 128


@dataclass(frozen=True)
class Token:
    """A piece of text; empty for the first half of a character that needs two tokens."""

    text: str
    id: int


class Vocabulary:
    """Gives each piece an id below ``size``, the same in every run.

    Ids come from a checksum, so two pieces may share one. What an id was last used for is kept,
    so that text which was tokenized here can be detokenized.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._seen: dict[int, str] = {identity: mark for mark, identity in _MARKS.items()}

    def tokens(self, text: str) -> Iterator[Token]:
        """``text`` in pieces; joined they are the text again."""
        for match in _PIECE.finditer(text):
            piece = match.group()
            if not piece.isascii():
                yield Token("", self._id(f"first half of {piece}"))
            yield self.token(piece)

    def token(self, piece: str) -> Token:
        """One piece with its id."""
        identity = self._id(piece)
        self._seen[identity] = piece
        return Token(piece, identity)

    def text(self, ids: Iterable[int]) -> str:
        """The text of ``ids``; an id not seen yet is an empty piece."""
        return "".join(self._seen.get(identity, "") for identity in ids)

    def prompts(self, given: object) -> list[str]:
        """The texts in a checked ``prompt`` or ``input``: one or many, as text or as token ids."""
        if not isinstance(given, list):
            return [str(given)]
        if given and isinstance(given[0], int):
            return [self.text(given)]
        return [item if isinstance(item, str) else self.text(item) for item in given]

    def _id(self, piece: str) -> int:
        free = self.size - _FIRST_FREE_ID
        return _MARKS.get(piece) or zlib.crc32(piece.encode()) % free + _FIRST_FREE_ID


class PrefixCache:
    """Which beginnings of prompts were read before, in whole blocks of tokens."""

    def __init__(self) -> None:
        self._known: set[int] = set()

    def read(self, prompt: tuple[Token, ...]) -> tuple[int, int]:
        """How many tokens were known, and how many are known from now on."""
        cached = created = digest = 0
        for start in range(0, len(prompt) - _BLOCK + 1, _BLOCK):
            digest = hash((digest, *(token.id for token in prompt[start : start + _BLOCK])))
            if digest in self._known:
                cached += _BLOCK
            else:
                self._known.add(digest)
                created += _BLOCK
        return cached, created


def opens_answer(body: Json) -> bool:
    """Whether the template ends with the head of an answer, which is the default."""
    given = body.get("add_generation_prompt")
    return given is None or as_truth(given)


def render_chat(body: Json) -> str:
    """The prompt that a ChatML template makes of a conversation."""
    parts = [f"<|im_start|>{m['role']}\n{text_of(m.get('content'))}" for m in body["messages"]]
    prompt = "<|im_end|>\n".join(parts)
    if as_truth(body.get("continue_final_message")):
        return prompt
    opening = "<|im_start|>assistant\n" if opens_answer(body) else ""
    return f"{prompt}<|im_end|>\n{opening}"
