"""Embeddings one by one: a request for many is as many questions, each with an answer of its own.

The vector of a text depends on nothing else in the request, so what is known of some texts need not
be asked again with the others. What is kept of each is its vector as the upstream spelled it, and
how many tokens it was: ``{"model": …, "tokens": …}``, a line feed, and the vector's JSON.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

_encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


def inputs_of(body: Mapping[str, Any]) -> list[Any]:
    """The texts of a request, each a string or a list of tokens; empty if that is not clear."""
    given = body.get("input")
    if isinstance(given, str) or _is_tokens(given):
        return [given]
    if isinstance(given, list) and all(isinstance(one, str) or _is_tokens(one) for one in given):
        return given
    return []


def _is_tokens(given: object) -> bool:
    return isinstance(given, list) and bool(given) and all(type(token) is int for token in given)


def without_inputs(body: Mapping[str, Any]) -> dict[str, Any]:
    """What the texts of a request have in common; a format not named is ``float``."""
    asked = {name: value for name, value in body.items() if name != "input"}
    if asked.get("encoding_format") == "float" or asked.get("encoding_format") is None:
        asked.pop("encoding_format", None)
    return asked


def input_digests(common: str, inputs: Iterable[Any]) -> tuple[str, ...]:
    """A digest for each text; ``common`` is the digest of what they have in common."""
    return tuple(
        hashlib.sha256(f"{common} {_encode(one)}".encode("ascii")).hexdigest() for one in inputs
    )


def with_inputs(body: Mapping[str, Any], inputs: Sequence[Any]) -> bytes:
    """The request for these texts instead."""
    return _encode({**body, "input": inputs}).encode("ascii")


def split_answer(answer: bytes, sizes: Sequence[int]) -> list[bytes] | None:
    """What is kept of each text, or None if the answer does not have a vector for each.

    ``sizes`` are those of the texts. The upstream counts tokens for all of them together; each one
    gets its share by size, so that together they give the upstream's number again.
    """
    try:
        document = json.loads(answer)
        vectors = {row["index"]: row["embedding"] for row in document["data"]}
        ordered = [vectors[index] for index in range(len(sizes))]
        tokens = document.get("usage", {}).get("prompt_tokens", 0)
        shares = _shares(int(tokens), sizes)
        model = str(document["model"])
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError):
        return None
    if len(document["data"]) != len(sizes):
        return None
    heads = (_encode({"model": model, "tokens": share}) for share in shares)
    pairs = zip(heads, ordered, strict=True)
    return [f"{head}\n{_encode(vector)}".encode("ascii") for head, vector in pairs]


def _shares(total: int, sizes: Sequence[int]) -> list[int]:
    whole = sum(sizes) or 1
    ends = [total * end // whole for end in accumulate(sizes)]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]


def join_answer(kept: Sequence[bytes]) -> bytes:
    """The answer to a request for these texts, in their order."""
    heads, rows = [], []
    for index, one in enumerate(kept):
        head, _, vector = one.partition(b"\n")
        heads.append(json.loads(head))
        rows.append(b'{"object":"embedding","index":%d,"embedding":%s}' % (index, vector))
    tokens = sum(head["tokens"] for head in heads)
    tail = {"model": heads[0]["model"], "usage": {"prompt_tokens": tokens, "total_tokens": tokens}}
    return b'{"object":"list","data":[%s],%s' % (b",".join(rows), _encode(tail).encode()[1:])
