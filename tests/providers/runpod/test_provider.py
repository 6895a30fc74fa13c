from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
import responses

from podman_llm.core.sight import (
    Ambiguous,
    Created,
    Gone,
    Listing,
    NotCreated,
    PodSight,
    Refusal,
    Terminated,
    TerminateFailed,
    Unknown,
)
from podman_llm.errors import ProviderRefused, ProviderUnreachable
from podman_llm.providers.base import BilledHours, Billing
from podman_llm.providers.runpod.provider import RunpodProvider, entrypoint
from tests.contracts.provider import request_for
from tests.providers.runpod.conftest import API, KEY, html, pod_document, problem

PODS = f"{API}/v2/pods"
LOST = {"body": requests.ConnectionError("reset")}
GARBAGE = {"body": "<html>maintenance</html>", "content_type": "text/html"}


def page(*ids: str, cursor: str | None = None) -> dict[str, Any]:
    pods = [pod_document(pod_id) for pod_id in ids]
    pagination = {"hasNextPage": cursor is not None, "nextCursor": cursor}
    return {"json": {"pods": pods, "pagination": pagination}}


# create ----------------------------------------------------------------------------------------


def test_one_post_makes_one_pod(
    canned_provider: RunpodProvider, canned: responses.RequestsMock
) -> None:
    canned.post(PODS, json=pod_document("new", "pllm-x"), status=201)
    outcome = canned_provider.create(request_for("pllm-x"))
    assert isinstance(outcome, Created)
    assert outcome.pod.endpoint == "https://new-8000.proxy.runpod.net"
    assert len(canned.calls) == 1
    raw = canned.calls[0].request.body or b""
    assert KEY not in str(raw)
    assert json.loads(raw)["entrypoint"] == list(entrypoint())


@pytest.mark.parametrize("answer", [LOST, html(502), problem(500, "internal server error")])
def test_a_post_whose_fate_is_open_is_never_repeated(
    canned_provider: RunpodProvider, canned: responses.RequestsMock, answer: dict[str, Any]
) -> None:
    canned.post(PODS, **answer)
    assert isinstance(canned_provider.create(request_for("a")), Ambiguous)
    assert len(canned.calls) == 1


def test_a_refusal_waits_as_long_as_runpod_says(
    canned_provider: RunpodProvider, canned: responses.RequestsMock
) -> None:
    canned.post(PODS, headers={"Retry-After": "17"}, **problem(429, "rate limit exceeded"))
    outcome = canned_provider.create(request_for("a"))
    assert isinstance(outcome, NotCreated)
    assert (outcome.refusal, outcome.retry_after) == (Refusal.RATE, 17.0)


# list ------------------------------------------------------------------------------------------


def test_all_pages_are_read_short_ones_too(
    canned_provider: RunpodProvider, canned: responses.RequestsMock
) -> None:
    for answer in (page("a", "b", cursor="c1"), page(cursor="c2"), page("c")):
        canned.get(PODS, **answer)
    listing = canned_provider.list_pods()
    assert isinstance(listing, Listing)
    assert [pod.pod_id for pod in listing.pods] == ["a", "b", "c"]
    asked = [parse_qs(urlsplit(str(call.request.url)).query) for call in canned.calls]
    assert [query.get("cursor") for query in asked] == [None, ["c1"], ["c2"]]


def test_a_pod_that_moved_to_the_next_page_meanwhile_is_one_pod(
    canned_provider: RunpodProvider, canned: responses.RequestsMock
) -> None:
    for answer in (page("a", "b", cursor="c1"), page("b", "c")):
        canned.get(PODS, **answer)
    listing = canned_provider.list_pods()
    assert isinstance(listing, Listing)
    assert [pod.pod_id for pod in listing.pods] == ["a", "b", "c"]


def test_an_empty_account_is_a_list(
    canned_provider: RunpodProvider, canned: responses.RequestsMock
) -> None:
    canned.get(PODS, **page())
    assert canned_provider.list_pods() == Listing(())


@pytest.mark.parametrize(
    "second",
    [
        LOST,
        GARBAGE,
        html(502),
        problem(401, "no"),
        problem(422, "malformed cursor"),
        {"json": {"pods": []}},
        {"json": {"pods": [{"id": "x"}], "pagination": {"hasNextPage": False}}},
        {"json": {"pods": [], "pagination": {"hasNextPage": True, "nextCursor": None}}},
        {"status": 204},
        page("c", cursor="c1"),
    ],
)
def test_a_list_that_is_not_complete_is_unknown(
    canned_provider: RunpodProvider, canned: responses.RequestsMock, second: dict[str, Any]
) -> None:
    canned.get(PODS, **page("a", cursor="c1"))
    canned.get(PODS, **second)
    assert isinstance(canned_provider.list_pods(), Unknown)


def test_a_list_without_end_is_unknown(
    canned_provider: RunpodProvider, canned: responses.RequestsMock
) -> None:
    def endless(request: requests.PreparedRequest) -> tuple[int, dict[str, str], str]:
        cursor = f"c{len(canned.calls)}"
        return 200, {}, json.dumps(page(cursor=cursor)["json"])

    canned.add_callback(responses.GET, PODS, endless)
    sight = canned_provider.list_pods()
    assert isinstance(sight, Unknown)
    assert "does not end" in sight.why
    assert len(canned.calls) == 100


# get -------------------------------------------------------------------------------------------


def test_only_runpods_own_404_is_gone(
    canned_provider: RunpodProvider, canned: responses.RequestsMock
) -> None:
    canned.get(f"{PODS}/a", **problem(404, "resource not found"))
    assert canned_provider.get("a") == Gone()


@pytest.mark.parametrize(
    "answer",
    [
        LOST,
        GARBAGE,
        html(404),
        {"status": 404, "json": {"error": "no route"}},
        problem(401, "no"),
        problem(429, "slow"),
        html(503),
        {"json": {}},
        {"json": pod_document("another")},
        {"json": pod_document("a"), "status": 201},
    ],
)
def test_every_other_answer_leaves_the_pod_unknown(
    canned_provider: RunpodProvider, canned: responses.RequestsMock, answer: dict[str, Any]
) -> None:
    canned.get(f"{PODS}/a", **answer)
    assert isinstance(canned_provider.get("a"), Unknown)


def test_a_pod_is_seen(canned_provider: RunpodProvider, canned: responses.RequestsMock) -> None:
    canned.get(f"{PODS}/a", json=pod_document("a"))
    assert isinstance(canned_provider.get("a"), PodSight)


# terminate -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ({"status": 204}, 204),
        ({"status": 200, "json": {}}, 200),
        (problem(404, "resource not found"), 404),
        (problem(409, "cluster member"), 409),
    ],
)
def test_the_order_is_taken_or_there_is_nothing_to_end(
    canned_provider: RunpodProvider,
    canned: responses.RequestsMock,
    answer: dict[str, Any],
    status: int,
) -> None:
    canned.delete(f"{PODS}/a", **answer)
    assert canned_provider.terminate("a") == Terminated(status)


@pytest.mark.parametrize(
    "answer",
    [LOST, html(404), html(502), problem(401, "no"), problem(429, "slow"), problem(500, "x")],
)
def test_an_order_that_did_not_get_through_has_failed(
    canned_provider: RunpodProvider, canned: responses.RequestsMock, answer: dict[str, Any]
) -> None:
    canned.delete(f"{PODS}/a", **answer)
    outcome = canned_provider.terminate("a")
    assert isinstance(outcome, TerminateFailed)
    assert outcome.why


def test_where_delete_is_not_allowed_the_action_is(
    canned_provider: RunpodProvider, canned: responses.RequestsMock
) -> None:
    canned.delete(f"{PODS}/a", **problem(405, "method not allowed"))
    canned.post(f"{PODS}/a/action", status=204)
    assert canned_provider.terminate("a") == Terminated(204)
    assert json.loads(canned.calls[1].request.body or b"") == {"action": "terminate"}


# catalog and account ---------------------------------------------------------------------------


def test_offers_are_asked_for_with_their_stock(
    canned_provider: RunpodProvider, canned: responses.RequestsMock
) -> None:
    canned.get(f"{API}/v2/catalog/gpus", json={"gpus": [{"id": "NVIDIA L4", "memory": 24}]})
    assert [offer.gpu_id for offer in canned_provider.gpus()] == ["NVIDIA L4"]
    query = parse_qs(urlsplit(str(canned.calls[0].request.url)).query)
    assert query == {"include": ["AVAILABILITY"], "product": ["POD"]}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (problem(401, "missing bearer token"), ProviderRefused),
        (html(502), ProviderUnreachable),
        (GARBAGE, ProviderUnreachable),
        ({"json": {"gpus": None}}, ProviderUnreachable),
        (LOST, ProviderUnreachable),
    ],
)
def test_offers_that_cannot_be_read_say_why(
    canned_provider: RunpodProvider,
    canned: responses.RequestsMock,
    answer: dict[str, Any],
    error: type[Exception],
) -> None:
    canned.get(f"{API}/v2/catalog/gpus", **answer)
    with pytest.raises(error):
        canned_provider.gpus()


def test_its_pods_guard_themselves_before_anything_else_runs(
    canned_provider: RunpodProvider,
) -> None:
    assert canned_provider.guarded
    python, flag, guard, boot = entrypoint()
    assert (python, flag) == ("python3", "-c")
    assert "PLLM-GUARD" in guard
    assert "PLLM-BOOT" in boot


def test_a_key_is_demanded_of_everybody(canned_provider: RunpodProvider) -> None:
    assert canned_provider.keyed
    assert canned_provider.name == "runpod"


def test_a_bill_is_read_by_pod_and_day(
    canned: responses.RequestsMock, canned_provider: RunpodProvider
) -> None:
    day = 1_795_046_400.0
    canned.get(
        f"{API}/v2/billing/pods",
        json={
            "records": [
                {
                    "startTime": "2026-11-19T00:00:00Z",
                    "endTime": "2026-11-20T00:00:00Z",
                    "podId": "pod1",
                    "totalAmount": 12.34,
                }
            ]
        },
        match=[
            responses.matchers.query_param_matcher(
                {
                    "bucketSize": "day",
                    "startTime": "2026-11-19T00:00:00Z",
                    "endTime": "2026-11-20T00:00:00Z",
                }
            )
        ],
    )
    bill = canned_provider.billing(since=day, until=day + 86_400)
    assert bill == Billing((BilledHours("pod1", day, day + 86_400, 12.34),))


@pytest.mark.parametrize(
    "answer",
    [
        problem(403, "access denied"),
        html(502),
        {"json": {"records": [{"podId": "pod1", "totalAmount": 1.0}]}},
        {"json": {}},
    ],
)
def test_a_bill_that_cannot_be_read_whole_is_unknown(
    canned: responses.RequestsMock, canned_provider: RunpodProvider, answer: dict[str, Any]
) -> None:
    canned.get(f"{API}/v2/billing/pods", **answer)
    assert isinstance(canned_provider.billing(since=0, until=1), Unknown)


@pytest.mark.parametrize(
    ("date", "at"), [("Fri, 20 Nov 2026 20:00:00 GMT", 1_795_204_800.0), ("soon", None)]
)
def test_reaching_it_tells_its_clock(
    canned: responses.RequestsMock,
    canned_provider: RunpodProvider,
    date: str,
    at: float | None,
) -> None:
    canned.get(f"{API}/v2/pods", json={"pods": []}, headers={"Date": date})
    assert canned_provider.reach().server_time == at


def test_a_refused_key_and_an_outage_are_told_apart(
    canned: responses.RequestsMock, canned_provider: RunpodProvider
) -> None:
    canned.get(f"{API}/v2/pods", **problem(401, "missing bearer token"))
    with pytest.raises(ProviderRefused):
        canned_provider.reach()
    canned.replace("GET", f"{API}/v2/pods", **html(502))
    with pytest.raises(ProviderUnreachable):
        canned_provider.reach()
