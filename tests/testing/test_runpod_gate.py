from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from podman_llm.testing.clock import FakeClock
from podman_llm.testing.runpod_gate import Quota
from podman_llm.testing.runpod_problem import Problem
from podman_llm.testing.runpod_server import RunpodServer

Api = Callable[..., requests.Response]
Check = Callable[[str, Any], None]


def test_a_request_without_a_bearer_is_told_that_it_is_missing(
    runpod: RunpodServer, published: Check
) -> None:
    answer = requests.get(f"{runpod.url}/v2/pods", timeout=5)
    assert answer.status_code == 401
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"] == "missing bearer token"
    published("ErrorResponse", answer.json())


@pytest.mark.parametrize("path", ["/v2/pods", "/v2/catalog/gpus", "/v2/pods/x/logs"])
def test_a_wrong_key_is_a_401_everywhere(runpod: RunpodServer, path: str) -> None:
    answer = requests.get(
        runpod.url + path, headers={"Authorization": "Bearer rpa_wrong"}, timeout=5
    )
    assert (answer.status_code, answer.json()["title"]) == (401, "Unauthorized")


def test_graphql_takes_the_key_as_a_query_parameter_too(runpod: RunpodServer) -> None:
    query = {"query": "query { myself { id } }"}
    right = requests.post(f"{runpod.url}/graphql?api_key=rpa_double", json=query, timeout=5)
    wrong = requests.post(f"{runpod.url}/graphql?api_key=rpa_wrong", json=query, timeout=5)
    assert (right.status_code, wrong.status_code) == (200, 401)


def test_a_pods_own_key_is_good_for_that_pod_and_nothing_else(
    runpod: RunpodServer, rent: Callable[..., dict[str, Any]], published: Check
) -> None:
    mine, other = rent()["id"], rent()["id"]

    def status(method: str, path: str, **body: Any) -> int:
        headers = {"Authorization": f"Bearer rpa_{mine}_scoped"}
        answer = requests.request(
            method, runpod.url + path, headers=headers, json=body or None, timeout=5
        )
        return answer.status_code

    stop = 'mutation {{ podStop(input: {{ podId: "{}" }}) {{ id }} }}'
    assert status("GET", f"/v2/pods/{mine}") == 200
    assert status("GET", "/v2/pods") == 403
    assert status("DELETE", f"/v2/pods/{other}") == 403
    assert status("POST", "/graphql", query=stop.format(other)) == 403
    assert status("POST", "/graphql", query=stop.format(mine)) == 200
    assert status("POST", f"/v2/pods/{mine}/action", action="terminate") == 204
    assert status("GET", f"/v2/pods/{mine}") == 401
    assert runpod.bill().live == (other,)


def test_a_pods_own_key_may_be_good_for_nothing(
    runpod: RunpodServer, rent: Callable[..., dict[str, Any]]
) -> None:
    runpod.quirk(pod_keys_refused=True)
    pod = rent()["id"]
    headers = {"Authorization": f"Bearer rpa_{pod}_scoped"}
    answer = requests.get(f"{runpod.url}/v2/pods/{pod}", headers=headers, timeout=5)
    assert (answer.status_code, answer.json()["detail"]) == (403, "access denied")


def test_the_default_user_agent_of_urllib_is_blocked_by_the_edge(api: Api) -> None:
    answer = api("GET", "/v2/pods", headers={"User-Agent": "Python-urllib/3.11"})
    assert (answer.status_code, answer.text) == (403, "error code: 1010")


def test_v1_is_gone_with_and_without_a_key(runpod: RunpodServer, api: Api) -> None:
    assert api("GET", "/v1/pods").status_code == 410
    assert requests.post(f"{runpod.url}/v1/pods", timeout=5).status_code == 410


def test_unknown_paths_and_methods_are_said_as_problems(api: Api, published: Check) -> None:
    missing, wrong = api("GET", "/v2/nothing"), api("PUT", "/v2/pods")
    assert missing.status_code == 404
    assert wrong.status_code == 405
    assert wrong.headers["Allow"] == "GET, POST"
    published("ErrorResponse", missing.json())
    published("ErrorResponse", wrong.json())


def test_every_answer_carries_a_request_id_and_the_quota(api: Api) -> None:
    first, second = api("GET", "/v2/pods"), api("GET", "/v2/pods/unknown")
    assert second.headers["RateLimit"].startswith('"minute";r=5998;t=')
    assert first.headers["x-request-id"] != second.headers["x-request-id"]
    assert first.headers["RateLimit"].startswith('"minute";r=5999;t=')
    assert first.headers["RateLimit-Policy"].startswith('"minute";q=6000;w=60, "hour"')


def test_a_used_up_minute_is_refused_until_the_next_one() -> None:
    clock = FakeClock(wall=1_795_000_020.0)
    quota = Quota(per_minute=2)
    for _ in range(2):
        quota.count(clock.wall())
    with pytest.raises(Problem, match="rate limit exceeded for the minute window") as refusal:
        quota.count(clock.wall())
    assert refusal.value.status == 429
    wait = int(refusal.value.headers["Retry-After"])
    assert 0 < wait <= 60
    assert '"minute";r=0' in refusal.value.headers["RateLimit"]
    clock.advance(wait)
    assert quota.count(clock.wall())


def test_the_admin_routes_need_no_key_and_are_not_recorded(runpod: RunpodServer) -> None:
    assert requests.get(f"{runpod.url}/_double/bill", timeout=5).status_code == 200
    assert runpod.requests == ()
