"""InvokeModel for models that make vectors: Amazon's Titan, and Cohere's Embed 3 and 4."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass

from podman_llm.testing.bedrock_errors import AwsError, invalid
from podman_llm.testing.openai_embeddings import vector_of
from podman_llm.testing.openai_errors import Json

_CHARACTERS_PER_TOKEN = 4
_TITAN_TOKENS = 8192
_COHERE_TEXTS = 96
_COHERE_3_CHARACTERS = 2048
_TITAN_2 = re.compile(r"amazon\.titan-embed-text-v2")
_TITAN_1 = re.compile(r"amazon\.titan-embed-(text-v1|g1-text)")
_COHERE_3 = re.compile(r"cohere\.embed-[a-z]+-v3")
_COHERE_4 = re.compile(r"cohere\.embed-v4")
_INPUT_TYPES = ("search_document", "search_query", "classification", "clustering")


@dataclass(frozen=True)
class Embedded:
    """What such a model answers."""

    answer: Json
    tokens: int

    @property
    def headers(self) -> dict[str, str]:
        """The count of what was read."""
        return {"X-Amzn-Bedrock-Input-Token-Count": str(self.tokens)}

    def document(self) -> Json:
        """The answer of InvokeModel."""
        return self.answer

    def events(self) -> Iterator[tuple[str, Json]]:
        """None: vectors are not told piece by piece."""
        return iter(())


def embed(model: str, body: Json) -> Embedded:
    """The vectors for a request; raises AwsError, also for models that make none."""
    if not isinstance(body, dict):
        raise _malformed("#: expected type: JSONObject")
    if _TITAN_2.search(model):
        return _titan(body, {"dimensions": (256, 512, 1024)}, {"normalize", "embeddingTypes"})
    if _TITAN_1.search(model):
        return _titan(body, {}, set(), size=1536)
    if _COHERE_3.search(model):
        return _cohere(body, 1024, most_characters=_COHERE_3_CHARACTERS)
    if _COHERE_4.search(model):
        return _cohere(body, 1536, sizes=(256, 512, 1024, 1536))
    raise AwsError("UnknownOperationException")


def _titan(
    body: Json, listed: dict[str, tuple[int, ...]], others: set[str], size: int = 1024
) -> Embedded:
    _check_keys(body, {"inputText"}, {*listed, *others})
    text = body["inputText"]
    if not isinstance(text, str):
        raise _malformed("#/inputText: expected type: String")
    if not text:
        raise _malformed("expected minLength: 1, actual: 0")
    for name, values in listed.items():
        _check_one_of(body, name, values)
    tokens = _count(text)
    if tokens > _TITAN_TOKENS:
        told = f"Max input tokens: {_TITAN_TOKENS}, request input token count: {tokens}"
        raise invalid(f"400 Bad Request: Too many input tokens. {told}")
    length = 1.0 if body.get("normalize", True) else 2.0
    vector = [length * number for number in vector_of(text, body.get("dimensions", size))]
    by_type = {"embeddingsByType": {"float": vector}} if listed else {}
    return Embedded({"embedding": vector, **by_type, "inputTextTokenCount": tokens}, tokens)


def _cohere(
    body: Json, size: int, *, sizes: tuple[int, ...] = (), most_characters: int | None = None
) -> Embedded:
    optional = {
        "truncate",
        "embedding_types",
        *(["output_dimension", "max_tokens"] if sizes else []),
    }
    _check_keys(body, {"texts", "input_type"}, optional)
    _check_one_of(body, "input_type", _INPUT_TYPES)
    _check_one_of(body, "output_dimension", sizes)
    texts = body["texts"]
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise _malformed("#/texts: expected type: JSONArray of String")
    if len(texts) > _COHERE_TEXTS:
        raise _malformed(
            f"#/texts: expected maximum item count: {_COHERE_TEXTS}, found: {len(texts)}"
        )
    for index, text in enumerate(texts):
        if (
            most_characters
            and len(text) > most_characters
            and body.get("truncate") in {None, "NONE"}
        ):
            told = f"expected maxLength: {most_characters}, actual: {len(text)}"
            raise _malformed(f"#/texts/{index}: {told}")
    vectors = [vector_of(text, body.get("output_dimension", size)) for text in texts]
    types = body.get("embedding_types") or []
    # Embed 3 sorts vectors by type as soon as one is named, Embed 4 if there are several.
    is_sorted = len(types) > (1 if sizes else 0)
    answer = {
        "id": str(uuid.uuid4()),
        "texts": texts,
        "embeddings": {"float": vectors} if is_sorted else vectors,
        "response_type": "embeddings_by_type" if is_sorted else "embeddings_floats",
    }
    return Embedded(answer, sum(map(_count, texts)))


def _check_keys(body: Json, required: set[str], optional: set[str]) -> None:
    wrong = [f"#: required key [{key}] not found" for key in sorted(required - body.keys())]
    extra = sorted(body.keys() - required - optional)
    wrong += [f"#: extraneous key [{key}] is not permitted" for key in extra]
    if wrong:
        raise _malformed("".join(wrong))


def _check_one_of(body: Json, name: str, values: tuple[object, ...]) -> None:
    if name in body and body[name] not in values:
        raise _malformed(f"#/{name}: {body[name]} is not a valid enum value")


def _malformed(told: str) -> AwsError:
    return invalid(f"Malformed input request: {told}, please reformat your input and try again.")


def _count(text: str) -> int:
    return -(-len(text) // _CHARACTERS_PER_TOKEN)
