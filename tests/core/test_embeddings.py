from __future__ import annotations

import json
from typing import Any

import pytest

from podman_llm.core.embeddings import (
    input_digests,
    inputs_of,
    join_answer,
    split_answer,
    with_inputs,
    without_inputs,
)


def answer(*vectors: Any, tokens: int = 10, model: str = "m") -> bytes:
    rows = [
        {"object": "embedding", "index": at, "embedding": one} for at, one in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return json.dumps({"object": "list", "data": rows, "model": model, "usage": usage}).encode()


@pytest.mark.parametrize(
    ("given", "inputs"),
    [
        ("one", ["one"]),
        (["one", "two"], ["one", "two"]),
        ([1, 2], [[1, 2]]),
        ([[1, 2], [3]], [[1, 2], [3]]),
        (["one", [3]], ["one", [3]]),
        ("", [""]),
        ([], []),
        ([[]], []),
        ([True], []),
        ([{"text": "x"}], []),
        (None, []),
    ],
)
def test_each_text_is_an_input(given: Any, inputs: list[Any]) -> None:
    assert inputs_of({"input": given}) == inputs


def test_a_request_is_its_texts_and_what_they_have_in_common() -> None:
    body = {"model": "m", "input": ["a", "b"], "dimensions": 3}
    assert without_inputs(body) == {"model": "m", "dimensions": 3}
    assert json.loads(with_inputs(body, ["b"])) == body | {"input": ["b"]}


@pytest.mark.parametrize("plain", [{}, {"encoding_format": None}, {"encoding_format": "float"}])
def test_no_format_is_float(plain: dict[str, Any]) -> None:
    assert without_inputs(plain) == {}
    assert without_inputs({"encoding_format": "base64"}) == {"encoding_format": "base64"}


def test_texts_and_tokens_have_digests_of_their_own() -> None:
    inputs: list[Any] = ["a", "b", "1", [1], "[1]"]
    assert len({*input_digests("c", inputs), *input_digests("d", inputs)}) == 10


@pytest.mark.parametrize("vectors", [[[0.1, -1e-7], [1.0, 2.0]], ["AAAA", "BBBB"]])
def test_what_is_split_is_joined_again(vectors: list[Any]) -> None:
    kept = split_answer(answer(*vectors), [3, 7])
    assert kept is not None
    assert json.loads(join_answer(kept)) == json.loads(answer(*vectors))
    assert json.loads(join_answer(kept[::-1]))["data"][0]["embedding"] == vectors[1]


def test_tokens_are_shared_by_size_and_none_is_lost() -> None:
    kept = split_answer(answer([1.0], [2.0], [3.0], tokens=10), [1, 1, 1])
    assert kept is not None
    tokens = [json.loads(one.partition(b"\n")[0])["tokens"] for one in kept]
    assert tokens == [3, 3, 4]
    assert json.loads(join_answer(kept[:2]))["usage"] == {"prompt_tokens": 6, "total_tokens": 6}


def test_rows_may_come_in_any_order() -> None:
    document = json.loads(answer([1.0], [2.0]))
    document["data"].reverse()
    kept = split_answer(json.dumps(document).encode(), [1, 1])
    assert kept == split_answer(answer([1.0], [2.0]), [1, 1])


@pytest.mark.parametrize(
    "bad",
    [
        b"no json",
        b"[]",
        b"{}",
        b'{"data":[],"model":"m"}',
        answer([1.0]),
        answer([1.0], [2.0], [3.0]),
        b'{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}],"model":"m"}',
        b'{"data":[{"index":0},{"index":1}],"model":"m"}',
        b'{"data":[7,8],"model":"m"}',
        b'{"data":[{"index":0,"embedding":[1]},{"index":1,"embedding":[1]}]}',
        answer([1.0], [2.0]).replace(b'"prompt_tokens": 10', b'"prompt_tokens": null'),
    ],
)
def test_an_answer_that_lacks_something_is_not_split(bad: bytes) -> None:
    assert split_answer(bad, [1, 1]) is None
