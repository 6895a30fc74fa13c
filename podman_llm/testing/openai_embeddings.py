"""POST /v1/embeddings: unit vectors that depend on nothing but the text."""

from __future__ import annotations

import base64
import hashlib
import math
import random
import struct
import time

from podman_llm.testing.openai_errors import Json, malformed, problem
from podman_llm.testing.openai_fields import check_fields, integer, prompts, string
from podman_llm.testing.openai_model import Model


def embed(model: Model, body: Json, identity: str) -> Json:
    """The ``list`` of embeddings for a request; raises Refused."""
    if body.get("input") is None:
        raise malformed([problem("missing", "body.input", "Field required", body)])
    check_fields(body, {"model": string, "input": prompts, "dimensions": integer})
    model.check_name(body)
    texts = model.vocabulary.prompts(body["input"])
    size = int(body.get("dimensions") or model.config.embedding_dimensions)
    as_base64 = body.get("encoding_format") == "base64"
    rows = [
        {
            "index": index,
            "object": "embedding",
            "embedding": _packed(vector) if as_base64 else vector,
        }
        for index, vector in enumerate(vector_of(text, size) for text in texts)
    ]
    tokens = sum(len(model.read_prompt(text)) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens, "completion_tokens": 0}
    return {
        "id": f"embd-{identity}",
        "object": "list",
        "created": int(time.time()),
        "model": model.config.model,
        "data": rows,
        "usage": {**usage, "prompt_tokens_details": None},
    }


def vector_of(text: str, size: int) -> list[float]:
    """The unit vector of a text, the same whenever it is asked for."""
    dice = random.Random(hashlib.sha256(text.encode()).digest())
    raw = [dice.gauss(0, 1) for _ in range(size)]
    length = math.sqrt(sum(number * number for number in raw))
    return [number / length for number in raw]


def _packed(vector: list[float]) -> str:
    """Little-endian 32-bit floats in base64, as the OpenAI client asks for by default."""
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
