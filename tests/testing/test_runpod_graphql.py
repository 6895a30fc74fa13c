from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from podman_llm.testing.clock import FakeClock
from podman_llm.testing.runpod_server import RunpodServer

Api = Callable[..., requests.Response]

DEPLOY = """mutation { podFindAndDeployOnDemand(input: {
  name: "n", imageName: "i", cloudType: ALL, gpuTypeId: "NVIDIA L4", gpuCount: 1,
  containerDiskInGb: 10, ports: "8000/http,22/tcp", dockerArgs: "serve m", dataCenterId: null,
  env: [{ key: "K", value: "V" }] %s }) { id imageName env machineId machine { podHostId } } }"""


def ask(api: Api, query: str, status: int = 200, **variables: Any) -> dict[str, Any]:
    answer = api("POST", "/graphql", json={"query": query, "variables": variables})
    assert answer.status_code == status, answer.text
    body: dict[str, Any] = answer.json()
    return body


def deploy(api: Api, more: str = "") -> dict[str, Any]:
    return ask(api, DEPLOY % more)


def refused(api: Api, query: str, head: str) -> str:
    """The message of a refusal, whose form is checked."""
    body = ask(api, query)
    (error,) = body["errors"]
    assert (error["path"], error["extensions"]) == ([head], {"code": "RUNPOD"})
    assert body["data"] == {head: None}
    return str(error["message"])


def test_a_deploy_answers_only_what_was_selected(api: Api) -> None:
    pod = deploy(api)["data"]["podFindAndDeployOnDemand"]
    assert pod.keys() == {"id", "imageName", "env", "machineId", "machine"}
    assert pod["env"] == ["K=V"]
    view = api("GET", f"/v2/pods/{pod['id']}").json()
    assert (view["name"], view["cmd"], view["disk"]) == ("n", ["serve", "m"], 10)
    assert view["ports"] == ["8000/http", "22/tcp"]


@pytest.mark.parametrize("name", ["terminateAfter", "stopAfter"])
def test_a_server_side_timer_is_accepted_and_never_enforced(
    api: Api, runpod: RunpodServer, clock: FakeClock, name: str
) -> None:
    deploy(api, f'{name}: "2026-11-18T12:00:00Z"')
    clock.advance(6 * 3600.0)
    (pod,) = api("GET", "/v2/pods").json()["pods"]
    assert pod["status"] == "RUNNING"
    assert runpod.bill().seconds == 6 * 3600.0


def test_a_timer_must_still_be_a_moment(api: Api) -> None:
    message = refused(api, DEPLOY % 'terminateAfter: "2h"', "podFindAndDeployOnDemand")
    assert "DateTime cannot represent" in message


def test_errors_are_inside_a_200(api: Api, runpod: RunpodServer) -> None:
    runpod.close_capacity()
    message = refused(api, DEPLOY % "", "podFindAndDeployOnDemand")
    assert message.startswith("There are no longer any instances available")


def test_what_the_input_does_not_have_is_refused(api: Api) -> None:
    assert "not defined by type" in refused(api, DEPLOY % "modelId: 1", "podFindAndDeployOnDemand")


def test_several_gpu_types_are_tried_in_order(api: Api, runpod: RunpodServer) -> None:
    runpod.close_capacity(gpu="NVIDIA L4")
    deploy(api, 'gpuTypeIdList: ["NVIDIA L4", "NVIDIA A40"]')
    (pod,) = api("GET", "/v2/pods").json()["pods"]
    assert pod["gpu"]["id"] == "NVIDIA A40"


def test_all_clouds_means_secure_first_and_then_community(api: Api, runpod: RunpodServer) -> None:
    runpod.close_capacity(cloud="SECURE")
    ask(api, (DEPLOY % "").replace("NVIDIA L4", "NVIDIA A40"))
    (pod,) = api("GET", "/v2/pods").json()["pods"]
    assert (pod["cloud"], pod["cost"]) == ("COMMUNITY", 0.35)


def test_volumes_become_mounts(api: Api) -> None:
    deploy(api, 'volumeInGb: 20, volumeMountPath: "/w"')
    deploy(api, 'networkVolumeId: "vol0weights"')
    network, persistent = api("GET", "/v2/pods").json()["pods"]
    assert persistent["mounts"] == {"persistent": {"size": 20, "path": "/w"}}
    assert network["mounts"] == {"network": [{"volumeId": "vol0weights", "path": "/workspace"}]}


def test_a_cpu_pod_has_a_head_of_its_own(api: Api) -> None:
    query = """mutation { deployCpuPod(input: { name: "c", imageName: "i", cloudType: ALL,
      instanceId: "cpu3c-2-4", containerDiskInGb: 10, templateId: "runpod-ubuntu" }) { id } }"""
    assert ask(api, query)["data"]["deployCpuPod"]["id"]
    (pod,) = api("GET", "/v2/pods").json()["pods"]
    assert pod["cpu"]["vcpuCount"] == 2


def test_a_pod_is_wanted_running_from_the_start_and_has_no_runtime_yet(
    api: Api, clock: FakeClock
) -> None:
    pod_id = deploy(api)["data"]["podFindAndDeployOnDemand"]["id"]
    query = "query pod($input: PodFilter) { pod(input: $input) { desiredStatus runtime { uptimeInSeconds } } }"  # noqa: E501 - one line, as clients send it
    early = ask(api, query, input={"podId": pod_id})["data"]["pod"]
    clock.advance(5.0)
    later = ask(api, query, input={"podId": pod_id})["data"]["pod"]
    assert early == {"desiredStatus": "RUNNING", "runtime": None}
    assert later == {"desiredStatus": "RUNNING", "runtime": {"uptimeInSeconds": 2}}


def test_an_unknown_pod_is_null(api: Api) -> None:
    assert ask(api, '{ pod(input: {podId: "x"}) { id } }') == {"data": {"pod": None}}


def test_stop_resume_and_terminate(api: Api, runpod: RunpodServer, clock: FakeClock) -> None:
    pod_id = deploy(api)["data"]["podFindAndDeployOnDemand"]["id"]
    clock.advance(5.0)

    def act(head: str, more: str = "") -> dict[str, Any]:
        selection = "" if head == "podTerminate" else "{ id desiredStatus }"
        return ask(api, f'mutation {{ {head}(input: {{podId: "{pod_id}"{more}}}) {selection} }}')

    assert act("podStop")["data"]["podStop"]["desiredStatus"] == "EXITED"
    assert act("podResume", ", gpuCount: 1")["data"]["podResume"]["desiredStatus"] == "RUNNING"
    assert act("podTerminate") == {"data": {"podTerminate": None}}
    assert runpod.bill().live == ()
    assert act("podTerminate")["errors"][0]["message"] == "pod not found to terminate"


def test_a_terminate_may_be_scripted_to_find_nothing(api: Api, runpod: RunpodServer) -> None:
    pod_id = deploy(api)["data"]["podFindAndDeployOnDemand"]["id"]
    detail = "pod not found to terminate"
    runpod.fault("POST /graphql podTerminate", "graphql_error", detail=detail)
    query = f'mutation {{ podTerminate(input: {{podId: "{pod_id}"}}) }}'
    assert refused(api, query, "podTerminate") == detail
    assert runpod.bill().live == (pod_id,)


@pytest.mark.parametrize("on", ["POST /graphql", "POST /graphql myself"])
def test_the_transport_may_fail_under_graphql_too(api: Api, runpod: RunpodServer, on: str) -> None:
    runpod.fault(on, "bad_gateway")
    answer = api("POST", "/graphql", json={"query": "{ myself { id } }"})
    assert (answer.status_code, answer.headers["Content-Type"][:9]) == (502, "text/html")


def test_a_deploy_may_be_done_although_its_answer_is_an_error(
    api: Api, runpod: RunpodServer
) -> None:
    runpod.fault("POST /graphql podFindAndDeployOnDemand", "error_but_created")
    ask(api, DEPLOY % "", status=500)
    assert len(runpod.bill().live) == 1


def test_the_balance_is_here_and_the_spend(api: Api, clock: FakeClock) -> None:
    deploy(api)
    clock.advance(3600.0)
    myself = ask(api, "query { myself { clientBalance currentSpendPerHr } }")["data"]["myself"]
    assert myself["clientBalance"] == pytest.approx(24.56 - 10 * 0.10 / 730)
    assert myself["currentSpendPerHr"] == pytest.approx(0.44 + 10 * 0.10 / 730)


def test_the_model_repository_is_gated(api: Api, runpod: RunpodServer) -> None:
    query = "query myModels { myModels { owner name status } }"
    message = "Model Repo feature is not enabled for this user"
    assert refused(api, query, "myModels") == message
    runpod.quirk(models=[{"owner": "me", "name": "m", "status": "READY", "id": "1"}])
    models = ask(api, query)["data"]["myModels"]
    assert models == [{"owner": "me", "name": "m", "status": "READY"}]


def test_retired_graphql_is_a_410(api: Api, runpod: RunpodServer) -> None:
    runpod.quirk(graphql_retired=True)
    assert "retired" in ask(api, "{ myself { id } }", status=410)["detail"]


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{ myself {", "GRAPHQL_PARSE_FAILED"),
        ("{ myself { wages } }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ podCreate { id } }", "GRAPHQL_VALIDATION_FAILED"),
    ],
)
def test_a_query_that_is_wrong_is_a_400(api: Api, query: str, code: str) -> None:
    assert ask(api, query, status=400)["errors"][0]["extensions"]["code"] == code


def test_a_body_without_a_query_is_a_400(api: Api) -> None:
    assert api("POST", "/graphql", data=b"{}").status_code == 400
