"""Failures of Bedrock as they go over the wire."""

from __future__ import annotations

import json

from aiohttp import web

_NAME_SPACE = "http://internal.amazon.com/coral/com.amazon.bedrock/"

STATUSES = {
    "AccessDeniedException": 403,
    "ExpiredTokenException": 403,
    "InternalServerException": 500,
    "InvalidSignatureException": 403,
    "MissingAuthenticationTokenException": 403,
    "ModelErrorException": 424,
    "ModelNotReadyException": 429,
    "ModelStreamErrorException": 424,
    "ModelTimeoutException": 408,
    "ResourceNotFoundException": 404,
    "SerializationException": 400,
    "ServiceQuotaExceededException": 400,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
    "UnknownOperationException": 404,
    "UnrecognizedClientException": 403,
    "ValidationException": 400,
}
"""The HTTP status of each exception."""

MESSAGES = {
    "AccessDeniedException": "You don't have access to the model with the specified model ID.",
    "ExpiredTokenException": "The security token included in the request is expired",
    "InternalServerException": "The system encountered an unexpected error during processing. Try"
    " your request again.",
    "ModelErrorException": "The model returned the following errors: internal error",
    "ModelNotReadyException": "Model is not ready for inference.",
    "ModelTimeoutException": "Model has timed out in processing the request. Try again.",
    "ResourceNotFoundException": "Could not resolve the foundation model from the provided model"
    " identifier.",
    "ServiceQuotaExceededException": "Your request exceeds the service quota for your account.",
    "ServiceUnavailableException": "Bedrock is unable to process your request.",
    "ThrottlingException": "Too many tokens, please wait before trying again.",
    "ValidationException": "Input is too long for requested model.",
}
"""What each says when nothing better is known."""


class AwsError(Exception):
    """The request is answered with the exception ``name``; ``fields`` are its other members."""

    def __init__(self, name: str, message: str = "", **fields: object) -> None:
        super().__init__(name)
        self.name = name
        self.message = message or MESSAGES.get(name, name)
        self.fields = fields

    def response(self, retry_after: int | None = None) -> web.Response:
        """The failure before an answer."""
        headers = {"x-amzn-ErrorType": f"{self.name}:{_NAME_SPACE}"}
        if retry_after is not None:
            headers["Retry-After"] = str(retry_after)
        return web.Response(
            status=STATUSES.get(self.name, 400),
            body=json.dumps({"message": self.message, **self.fields}).encode(),
            content_type="application/json",
            headers=headers,
        )


def invalid(message: str) -> AwsError:
    """A request that cannot be carried out."""
    return AwsError("ValidationException", message)
