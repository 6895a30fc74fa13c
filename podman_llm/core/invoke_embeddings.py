"""OpenAI's embeddings by Bedrock's InvokeModel, as Converse has no word for vectors.

A vector is no sample: what would change it is honoured or refused, never left out.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from podman_llm.core.embedding_models import EmbeddingModel, Maker
from podman_llm.core.particulars import is_tokens
from podman_llm.core.translation import Json, Malformed, Untranslatable

_COHERE_MOST: Final = 96
_FORMATS: Final = (None, "float", "base64")
_CHARACTERS_PER_TOKEN: Final = 4


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call: what is sent for these texts."""

    texts: tuple[str, ...]
    document: Json


def to_invocations(body: Mapping[str, Any], model: EmbeddingModel) -> list[Invocation]:
    """The calls for an OpenAI request, in the order of its texts; raises Untranslatable."""
    texts = _texts(body.get("input"))
    if body.get("encoding_format") not in _FORMATS:
        raise Untranslatable("encoding_format is float or base64", param="encoding_format")
    if body.get("normalize") is not None and not model.may_be_raw:
        told = f"{model.id} takes no normalize; leave it out"
        raise Untranslatable(told, param="normalize")
    if model.maker is Maker.TITAN:
        return [Invocation((text,), _for_titan(text, body, model)) for text in texts]
    starts = range(0, len(texts), _COHERE_MOST)
    groups = [tuple(texts[start : start + _COHERE_MOST]) for start in starts]
    return [Invocation(group, _for_cohere(group, body, model)) for group in groups]


def _texts(given: object) -> list[str]:
    if is_tokens(given):
        told = (
            "input is in the tokens of another model; send it as text (LangChain's"
            " OpenAIEmbeddings does with check_embedding_ctx_length=False)"
        )
        raise Untranslatable(told, param="input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts:
        raise Untranslatable("input is neither a text nor a list of texts", param="input")
    if not all(isinstance(text, str) and text for text in texts):
        raise Untranslatable("each input must be a text that is not empty", param="input")
    return texts


def _for_titan(text: str, body: Mapping[str, Any], model: EmbeddingModel) -> Json:
    document = {"inputText": text, **_size("dimensions", body, model)}
    if body.get("normalize") is not None:
        document["normalize"] = body["normalize"]
    return document


def _for_cohere(texts: Sequence[str], body: Mapping[str, Any], model: EmbeddingModel) -> Json:
    """``input_type`` and ``truncate`` are Cohere's own; what is stored is embedded more often."""
    if body.get("embedding_types") not in (None, ["float"]):
        raise Untranslatable("embedding_types can only be float", param="embedding_types")
    document: Json = {
        "texts": list(texts),
        "input_type": body.get("input_type") or "search_document",
        "embedding_types": ["float"],
        **_size("output_dimension", body, model),
    }
    if body.get("truncate") is not None:
        document["truncate"] = body["truncate"]
    return document


def _size(field: str, body: Mapping[str, Any], model: EmbeddingModel) -> Json:
    asked = body.get("dimensions")
    if asked is None:
        return {}
    if asked not in model.sizes:
        told = f"{model.id} makes vectors of {model.told_sizes} dimensions"
        raise Untranslatable(told, param="dimensions")
    return {field: asked} if len(model.sizes) > 1 else {}


@dataclass(frozen=True, slots=True)
class Invoked:
    """What came back of an invocation. ``tokens`` is the header's count of those read, if any."""

    invocation: Invocation
    document: Any
    tokens: int | None = None


def to_embeddings(invoked: Sequence[Invoked], model: str, *, as_base64: bool) -> Json:
    """The ``list`` of embeddings; raises Malformed if there is not a vector for each text."""
    vectors = [vector for one in invoked for vector in _vectors(one)]
    tokens = sum(map(_tokens, invoked))
    rows = [
        {
            "object": "embedding",
            "index": index,
            "embedding": _packed(vector) if as_base64 else vector,
        }
        for index, vector in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": rows, "model": model, "usage": usage}


def _vectors(invoked: Invoked) -> list[list[float]]:
    match invoked.document:
        case {"embedding": list() as vector}:
            vectors = [vector]
        case {"embeddings": list() as vectors} | {"embeddings": {"float": list() as vectors}}:
            pass
        case _:
            raise Malformed("the answer is not one of an embedding model")
    are_vectors = all(isinstance(vector, list) for vector in vectors)
    if not are_vectors or len(vectors) != len(invoked.invocation.texts):
        raise Malformed("the answer does not have a vector for each text")
    return vectors


def _tokens(invoked: Invoked) -> int:
    """Tokens read: as the answer says, else as its header does, else as the text lets guess."""
    match invoked.document:
        case {"inputTextTokenCount": int() as tokens}:
            return tokens
        case {"meta": {"billed_units": {"input_tokens": int() as tokens}}}:
            return tokens
        case _:
            pass
    if invoked.tokens is not None:
        return invoked.tokens
    return -(-sum(map(len, invoked.invocation.texts)) // _CHARACTERS_PER_TOKEN)


def _packed(vector: Sequence[float]) -> str:
    """Little-endian 32-bit floats, as OpenAI's client unpacks them."""
    try:
        return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    except (struct.error, OverflowError) as err:
        raise Malformed("a vector holds something else than numbers of 32 bits") from err
