from __future__ import annotations

import base64
import struct
from typing import Any

import pytest

from podman_llm.core.embedding_models import EmbeddingModel, embedding_model
from podman_llm.core.invoke_embeddings import Invocation, Invoked, to_embeddings, to_invocations
from podman_llm.core.translation import Malformed, Untranslatable
from podman_llm.testing.bedrock_embeddings import embed

TITAN = "amazon.titan-embed-text-v2:0"
TITAN_1 = "amazon.titan-embed-text-v1"
COHERE_3 = "cohere.embed-english-v3"
COHERE_4 = "us.cohere.embed-v4:0"
EVERY = [TITAN, TITAN_1, COHERE_3, COHERE_4]


def model(model_id: str) -> EmbeddingModel:
    found = embedding_model(model_id)
    assert found is not None
    return found


def sent(model_id: str, given: Any, **fields: Any) -> list[dict[str, Any]]:
    """What is sent, which the double must take."""
    made = to_invocations({"model": model_id, "input": given, **fields}, model(model_id))
    for one in made:
        embed(model_id, one.document)
    return [one.document for one in made]


def answered(model_id: str, given: Any, **fields: Any) -> dict[str, Any]:
    body = {"model": model_id, "input": given, **fields}
    invoked = []
    for one in to_invocations(body, model(model_id)):
        told = embed(model_id, one.document)
        invoked.append(Invoked(one, told.document(), told.tokens))
    as_base64 = fields.get("encoding_format") == "base64"
    return to_embeddings(invoked, model_id, as_base64=as_base64)


def test_titan_is_asked_for_one_text_at_a_time() -> None:
    assert sent(TITAN, ["a", "b"]) == [{"inputText": "a"}, {"inputText": "b"}]
    made = sent(TITAN, "a", dimensions=256, normalize=False, user="ann", encoding_format="float")
    assert made == [{"inputText": "a", "dimensions": 256, "normalize": False}]


def test_cohere_is_asked_for_many_at_a_time() -> None:
    texts = [f"text {number}" for number in range(200)]
    made = sent(COHERE_3, texts)
    assert [len(one["texts"]) for one in made] == [96, 96, 8]
    assert [text for one in made for text in one["texts"]] == texts
    assert made[0] | {"texts": []} == {
        "texts": [],
        "input_type": "search_document",
        "embedding_types": ["float"],
    }


def test_coheres_own_words_are_passed_on() -> None:
    (made,) = sent(COHERE_4, "a", input_type="search_query", truncate="NONE", dimensions=512)
    assert (made["input_type"], made["truncate"], made["output_dimension"]) == (
        "search_query",
        "NONE",
        512,
    )


@pytest.mark.parametrize(("model_id", "size"), [(TITAN_1, 1536), (COHERE_3, 1024)])
def test_the_only_size_need_not_be_said(model_id: str, size: int) -> None:
    (made,) = sent(model_id, "a", dimensions=size)
    assert "dimensions" not in made
    assert "output_dimension" not in made


@pytest.mark.parametrize("model_id", EVERY)
@pytest.mark.parametrize(
    ("fields", "param", "told"),
    [
        ({"input": [1, 2]}, "input", "check_embedding_ctx_length=False"),
        ({"input": [[1], [2]]}, "input", "send it as text"),
        ({"input": None}, "input", "neither"),
        ({"input": []}, "input", "neither"),
        ({"input": ["a", ""]}, "input", "not empty"),
        ({"input": ["a", None]}, "input", "not empty"),
        ({"encoding_format": "int8"}, "encoding_format", "float or base64"),
        ({"dimensions": 333}, "dimensions", "makes vectors of"),
        ({"dimensions": [1024]}, "dimensions", "makes vectors of"),
    ],
)
def test_what_cannot_be_honoured_is_refused(
    model_id: str, fields: dict[str, Any], param: str, told: str
) -> None:
    with pytest.raises(Untranslatable, match=told) as caught:
        to_invocations({"input": "a", **fields}, model(model_id))
    assert caught.value.param == param


def test_what_only_one_maker_has_is_refused_by_the_others() -> None:
    with pytest.raises(Untranslatable, match="normalize"):
        to_invocations({"input": "a", "normalize": True}, model(COHERE_4))
    with pytest.raises(Untranslatable, match="float"):
        to_invocations({"input": "a", "embedding_types": ["int8"]}, model(COHERE_3))
    sent(COHERE_3, "a", embedding_types=["float"])


@pytest.mark.parametrize("model_id", EVERY)
def test_each_text_has_its_vector(model_id: str) -> None:
    texts = [f"text {number}" for number in range(100)]
    made = answered(model_id, texts)
    assert [row["index"] for row in made["data"]] == list(range(100))
    assert {row["object"] for row in made["data"]} == {"embedding"}
    assert len(made["data"][0]["embedding"]) == model(model_id).sizes[0]
    assert made["data"][99]["embedding"] == answered(model_id, "text 99")["data"][0]["embedding"]
    assert (made["object"], made["model"]) == ("list", model_id)
    assert made["usage"] == {"prompt_tokens": 200, "total_tokens": 200}


@pytest.mark.parametrize("model_id", EVERY)
def test_base64_holds_the_same_numbers(model_id: str) -> None:
    plain = answered(model_id, "a")["data"][0]["embedding"]
    packed = answered(model_id, "a", encoding_format="base64")["data"][0]["embedding"]
    assert struct.unpack(f"<{len(plain)}f", base64.b64decode(packed)) == pytest.approx(plain)


ONE = Invocation(("four letters",), {})
VECTOR = [0.5, 1.0]


@pytest.mark.parametrize(
    ("document", "header", "tokens"),
    [
        ({"embedding": VECTOR, "inputTextTokenCount": 7}, 9, 7),
        ({"embeddings": [VECTOR], "meta": {"billed_units": {"input_tokens": 8}}}, 9, 8),
        ({"embeddings": {"float": [VECTOR]}}, 9, 9),
        ({"embeddings": [VECTOR]}, None, 3),
    ],
)
def test_tokens_are_counted_as_well_as_is_told(
    document: dict[str, Any], header: int | None, tokens: int
) -> None:
    made = to_embeddings([Invoked(ONE, document, header)], "m", as_base64=False)
    assert made["data"][0]["embedding"] == VECTOR
    assert made["usage"]["prompt_tokens"] == tokens


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        None,
        {"embedding": "a"},
        {"embeddings": []},
        {"embeddings": [VECTOR, VECTOR]},
        {"embeddings": {"int8": [VECTOR]}},
    ],
)
def test_what_is_not_a_vector_for_each_text_is_no_answer(document: object) -> None:
    with pytest.raises(Malformed):
        to_embeddings([Invoked(ONE, document)], "m", as_base64=False)


def test_what_cannot_be_packed_is_no_answer() -> None:
    with pytest.raises(Malformed):
        to_embeddings([Invoked(ONE, {"embedding": ["a"]})], "m", as_base64=True)
