"""What Bedrock's failures are to an OpenAI client: by name, because the statuses mislead.

The same failure comes as a status before the answer and as an event within it, and there every one
is called a bad request. The name says what happened in both places.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

RETRY_SECONDS: Final = 5
"""When to try again if Bedrock does not say. Quotas are counted by the minute and refill slowly."""

CREDENTIAL_FAULTS: Final = frozenset(
    {
        "ExpiredTokenException",
        "IncompleteSignatureException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "MissingAuthenticationTokenException",
        "RequestExpired",
        "UnrecognizedClientException",
    }
)
"""Names that say that our keys are wrong, old, or not for this region."""


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as an OpenAI client reads it.

    ``retry_after`` is in seconds, None where trying again changes nothing. ``name`` is Bedrock's.
    """

    status: int
    type: str
    code: str
    message: str
    param: str | None = None
    retry_after: int | None = None
    name: str = ""

    def body(self) -> bytes:
        """The error document."""
        error = {
            "message": self.message,
            "type": self.type,
            "param": self.param,
            "code": self.code,
        }
        return json.dumps({"error": error}).encode()


def refused(message: str, param: str | None) -> Problem:
    """A request that is not even sent to Bedrock."""
    return Problem(400, "invalid_request_error", "unsupported_value", message, param)


def error_name(header: str, document: Mapping[str, Any]) -> str:
    """The name of an error, from its header or its document, without the name spaces around it."""
    told = header or str(document.get("__type") or document.get("code") or "")
    return told.partition(":")[0].rpartition("#")[2]


def problem(
    name: str, *, status: int, document: Mapping[str, Any], retry_after: int | None = None
) -> Problem:
    """The error that ``name`` is; ``status`` is what it came with, 0 for within an answer.

    ``document`` is its body: ``message``, and for some the status of the model's own server.
    """
    said = str(document.get("message") or document.get("Message") or "no message").strip()
    name = name[:1].upper() + name[1:]  # events begin in lower case, and are the same
    if name in CREDENTIAL_FAULTS:
        told = f"Bedrock refused our AWS credentials ({name}): {said}"
        return Problem(502, "server_error", "upstream_credentials", told, name=name)
    match name:
        case "ValidationException":
            return _invalid(name, said)
        case "ModelErrorException" | "ModelStreamErrorException":
            return _model_error(name, said, document.get("originalStatusCode"))
        case _:
            pass
    known = _KNOWN.get(name) or _by_status(status)
    wait = retry_after or RETRY_SECONDS if known.waits else None
    told = f"Bedrock: {said}{known.advice}"
    return Problem(known.status, known.type, known.code, told, retry_after=wait, name=name)


@dataclass(frozen=True, slots=True)
class _Known:
    status: int
    type: str
    code: str
    waits: bool = False
    advice: str = ""


_IAM: Final = (
    " The credentials need bedrock:InvokeModel and bedrock:InvokeModelWithResponseStream on the"
    " inference profile and on its foundation models, and access to the model in this account."
)
_KNOWN: Final = {
    "ThrottlingException": _Known(429, "rate_limit_error", "rate_limit_exceeded", waits=True),
    "ServiceQuotaExceededException": _Known(
        429, "insufficient_quota", "insufficient_quota", waits=True
    ),
    "ModelNotReadyException": _Known(503, "server_error", "model_not_ready", waits=True),
    "ServiceUnavailableException": _Known(503, "server_error", "service_unavailable", waits=True),
    "InternalServerException": _Known(500, "server_error", "internal_server_error", waits=True),
    "ModelTimeoutException": _Known(504, "timeout", "model_timeout", waits=True),
    "AccessDeniedException": _Known(403, "permission_error", "access_denied", advice=_IAM),
    "ResourceNotFoundException": _Known(
        404,
        "not_found_error",
        "model_not_found",
        advice=" Is the model id right for this region, and is the account granted access to it?",
    ),
}


_STATUSES: Final = {
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    429: "ThrottlingException",
    503: "ServiceUnavailableException",
    504: "ModelTimeoutException",
}


def _by_status(status: int) -> _Known:
    """What to make of an error without a known name, from a proxy in between for one."""
    if status in _STATUSES:
        return _KNOWN[_STATUSES[status]]
    if _is_clients_fault(status):
        return _Known(400, "invalid_request_error", "invalid_request")
    return _Known(502, "server_error", "upstream_failed", waits=True)


def _is_clients_fault(status: object) -> bool:
    return isinstance(status, int) and 400 <= status < 500  # noqa: PLR2004 - the class of statuses


def _model_error(name: str, said: str, original: object) -> Problem:
    """The model's own server failed, or it refused what it was asked."""
    told = f"Bedrock: {said}"
    if _is_clients_fault(original) and original not in _STATUSES:
        return Problem(400, "invalid_request_error", "model_error", told, name=name)
    return Problem(502, "server_error", "model_error", told, retry_after=RETRY_SECONDS, name=name)


def _invalid(name: str, said: str) -> Problem:
    # The words stay as they are: clients find out from them that a conversation is too long.
    if _TOO_LONG.search(said):
        code = "context_length_exceeded"
        return Problem(400, "invalid_request_error", code, said, "messages", name=name)
    if _NO_SUCH_MODEL.search(said):
        told = f"Bedrock: {said}{_PROFILE}"
        return Problem(404, "not_found_error", "model_not_found", told, name=name)
    return Problem(400, "invalid_request_error", "invalid_request", f"Bedrock: {said}", name=name)


_TOO_LONG: Final = re.compile(
    r"input is too long for requested model|prompt is too long|exceed context limit"
    r"|too many total text bytes|input tokens exceeded|too many input tokens|exceed model maximum"
    r"|context_length_exceeded|maximum context length",
    re.IGNORECASE,
)
_NO_SUCH_MODEL: Final = re.compile(
    r"on-demand throughput isn.t supported|model identifier is invalid", re.IGNORECASE
)
_PROFILE: Final = (
    " Newer models are called by an inference profile: their id with us., eu., apac. or global."
    " before it."
)
