"""Whether the model that stands behind a name on Bedrock can honour a request, before it is asked.

Settings declare what a fallback can; what its models cannot all the same is known by their ids.
"""

from __future__ import annotations

from podman_llm.core.abilities import Needs
from podman_llm.core.completion import Endpoint
from podman_llm.core.converse_models import known_model
from podman_llm.core.converse_request import unsupported
from podman_llm.core.embedding_models import EmbeddingModel, embedding_model


def misfit(needs: Needs, model_id: str) -> str:
    """Why the model cannot honour a request, as a phrase that follows the name of its service.

    Empty if it can. What is refused here would be a 400 there, and nobody else would be asked.
    """
    vectors = embedding_model(model_id)
    if needs.endpoint is Endpoint.EMBEDDINGS:
        return _vectors_misfit(needs, model_id, vectors)
    if vectors is not None:
        return f"has only embeddings by {model_id}"
    if not needs.particulars:  # as nearly always
        return ""
    named = unsupported(needs.particulars, known_model(model_id))
    return f"cannot honour {', '.join(named)} with {model_id}" if named else ""


def _vectors_misfit(needs: Needs, model_id: str, model: EmbeddingModel | None) -> str:
    if model is None:
        return f"has no embeddings by {model_id}"
    if "input" in needs.particulars:
        return f"takes text alone with {model_id}, no tokens: input must be sent as text"
    if needs.particulars:
        return f"cannot honour {', '.join(needs.particulars)} with {model_id}"
    if needs.dimensions is not None and needs.dimensions not in model.sizes:
        return f"makes vectors of {model.told_sizes} dimensions with {model_id}"
    return ""
