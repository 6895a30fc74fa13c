from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import requests

from podman_llm.testing.clock import FakeClock
from podman_llm.testing.runpod_server import RunpodServer

Api = Callable[..., requests.Response]
Rent = Callable[..., dict[str, Any]]
Check = Callable[[str, Any], None]


def listed(answer: requests.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [pod["name"] for pod in answer.json()["pods"]]


# The body -----------------------------------------------------------------------------------------


def test_a_refused_body_says_why_and_creates_nothing(
    api: Api, runpod: RunpodServer, published: Check, order: dict[str, Any]
) -> None:
    answer = api("POST", "/v2/pods", json=order | {"bogus": 1})
    assert answer.status_code == 422
    assert answer.json()["errors"] == ["$: additional properties 'bogus' not allowed"]
    published("ErrorResponse", answer.json())
    assert runpod.bill().pods == ()


def test_a_body_that_is_no_json_is_a_400(api: Api) -> None:
    assert api("POST", "/v2/pods", data=b"{").status_code == 400


def test_a_body_beyond_the_limit_is_a_413(api: Api, order: dict[str, Any]) -> None:
    order["env"]["BIG"] = "x" * (102_400 - len(json.dumps(order)) - len(', "BIG": ""'))
    assert api("POST", "/v2/pods", data=json.dumps(order)).status_code == 201
    assert api("POST", "/v2/pods", data=json.dumps(order) + " ").status_code == 413


def test_names_need_not_be_unique(rent: Rent) -> None:
    assert rent(name="same")["id"] != rent(name="same")["id"]


# The list -----------------------------------------------------------------------------------------


def test_the_list_is_newest_first_and_ignores_what_it_does_not_know(
    api: Api, rent: Rent, published: Check
) -> None:
    for name in ("a", "b", "c"):
        rent(name=name)
    answer = api("GET", "/v2/pods?desiredStatus=EXITED&whatever=1")
    assert listed(answer) == ["c", "b", "a"]
    assert answer.json()["pagination"] == {"hasNextPage": False, "nextCursor": None}
    published("ListPodsResponse", answer.json())


def test_pages_follow_their_cursors_to_the_end(api: Api, rent: Rent) -> None:
    for name in ("a", "b", "c", "d", "e"):
        rent(name=name)
    pages: list[list[str]] = []
    pagination = {"hasNextPage": True, "nextCursor": ""}
    while pagination["hasNextPage"]:
        following = f"&cursor={pagination['nextCursor']}" if pages else ""
        answer = api("GET", f"/v2/pods?limit=2{following}")
        pages.append(listed(answer))
        pagination = answer.json()["pagination"]
    assert pages == [["e", "d"], ["c", "b"], ["a"]]
    assert pagination["nextCursor"] is None


def test_a_pod_created_between_two_pages_does_not_shift_them(api: Api, rent: Rent) -> None:
    for name in ("a", "b", "c"):
        rent(name=name)
    first = api("GET", "/v2/pods?limit=2").json()
    rent(name="d")
    rest = api("GET", f"/v2/pods?limit=2&cursor={first['pagination']['nextCursor']}")
    assert listed(rest) == ["a"]


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "limit=-1"])
def test_a_limit_out_of_range_is_a_422(api: Api, query: str) -> None:
    assert api("GET", f"/v2/pods?{query}").status_code == 422


@pytest.mark.parametrize("cursor", ["x", "", "!!!", "dm9sdW1lczox", "cG9kczp4"])
def test_a_broken_or_foreign_cursor_is_a_422(api: Api, cursor: str) -> None:
    assert api("GET", "/v2/pods", params={"cursor": cursor}).status_code == 422


def test_a_page_may_be_shorter_than_its_limit_and_not_the_last(
    api: Api, rent: Rent, runpod: RunpodServer
) -> None:
    for name in ("a", "b", "c"):
        rent(name=name)
    runpod.quirk(page_cap=1)
    answer = api("GET", "/v2/pods?limit=100")
    assert listed(answer) == ["c"]
    assert answer.json()["pagination"]["hasNextPage"] is True


def test_a_new_pod_may_be_missing_from_lists_but_not_from_get(
    api: Api, rent: Rent, runpod: RunpodServer
) -> None:
    rent(name="old")
    runpod.fault("POST /v2/pods", "list_lag", reads=2)
    pod = rent(name="new")
    assert api("GET", f"/v2/pods/{pod['id']}").status_code == 200
    seen = [listed(api("GET", "/v2/pods")) for _ in range(3)]
    assert seen == [["old"], ["old"], ["new", "old"]]


def test_a_terminated_pod_may_linger_in_lists_but_not_in_get(
    api: Api, rent: Rent, runpod: RunpodServer
) -> None:
    runpod.quirk(list_linger_reads=2)
    pod = rent(name="gone")
    assert api("DELETE", f"/v2/pods/{pod['id']}").status_code == 204
    assert api("GET", f"/v2/pods/{pod['id']}").status_code == 404
    seen = [listed(api("GET", "/v2/pods")) for _ in range(3)]
    assert seen == [["gone"], ["gone"], []]


# Actions ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "status", "legal"),
    [
        (0.0, "PROVISIONING", {"stop", "terminate"}),
        (1.0, "STARTING", {"stop", "terminate"}),
        (3.0, "RUNNING", {"stop", "restart", "terminate"}),
        (3.0, "EXITED", {"start", "terminate"}),
        (3.0, "ERROR", {"start", "terminate"}),
    ],
)
@pytest.mark.parametrize("action", ["start", "stop", "restart", "terminate"])
def test_the_action_table(
    api: Api,
    rent: Rent,
    runpod: RunpodServer,
    clock: FakeClock,
    published: Check,
    seconds: float,
    status: str,
    legal: set[str],
    action: str,
) -> None:
    pod = rent()
    clock.advance(seconds)
    if status == "EXITED":
        runpod.exit_pod(pod["id"])
    elif status == "ERROR":
        runpod.fail_pod(pod["id"])
    view = api("GET", f"/v2/pods/{pod['id']}").json()
    assert (view["status"], set(view["actions"])) == (status, legal)
    answer = api("POST", f"/v2/pods/{pod['id']}/action", json={"action": action})
    done = 204 if action == "terminate" else 200
    assert answer.status_code == (done if action in legal else 409)
    if answer.status_code == 200:
        published("Pod", answer.json())
    elif answer.status_code == 409:
        published("ErrorResponse", answer.json())


def test_a_stopped_pod_costs_nothing_and_starts_again(
    api: Api, rent: Rent, clock: FakeClock
) -> None:
    pod = rent()
    clock.advance(10.0)
    act = f"/v2/pods/{pod['id']}/action"
    stopped = api("POST", act, json={"action": "stop"}).json()
    assert (stopped["status"], stopped["cost"], stopped["startedAt"]) == ("EXITED", 0.0, None)
    started = api("POST", act, json={"action": "start"}).json()
    assert (started["status"], started["cost"]) == ("STARTING", 0.44)
    clock.advance(2.0)
    assert api("GET", f"/v2/pods/{pod['id']}").json()["runtime"]["uptime"] == 0


def test_starting_on_a_full_host_is_refused(
    api: Api, rent: Rent, runpod: RunpodServer, clock: FakeClock
) -> None:
    pod = rent()
    runpod.exit_pod(pod["id"])
    runpod.close_capacity(gpu="NVIDIA L4")
    answer = api("POST", f"/v2/pods/{pod['id']}/action", json={"action": "start"})
    assert answer.status_code == 400
    assert "not enough free GPUs on the host machine" in answer.json()["detail"]


def test_a_started_pod_may_come_back_without_its_gpu(
    api: Api, rent: Rent, runpod: RunpodServer, clock: FakeClock
) -> None:
    pod = rent()
    clock.advance(3.0)
    runpod.exit_pod(pod["id"])
    runpod.fault("POST /v2/pods/*/action", "no_gpu")
    api("POST", f"/v2/pods/{pod['id']}/action", json={"action": "start"})
    clock.advance(3.0)
    view = api("GET", f"/v2/pods/{pod['id']}").json()
    assert view["status"] == "RUNNING"
    assert "gpu" not in view


def test_a_restart_begins_a_new_container(api: Api, rent: Rent, clock: FakeClock) -> None:
    pod = rent()
    clock.advance(13.0)
    answer = api("POST", f"/v2/pods/{pod['id']}/action", json={"action": "restart"}).json()
    assert (answer["status"], answer["runtime"]["uptime"]) == ("RUNNING", 0)


@pytest.mark.parametrize("body", [{"action": "reset"}, {}, {"action": "stop", "x": 1}])
def test_an_unknown_action_is_a_422(api: Api, rent: Rent, body: Any) -> None:
    assert api("POST", f"/v2/pods/{rent()['id']}/action", json=body).status_code == 422


def test_a_locked_pod_cannot_be_stopped(api: Api, rent: Rent) -> None:
    pod = rent()
    api("PATCH", f"/v2/pods/{pod['id']}", json={"locked": True})
    answer = api("POST", f"/v2/pods/{pod['id']}/action", json={"action": "stop"})
    assert answer.status_code == 409


def test_delete_is_empty_and_the_second_one_a_404(api: Api, rent: Rent, published: Check) -> None:
    path = f"/v2/pods/{rent()['id']}"
    first, second = api("DELETE", path), api("DELETE", path)
    assert (first.status_code, first.content) == (204, b"")
    assert (second.status_code, second.json()["detail"]) == (404, "resource not found")
    published("ErrorResponse", second.json())


def test_a_patch_answers_the_changed_pod(api: Api, rent: Rent, published: Check) -> None:
    pod = rent()
    answer = api("PATCH", f"/v2/pods/{pod['id']}", json={"name": "renamed"})
    assert answer.json()["name"] == "renamed"
    published("Pod", answer.json())


# The small lists ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "schema"),
    [
        ("/v2/templates", "ListTemplatesResponse"),
        ("/v2/templates/vllm0pod01", "Template"),
        ("/v2/network-volumes", "ListNetworkVolumesResponse"),
        ("/v2/registries", "ListRegistriesResponse"),
        ("/v2/account/ssh-keys", "SshKeys"),
    ],
)
def test_the_small_lists_are_as_published(
    api: Api, published: Check, path: str, schema: str
) -> None:
    published(schema, api("GET", path).json())


def test_ssh_keys_are_replaced_as_a_whole(api: Api) -> None:
    assert api("PUT", "/v2/account/ssh-keys", json={"keys": ["ssh-ed25519 A"]}).ok
    assert api("GET", "/v2/account/ssh-keys").json() == {"keys": ["ssh-ed25519 A"]}
    assert api("PUT", "/v2/account/ssh-keys", json={}).status_code == 422


def test_an_unknown_template_is_a_404(api: Api) -> None:
    assert api("GET", "/v2/templates/unknown").status_code == 404
