"""Chat Completions as Bedrock's runtime has them under ``/openai/v1``, for who is let in.

The answers are those of the vLLM double: their shape is OpenAI's in both places.
"""

from __future__ import annotations

import re

from aiohttp import web

from podman_llm.testing.bedrock_errors import STATUSES, AwsError
from podman_llm.testing.openai_backend import make_backend
from podman_llm.testing.openai_chat import admit_chat
from podman_llm.testing.openai_config import OpenAIDoubleConfig
from podman_llm.testing.openai_errors import Refused
from podman_llm.testing.openai_generation import generation_handler
from podman_llm.testing.openai_wire import answer

CHAT = "/openai/v1/chat/completions"
"""The one path that is served."""
# They have other surfaces, and this one does not know them.
_ELSEWHERE = re.compile(r"anthropic\.|amazon\.")
_WORDS = re.compile(r"(?<!^)(?=[A-Z])")


async def complete(request: web.Request, model: str) -> web.StreamResponse:
    """The answer of ``model`` to a chat request."""
    if _ELSEWHERE.search(model):
        message = f"The model '{model}' doesn't support this API."
        return answer(404, _error(message, "model_not_found"))
    # Made anew each time: an answer carries the name that was asked for.
    handle = generation_handler(make_backend(OpenAIDoubleConfig(served_names=(model,))), admit_chat)
    try:
        return await handle(request)
    except Refused as refused:
        return answer(refused.status, refused.body)


def refusal(error: AwsError) -> web.Response:
    """An exception of the runtime in this surface's words."""
    code = _WORDS.sub("_", error.name.removesuffix("Exception")).lower()
    return answer(STATUSES.get(error.name, 400), _error(error.message, code))


def _error(message: str, code: str) -> dict[str, object]:
    return {
        "error": {
            "message": message,
            "type": "invalid_request_error",
            "param": None,
            "code": code,
        }
    }
