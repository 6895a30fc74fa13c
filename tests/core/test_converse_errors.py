from __future__ import annotations

import json

import pytest

from podman_llm.core.converse_errors import RETRY_SECONDS, error_name, problem, refused
from podman_llm.testing.bedrock_errors import STATUSES


@pytest.mark.parametrize(
    ("name", "status", "code", "waits"),
    [
        ("ThrottlingException", 429, "rate_limit_exceeded", True),
        ("ServiceQuotaExceededException", 429, "insufficient_quota", True),
        ("ModelNotReadyException", 503, "model_not_ready", True),
        ("ServiceUnavailableException", 503, "service_unavailable", True),
        ("InternalServerException", 500, "internal_server_error", True),
        ("ModelTimeoutException", 504, "model_timeout", True),
        ("ModelErrorException", 502, "model_error", True),
        ("ModelStreamErrorException", 502, "model_error", True),
        ("ValidationException", 400, "invalid_request", False),
        ("AccessDeniedException", 403, "access_denied", False),
        ("ResourceNotFoundException", 404, "model_not_found", False),
        ("ExpiredTokenException", 502, "upstream_credentials", False),
        ("InvalidSignatureException", 502, "upstream_credentials", False),
        ("UnrecognizedClientException", 502, "upstream_credentials", False),
        ("SerializationException", 400, "invalid_request", False),
    ],
)
def test_each_name_is_one_error_before_and_within_an_answer(
    name: str, status: int, code: str, waits: bool
) -> None:
    before = problem(name, status=STATUSES.get(name, 400), document={"message": "words"})
    within = problem(name[:1].lower() + name[1:], status=0, document={"message": "words"})
    assert (before.status, before.code, before.name) == (status, code, name)
    assert before.retry_after == (RETRY_SECONDS if waits else None)
    if name != "SerializationException":  # known by its status only, and never in a stream
        assert within == before
    error = json.loads(before.body())["error"]
    assert "words" in error["message"]
    assert set(error) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("status", "answered"),
    [
        (400, 400),
        (403, 403),
        (404, 404),
        (408, 504),
        (429, 429),
        (502, 502),
        (503, 503),
        (504, 504),
    ],
)
def test_an_error_without_a_name_goes_by_its_status(status: int, answered: int) -> None:
    assert problem("", status=status, document={}).status == answered


def test_an_unknown_error_within_an_answer_is_the_upstreams() -> None:
    assert problem("internalFault", status=0, document={}).status == 502


def test_bedrocks_own_time_to_wait_is_told() -> None:
    made = problem("ThrottlingException", status=429, document={}, retry_after=17)
    assert made.retry_after == 17


@pytest.mark.parametrize(("original", "status"), [(400, 400), (429, 502), (500, 502), (None, 502)])
def test_a_models_own_refusal_is_the_requests_fault(original: int | None, status: int) -> None:
    document = {"message": "x", "originalStatusCode": original}
    assert problem("ModelErrorException", status=424, document=document).status == status


@pytest.mark.parametrize(
    "said",
    [
        "Input is too long for requested model.",
        "prompt is too long: 201000 tokens > 200000 maximum",
        "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
        "too many total text bytes: 30000000",
        "Input Tokens Exceeded: the number of tokens is too large",
        "prompt tokens (300000) exceed model maximum (262144)",
    ],
)
def test_a_conversation_too_long_is_told_in_bedrocks_words(said: str) -> None:
    made = problem("ValidationException", status=400, document={"message": said})
    assert (made.status, made.code, made.message) == (400, "context_length_exceeded", said)


@pytest.mark.parametrize(
    "said",
    [
        "Invocation of model ID x with on-demand throughput isn\u2019t supported.",
        "The provided model identifier is invalid.",
    ],
)
def test_a_wrong_id_is_a_model_that_is_not_there(said: str) -> None:
    made = problem("ValidationException", status=400, document={"message": said})
    assert (made.status, made.code) == (404, "model_not_found")
    assert "inference profile" in made.message


def test_denied_access_names_the_permission() -> None:
    made = problem("AccessDeniedException", status=403, document={"Message": "no"})
    assert "bedrock:InvokeModelWithResponseStream" in made.message


@pytest.mark.parametrize(
    ("header", "document", "name"),
    [
        ("ThrottlingException", {}, "ThrottlingException"),
        ("ThrottlingException:http://internal.amazon.com/coral/x/", {}, "ThrottlingException"),
        ("", {"__type": "com.amazon.coral#AccessDeniedException"}, "AccessDeniedException"),
        ("", {}, ""),
    ],
)
def test_the_name_is_found(header: str, document: dict[str, str], name: str) -> None:
    assert error_name(header, document) == name


def test_a_request_that_was_not_sent_names_its_field() -> None:
    assert json.loads(refused("no images", "messages.0").body())["error"] == {
        "message": "no images",
        "type": "invalid_request_error",
        "param": "messages.0",
        "code": "unsupported_value",
    }
