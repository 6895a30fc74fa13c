"""InvokeModel of the double, asked by Amazon's own client."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from podman_llm.testing.bedrock_faults import BedrockFault, BedrockFaultKind
from podman_llm.testing.bedrock_server import BedrockDouble
from tests.testing.bedrock_clients import HAIKU, boto, served

TITAN = "amazon.titan-embed-text-v2:0"
COHERE_3 = "cohere.embed-english-v3"
COHERE_4 = "us.cohere.embed-v4:0"
TEXTS = {"texts": ["a", "b"], "input_type": "search_query"}


@pytest.fixture(scope="module")
def both() -> Iterator[tuple[BedrockDouble, Any]]:
    with served() as pair:
        yield pair


@pytest.fixture
def client(both: tuple[BedrockDouble, Any]) -> Any:
    return both[1]


def invoke(client: Any, model: str, body: Any) -> tuple[Any, dict[str, str]]:
    answer = client.invoke_model(modelId=model, body=json.dumps(body))
    return json.loads(answer["body"].read()), answer["ResponseMetadata"]["HTTPHeaders"]


def test_titan_gives_a_vector_of_length_one(client: Any) -> None:
    answer, headers = invoke(client, TITAN, {"inputText": "some text"})
    assert len(answer["embedding"]) == 1024
    assert math.isclose(math.hypot(*answer["embedding"]), 1)
    assert answer["embeddingsByType"] == {"float": answer["embedding"]}
    assert answer["inputTextTokenCount"] == 3
    assert headers["x-amzn-bedrock-input-token-count"] == "3"


def test_titan_gives_it_shorter_and_raw(client: Any) -> None:
    body = {"inputText": "some text", "dimensions": 256, "normalize": False}
    vector = invoke(client, TITAN, body)[0]["embedding"]
    assert len(vector) == 256
    assert not math.isclose(math.hypot(*vector), 1)


def test_the_first_titan_has_one_size_and_one_form(client: Any) -> None:
    answer, _ = invoke(client, "amazon.titan-embed-text-v1", {"inputText": "some text"})
    assert answer.keys() == {"embedding", "inputTextTokenCount"}
    assert len(answer["embedding"]) == 1536


@pytest.mark.parametrize(
    ("model", "types", "response_type"),
    [
        (COHERE_3, None, "embeddings_floats"),
        (COHERE_3, ["float"], "embeddings_by_type"),
        (COHERE_4, ["float"], "embeddings_floats"),
        (COHERE_4, ["float", "int8"], "embeddings_by_type"),
    ],
)
def test_cohere_gives_vectors_in_either_shape(
    client: Any, model: str, types: Any, response_type: str
) -> None:
    named = {"embedding_types": types} if types else {}
    answer, headers = invoke(client, model, {**TEXTS, **named})
    assert answer["response_type"] == response_type
    vectors = answer["embeddings"]
    vectors = vectors["float"] if isinstance(vectors, dict) else vectors
    assert [len(vector) for vector in vectors] == [1024 if model == COHERE_3 else 1536] * 2
    assert answer["texts"] == ["a", "b"]
    assert headers["x-amzn-bedrock-input-token-count"] == "2"


@pytest.mark.parametrize(
    ("model", "body", "told"),
    [
        (TITAN, [], "JSONObject"),
        (TITAN, {}, r"required key \[inputText\] not found"),
        (TITAN, {"inputText": ""}, "minLength: 1"),
        (TITAN, {"inputText": ["a"]}, "expected type: String"),
        (TITAN, {"inputText": "a", "dimensions": 300}, "dimensions"),
        (TITAN, {"inputText": "a", "input": "a"}, r"extraneous key \[input\]"),
        (TITAN, {"inputText": "a" * 40_000}, "Too many input tokens"),
        ("amazon.titan-embed-text-v1", {"inputText": "a", "dimensions": 1024}, "extraneous"),
        (COHERE_3, {"texts": ["a"]}, r"required key \[input_type\]"),
        (COHERE_3, {**TEXTS, "input_type": "x"}, "enum"),
        (COHERE_3, {**TEXTS, "texts": "a"}, "JSONArray"),
        (COHERE_3, {**TEXTS, "texts": ["a"] * 97}, "maximum item count: 96"),
        (COHERE_3, {**TEXTS, "texts": ["a" * 2049]}, "maxLength: 2048"),
        (COHERE_3, {**TEXTS, "output_dimension": 512}, "extraneous"),
        (COHERE_4, {**TEXTS, "output_dimension": 333}, "enum"),
    ],
)
def test_what_bedrock_refuses_is_refused(client: Any, model: str, body: Any, told: str) -> None:
    with pytest.raises(ClientError, match=told) as caught:
        invoke(client, model, body)
    assert type(caught.value).__name__ == "ValidationException"


def test_a_long_text_may_be_cut(client: Any) -> None:
    invoke(client, COHERE_3, {**TEXTS, "texts": ["a" * 2049], "truncate": "END"})
    invoke(client, COHERE_4, {**TEXTS, "texts": ["a" * 2049], "output_dimension": 512})


def test_models_that_talk_are_not_invoked(client: Any) -> None:
    with pytest.raises(ClientError, match="UnknownOperation"):
        invoke(client, HAIKU, {"inputText": "a"})


def test_faults_and_strangers_are_met_as_by_converse(both: tuple[BedrockDouble, Any]) -> None:
    double, client = both
    double.add_fault(BedrockFault(BedrockFaultKind.EXCEPTION, name="ThrottlingException"))
    with pytest.raises(ClientError) as caught:
        invoke(client, TITAN, {"inputText": "a"})
    assert type(caught.value).__name__ == "ThrottlingException"
    stranger = boto(double.url, double.config, secret_key="wrong")
    with pytest.raises(ClientError, match="signature we calculated"):
        invoke(stranger, TITAN, {"inputText": "a"})
    stranger.close()
