from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jsonschema
import pytest

from podman_llm.testing.runpod_schema import ACTION, UPDATE, create_errors, errors_in

Check = Callable[[str, Any], None]

GOOD: dict[str, Any] = {"name": "n", "image": "i", "gpu": {"id": "NVIDIA L4", "count": 1}}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (GOOD | {"bogus": 1}, "$: additional properties 'bogus' not allowed"),
        (GOOD | {"a": 1, "b": 2}, "$: additional properties 'a', 'b' not allowed"),
        (GOOD | {"terminateAfter": "x"}, "$: additional properties 'terminateAfter' not allowed"),
        ({"image": "i"}, "$: missing property 'name'"),
        ({"name": "n"}, "$: missing property 'image'"),
        (GOOD | {"name": ""}, "$.name: minLength: got 0, want 1"),
        (GOOD | {"disk": 0}, "$.disk: minimum: got 0, want 1"),
        (GOOD | {"disk": 10.5}, "$.disk: got number, want integer"),
        (GOOD | {"disk": True}, "$.disk: got boolean, want integer"),
        (GOOD | {"env": {"A": 1}}, "$.env.A: got integer, want string"),
        (GOOD | {"ports": "8000/http"}, "$.ports: got string, want array"),
        (GOOD | {"ports": [8000]}, "$.ports[0]: got integer, want string"),
        (GOOD | {"registry": 1}, "$.registry: got integer, want string or null"),
        (GOOD | {"cloud": "ALL"}, "$.cloud: value must be one of 'SECURE', 'COMMUNITY'"),
        (GOOD | {"gpu": {}}, "$.gpu: missing property 'id'"),
        (GOOD | {"gpu": {"id": "x", "count": 0}}, "$.gpu.count: minimum: got 0, want 1"),
        (
            GOOD | {"gpu": {"id": "x", "minCudaVersion": "12"}},
            r"$.gpu.minCudaVersion: '12' does not match pattern '^\d+\.\d+$'",
        ),
        (
            GOOD | {"mounts": {"persistent": {"size": 9, "path": "/w"}}},
            "$.mounts.persistent.size: minimum: got 9, want 10",
        ),
        (
            GOOD | {"mounts": {"network": [{}]}},
            "$.mounts.network[0]: missing properties 'volumeId', 'path'",
        ),
        (
            GOOD | {"mounts": {"network": [{"volumeId": "v", "path": "/w"}] * 2}},
            "$.mounts.network: maxItems: got 2, want 1",
        ),
        ([], "$: got array, want object"),
    ],
)
def test_a_wrong_body_is_told_in_runpods_words(body: Any, error: str, published: Check) -> None:
    assert error in create_errors(body)
    with pytest.raises(jsonschema.ValidationError):
        published("CreatePodRequest", body)


@pytest.mark.parametrize(
    "body",
    [
        GOOD,
        {"name": "n", "templateId": "t", "cpu": {"id": "cpu3c", "vcpuCount": 2}},
        GOOD | {"disk": 60.0, "env": {}, "registry": None, "args": "", "startSsh": True},
        GOOD | {"mounts": {"persistent": {"size": 10, "path": "/w"}}, "dataCenterIds": []},
        GOOD | {"gpu": {"id": "x", "allowedCudaVersions": ["12.8"], "minCudaVersion": "12.1"}},
    ],
)
def test_what_the_published_schema_accepts_is_accepted(body: Any, published: Check) -> None:
    published("CreatePodRequest", body)
    assert create_errors(body) == []


def test_fields_newer_than_the_published_document_are_accepted() -> None:
    gpu = {"id": "x", "minRamPerGpu": 16, "minVcpuCountPerGpu": 4}
    assert create_errors(GOOD | {"entrypoint": ["a"], "cmd": ["b"], "gpu": gpu}) == []


def test_a_missing_name_makes_innocent_pod_fields_look_unknown() -> None:
    body = {"image": "i", "cloud": "SECURE", "gpu": {"id": "x"}}
    assert create_errors(body) == [
        "$: missing property 'name'",
        "$: additional properties 'cloud', 'gpu' not allowed",
    ]


def test_updates_and_actions_have_schemas_of_their_own(published: Check) -> None:
    assert list(errors_in({"locked": True, "name": "x"}, UPDATE)) == []
    assert list(errors_in({"gpu": {"id": "x"}}, UPDATE)) == [
        "$: additional properties 'gpu' not allowed"
    ]
    assert list(errors_in({"action": "reset"}, ACTION)) == [
        "$.action: value must be one of 'start', 'stop', 'restart', 'terminate'"
    ]
    with pytest.raises(jsonschema.ValidationError):
        published("PodActionRequest", {"action": "reset"})
