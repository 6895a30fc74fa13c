"""Embeddings: the same vector in both encodings."""

from __future__ import annotations

import base64
import math
import struct

import pytest

from podman_llm.testing.openai_config import OpenAIDoubleConfig
from podman_llm.testing.openai_embeddings import embed
from podman_llm.testing.openai_errors import Refused
from podman_llm.testing.openai_model import Model

_MODEL = Model(OpenAIDoubleConfig(embedding_dimensions=8))


def test_each_text_has_a_unit_vector_of_its_own() -> None:
    rows = embed(_MODEL, {"input": ["a", "b", "a"]}, "1")["data"]
    first, second, third = (row["embedding"] for row in rows)
    assert math.isclose(math.hypot(*first), 1)
    assert first == third != second
    assert [row["index"] for row in rows] == [0, 1, 2]


def test_base64_packs_the_same_numbers() -> None:
    plain = embed(_MODEL, {"input": "a"}, "1")["data"][0]["embedding"]
    packed = embed(_MODEL, {"input": "a", "encoding_format": "base64"}, "1")["data"][0]["embedding"]
    assert struct.unpack("<8f", base64.b64decode(packed)) == pytest.approx(plain)


def test_fewer_dimensions_can_be_asked_for() -> None:
    assert len(embed(_MODEL, {"input": "a", "dimensions": 4}, "1")["data"][0]["embedding"]) == 4


def test_token_ids_are_embedded_as_their_text() -> None:
    ids = [token.id for token in _MODEL.vocabulary.tokens("hello")]
    by_ids = embed(_MODEL, {"input": ids}, "1")["data"]
    assert by_ids == embed(_MODEL, {"input": "hello"}, "1")["data"]


def test_a_missing_input_is_refused() -> None:
    with pytest.raises(Refused, match=r"body\.input"):
        embed(_MODEL, {}, "1")
