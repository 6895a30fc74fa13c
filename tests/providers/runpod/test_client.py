from __future__ import annotations

import json

import pytest
import requests
import responses

from podman_llm.config.models import ProviderSettings
from podman_llm.errors import ConfigError, ProviderRefused, ProviderUnreachable
from podman_llm.providers.runpod.client import (
    RunpodClient,
    failure,
    is_problem,
    retry_after,
    why,
    words,
)
from podman_llm.providers.wire import NoReply, Reply
from podman_llm.testing.clock import FakeClock
from tests.providers.runpod.conftest import API, HTML, KEY, PROBLEM, html, problem


def reply(status: int, body: str, kind: str = PROBLEM, **headers: str) -> Reply:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Reply(status, {"content-type": kind, **names}, body.encode())


def test_the_key_is_in_one_header_and_nowhere_else(
    client: RunpodClient, canned: responses.RequestsMock
) -> None:
    canned.get(f"{API}/v2/pods", json={"pods": []})
    client.call("GET", "/v2/pods", query={"limit": "1"})
    sent = canned.calls[0].request
    assert sent.headers["Authorization"] == f"Bearer {KEY}"
    assert sent.url == f"{API}/v2/pods?limit=1"
    assert sent.headers["User-Agent"].startswith("podman-llm/")


def test_another_base_is_another_host(canned: responses.RequestsMock) -> None:
    settings = ProviderSettings(api_base="http://127.0.0.1:9/api/")
    canned.get("http://127.0.0.1:9/api/v2/pods", json={})
    RunpodClient(settings, KEY, FakeClock()).call("GET", "/v2/pods")


@pytest.mark.parametrize("key", ["", " ", "rpa_x\n", "rpa x", '"rpa"\t', "rpa_é"])
def test_a_key_that_cannot_be_one_is_named_and_not_shown(key: str) -> None:
    with pytest.raises(ConfigError, match="RUNPOD_API_KEY") as raised:
        RunpodClient(ProviderSettings(), key, FakeClock())
    assert "rpa" not in str(raised.value)


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        ('{"title": "T", "detail": "no such thing"}', PROBLEM, "no such thing (400)"),
        ('{"title": "Bad Request"}', PROBLEM, "Bad Request (400)"),
        ('{"error": "not enough free GPUs"}', "application/json", "not enough free GPUs (400)"),
        ('{"message": "nope"}', "application/json", "nope (400)"),
        ('{"error": {"code": 7}}', "application/json", "no reason given (400)"),
        ('{"detail": "invalid", "errors": ["$: a", "$: b"]}', PROBLEM, "invalid; $: a; $: b (400)"),
        ("error code: 1010", "text/plain", "error code: 1010 (400)"),
        (HTML, "text/html", "502: Bad gateway (400)"),
        ("", "text/plain", "no reason given (400)"),
        ("[1]", "application/json", "[1] (400)"),
    ],
)
def test_the_reason_is_found_wherever_it_stands(body: str, kind: str, expected: str) -> None:
    assert words(reply(400, body, kind)) == expected


def test_the_request_id_is_kept_for_support() -> None:
    assert words(reply(500, '{"detail": "boom"}', x_request_id="r-17")) == "boom (500, r-17)"


def test_a_retired_api_is_told_as_such_whatever_the_page_says() -> None:
    said = words(reply(410, HTML, "text/html"))
    assert said == "RunPod has retired this version of its API (410)"


def test_a_long_page_is_cut() -> None:
    assert len(words(reply(500, "x" * 5000, "text/plain"))) < 400


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("17", 17.0), (" 5 ", 5.0), ("", None), ("-1", None), ("Fri, 20 Nov 2026", None), ("½", None)],
)
def test_retry_after_is_read_where_it_is_in_seconds(value: str, seconds: float | None) -> None:
    assert retry_after(reply(429, "{}", retry_after=value)) == seconds


def test_only_runpods_own_words_are_a_problem() -> None:
    assert is_problem(reply(404, "{}"))
    assert not is_problem(reply(404, "{}", "application/json"))
    assert not is_problem(reply(404, HTML, "text/html"))
    assert not is_problem(reply(404, HTML, PROBLEM))


@pytest.mark.parametrize("status", [401, 402, 403, 410])
def test_what_a_person_must_mend_is_refused(status: int) -> None:
    error = failure(reply(status, '{"detail": "no"}'))
    assert isinstance(error, ProviderRefused)
    assert error.hint


@pytest.mark.parametrize("status", [200, 400, 404, 408, 429, 500, 502, 524])
def test_everything_else_is_unreachable(status: int) -> None:
    assert isinstance(failure(reply(status, HTML, "text/html")), ProviderUnreachable)


def test_no_answer_is_unreachable_with_its_reason() -> None:
    error = failure(NoReply("connection refused"))
    assert isinstance(error, ProviderUnreachable)
    lost, unsent = NoReply("connection lost"), NoReply("connection refused", never_sent=True)
    assert why(lost) == "RunPod gave no answer: connection lost"
    assert why(unsent) == "RunPod cannot be reached: connection refused"


def test_fetch_gives_the_document_or_raises(
    client: RunpodClient, canned: responses.RequestsMock
) -> None:
    canned.get(f"{API}/v2/catalog/gpus", body=json.dumps({"gpus": []}))
    assert client.fetch("/v2/catalog/gpus") == {"gpus": []}
    canned.get(f"{API}/a", **problem(401, "missing bearer token"))
    with pytest.raises(ProviderRefused, match="missing bearer token"):
        client.fetch("/a")
    canned.get(f"{API}/b", **html(502))
    with pytest.raises(ProviderUnreachable, match="502"):
        client.fetch("/b")


@pytest.mark.parametrize(
    "error",
    [
        requests.ConnectionError(f"Bearer {KEY}"),
        requests.exceptions.InvalidHeader(f"Bearer {KEY}"),
        requests.exceptions.ChunkedEncodingError(KEY),
        requests.ReadTimeout(KEY),
        OSError(KEY),
        ValueError(KEY),
    ],
)
def test_no_exception_of_a_library_leaves_with_what_it_carries(
    client: RunpodClient, canned: responses.RequestsMock, error: Exception
) -> None:
    canned.get(f"{API}/v2/catalog/gpus", body=error)
    with pytest.raises(ProviderUnreachable) as raised:
        client.fetch("/v2/catalog/gpus")
    assert KEY not in repr(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__context__ is None
