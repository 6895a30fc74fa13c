from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from podman_llm.core.sight import PodStatus
from podman_llm.providers.base import CreateRequest
from podman_llm.providers.runpod import api
from podman_llm.providers.runpod.api import Malformed
from tests.contracts.provider import request_for
from tests.providers.runpod.conftest import pod_document

TEMPLATE = "https://{pod_id}-{port}.proxy.runpod.net"


def seen(**changes: Any) -> Any:
    return api.pod_sight(pod_document(**changes), TEMPLATE)


def test_a_pod_is_read_as_published() -> None:
    sight = seen()
    assert sight.pod_id == "pod1"
    assert sight.status is PodStatus.RUNNING
    assert sight.cost_per_hour == 0.79
    assert sight.created_at == 1795204800.0
    assert sight.started_at == 1795204860.5
    assert sight.uptime == 42
    assert sight.endpoint == "https://pod1-8000.proxy.runpod.net"
    assert (sight.gpu_id, sight.gpu_count) == ("NVIDIA L40S", 2)
    assert (sight.cloud, sight.data_center_id) == ("SECURE", "EU-RO-1")
    assert sight.env == {"PLLM_OWNER": "abc234"}


def test_only_id_name_and_status_are_needed() -> None:
    sight = api.pod_sight({"id": "p", "name": "n", "status": "PROVISIONING"}, TEMPLATE)
    assert sight.gpu_count == 0
    assert sight.env == {}
    unknown = (sight.cost_per_hour, sight.created_at, sight.uptime, sight.endpoint, sight.gpu_id)
    assert unknown == (None,) * 5


@pytest.mark.parametrize("key", ["id", "name", "status"])
@pytest.mark.parametrize("value", [None, "", 7])
def test_a_pod_that_cannot_be_told_apart_is_malformed(key: str, value: object) -> None:
    with pytest.raises(Malformed, match=key):
        seen(**{key: value})


@pytest.mark.parametrize("document", [None, [], "pod", 7])
def test_what_is_no_pod_is_malformed(document: object) -> None:
    with pytest.raises(Malformed):
        api.pod_sight(document, TEMPLATE)


@pytest.mark.parametrize(
    ("change", "attribute", "expected"),
    [
        ({"runtime": None}, "uptime", None),
        ({"runtime": {}}, "uptime", None),
        ({"cost": 0.0}, "cost_per_hour", 0.0),
        ({"cost": None}, "cost_per_hour", None),
        ({"cost": "0.35"}, "cost_per_hour", 0.35),
        ({"cost": "free"}, "cost_per_hour", None),
        ({"cost": True}, "cost_per_hour", None),
        ({"cost": -1}, "cost_per_hour", None),
        ({"startedAt": None}, "started_at", None),
        ({"createdAt": "yesterday"}, "created_at", None),
        ({"createdAt": "2026-11-20T20:00:00"}, "created_at", None),
        ({"createdAt": "2026-11-20T20:00:00.123456789Z"}, "created_at", 1795204800.123456),
        ({"gpu": None}, "gpu_count", 0),
        ({"gpu": {"id": "NVIDIA L40S"}}, "gpu_count", 1),
        ({"gpu": {"id": "NVIDIA L40S", "count": 0}}, "gpu_count", 0),
        ({"ports": ["22/tcp"]}, "endpoint", None),
        ({"ports": None}, "endpoint", None),
        ({"env": None}, "env", {}),
        ({"env": {"A": 1}}, "env", {"A": "1"}),
        ({"status": "RESTARTING"}, "status", PodStatus.STARTING),
        ({"status": "EXITED"}, "status", PodStatus.EXITED),
    ],
)
def test_what_may_be_missing_or_odd_is_taken_as_it_comes(
    change: dict[str, Any], attribute: str, expected: object
) -> None:
    assert getattr(seen(**change), attribute) == expected


def test_a_page_says_whether_there_is_another() -> None:
    more = {"pods": [pod_document()], "pagination": {"hasNextPage": True, "nextCursor": "abc"}}
    assert api.page(more, TEMPLATE, first=True).cursor == "abc"
    last = {"pods": [], "pagination": {"hasNextPage": False, "nextCursor": "abc"}}
    assert api.page(last, TEMPLATE, first=False).cursor is None


def test_the_published_list_without_pagination_is_whole_unless_a_cursor_was_used() -> None:
    assert api.page({"pods": []}, TEMPLATE, first=True).cursor is None
    with pytest.raises(Malformed, match="pagination"):
        api.page({"pods": []}, TEMPLATE, first=False)


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        {},
        {"pods": None},
        {"pods": {}},
        {"pods": [None]},
        {"pods": [{"id": "x"}]},
        {"pods": [], "pagination": None},
        {"pods": [], "pagination": {}},
        {"pods": [], "pagination": {"hasNextPage": "false"}},
        {"pods": [], "pagination": {"hasNextPage": True, "nextCursor": None}},
        {"pods": [], "pagination": {"hasNextPage": True, "nextCursor": ""}},
    ],
)
def test_a_list_that_may_lack_pods_is_malformed(document: object) -> None:
    with pytest.raises(Malformed):
        api.page(document, TEMPLATE, first=True)


GPU = {
    "id": "NVIDIA L40S",
    "name": "L40S",
    "pool": None,
    "manufacturer": "NVIDIA",
    "memory": 48,
    "secure": True,
    "community": True,
    "price": {"secure": 0.79, "community": 0.6},
    "maxCount": {"secure": 8, "community": 4},
    "availability": "HIGH",
    "dataCenters": [{"id": "EU-RO-1", "name": "EU-RO-1", "availability": "LOW"}],
    "cudaVersions": [{"version": "12.8", "available": True}, {"version": "12.4"}],
}


def offer(**changes: Any) -> Any:
    (only,) = api.gpu_offers({"gpus": [GPU | changes]})
    return only


def test_an_offer_is_read_as_published() -> None:
    seen = offer()
    assert (seen.gpu_id, seen.name, seen.vram_gb) == ("NVIDIA L40S", "L40S", 48)
    assert (seen.secure_price, seen.community_price) == (0.79, 0.6)
    assert (seen.max_count_secure, seen.max_count_community) == (8, 4)
    assert [(c.data_center_id, c.availability) for c in seen.data_centers] == [("EU-RO-1", "LOW")]
    assert seen.cuda_versions == ("12.8", "12.4")


def test_a_cloud_that_does_not_sell_it_has_no_price() -> None:
    assert offer(secure=False).secure_price is None
    assert offer(price={"secure": 0.0, "community": None}).secure_price is None
    assert offer(price={"secure": 0.0, "community": None}).community_price is None


def test_without_availability_nothing_is_in_stock() -> None:
    bare = {key: GPU[key] for key in GPU if key not in {"availability", "dataCenters"}}
    (seen,) = api.gpu_offers({"gpus": [bare]})
    assert (seen.availability, seen.data_centers) == ("NONE", ())


def test_an_offer_that_cannot_be_read_is_left_out() -> None:
    assert len(api.gpu_offers({"gpus": [GPU, {"id": "x"}, None, GPU | {"id": None}]})) == 1


@pytest.mark.parametrize("document", [None, {}, {"gpus": {}}])
def test_a_catalog_that_is_none_is_malformed(document: object) -> None:
    with pytest.raises(Malformed):
        api.gpu_offers(document)


def test_models_of_the_repository_are_those_a_pod_can_load() -> None:
    models = [
        {"owner": "Qwen", "name": "Qwen3-8B", "provider": "HUGGINGFACE"},
        {"owner": "me", "name": "upload", "provider": "LOCAL"},
        {"owner": None, "name": "broken"},
    ]
    (model,) = api.repository_models({"myModels": models})
    assert (model.hf_id, model.origin) == ("Qwen/Qwen3-8B", "repository")
    assert model.weights_gb == 0


# What is sent ----------------------------------------------------------------------------------


@pytest.fixture
def validator(recordings: Path) -> Any:
    """The published schema of a create; OpenAPI 3.1 schemas are JSON Schema 2020-12."""
    document: Any = json.loads((recordings / "runpod-openapi-v2.json").read_text())
    schema = {"$ref": "#/components/schemas/CreatePodRequest", "components": document["components"]}
    return jsonschema.Draft202012Validator(schema)


def requests() -> list[CreateRequest]:
    plain = request_for("pllm-abc234-tiny-1")
    place = replace(plain.candidate, data_center_id="EU-RO-1", cloud="COMMUNITY", gpu_count=4)
    full = replace(plain.spec, template_id="30zmvf89kd", network_volume_id="vol1")
    bare = replace(plain.spec, min_cuda=None)
    return [
        plain,
        replace(plain, candidate=place, spec=full),
        replace(plain, spec=bare, api_key_sha256=None),
    ]


@pytest.mark.parametrize("request_", requests())
def test_every_body_is_as_published(request_: CreateRequest, validator: Any) -> None:
    body = api.create_body(request_, ("python3", "-c", "boot"))
    # RunPod added these two to the API after it published the document that is recorded here.
    assert body.pop("entrypoint") == ["python3", "-c", "boot"]
    assert body.pop("cmd")[:2] == ["vllm", "serve"]
    validator.validate(body)
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(body | {"bogus": 1})


def test_disk_and_gpu_count_are_always_sent() -> None:
    body = api.create_body(request_for("a"), ())
    assert body["disk"] == 40
    assert body["gpu"] == {"id": "NVIDIA L40S", "count": 1, "minCudaVersion": "12.8"}


def test_the_command_is_told_how_many_gpus_this_candidate_has() -> None:
    request = request_for("a")
    four = replace(request, candidate=replace(request.candidate, gpu_count=4))
    assert api.create_body(four, ())["cmd"][-2:] == ["--tensor-parallel-size", "4"]


def test_the_environment_carries_the_hash_of_the_key_and_the_markers() -> None:
    request = request_for("a")
    env = api.create_body(request, ())["env"]
    assert env == {**request.env, "PLLM_KEY_SHA256": request.api_key_sha256}
    assert "PLLM_KEY_SHA256" not in request.env


def test_a_network_volume_keeps_the_weights() -> None:
    request = request_for("a")
    kept = replace(request, spec=replace(request.spec, network_volume_id="vol1"))
    body = api.create_body(kept, ())
    assert body["mounts"] == {"network": [{"volumeId": "vol1", "path": "/workspace"}]}
    assert body["env"]["HF_HOME"] == "/workspace/huggingface"
    elsewhere = replace(kept, env={"HF_HOME": "/workspace/mine"})
    assert api.create_body(elsewhere, ())["env"]["HF_HOME"] == "/workspace/mine"


def test_an_id_cannot_leave_its_place_in_the_path() -> None:
    assert api.pod_path("../templates/x?y") == "/v2/pods/..%2Ftemplates%2Fx%3Fy"
