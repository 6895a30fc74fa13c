from __future__ import annotations

from typing import Any

import pytest

from podman_llm.testing.runpod_order import read_order, update
from podman_llm.testing.runpod_problem import Problem
from podman_llm.testing.runpod_world import World

PERSISTENT = {"persistent": {"size": 20, "path": "/workspace"}}
NETWORK = {"network": [{"volumeId": "vol0weights", "path": "/workspace"}]}


@pytest.mark.parametrize(
    ("changes", "status", "detail"),
    [
        ({"gpu": None}, 422, "validation"),
        ({"cpu": {"id": "cpu3c", "vcpuCount": 2}}, 400, "exactly one of 'gpu' or 'cpu'"),
        ({"mounts": PERSISTENT | NETWORK}, 400, "mutually exclusive"),
        ({"mounts": {"network": [{"volumeId": "no", "path": "/w"}]}}, 400, "volume not found"),
        ({"registry": "no"}, 404, "registry credential not found"),
        ({"templateId": "no"}, 404, "template not found"),
        ({"templateId": "vllm0queue"}, 422, "validation"),
        ({"ports": ["53/udp"]}, 400, "port/http or port/tcp"),
        ({"ports": [f"{8000 + n}/http" for n in range(11)]}, 400, "at most 10 http ports"),
        ({"env": {f"E{n}": "v" for n in range(51)}}, 400, "at most 50 environment variables"),
        ({"gpu": {"id": "NVIDIA L5", "count": 1}}, 400, "invalid GPU type id"),
        ({"args": "vllm serve other"}, 400, "disagree"),
        (
            {
                "gpu": {
                    "id": "NVIDIA L4",
                    "allowedCudaVersions": ["12.8"],
                    "minCudaVersion": "12.8",
                }
            },
            400,
            "mutually exclusive",
        ),
    ],
)
def test_what_breaks_a_rule_is_refused(
    world: World, order: dict[str, Any], changes: dict[str, Any], status: int, detail: str
) -> None:
    with pytest.raises(Problem, match=detail) as refusal:
        read_order(world, order | changes)
    assert refusal.value.status == status


@pytest.mark.parametrize(
    ("cpu", "mounts", "detail"),
    [
        ({"id": "cpu9z", "vcpuCount": 2}, {}, "invalid CPU flavor id"),
        ({"id": "cpu3c", "vcpuCount": 3}, {}, "power of two"),
        ({"id": "cpu3c", "vcpuCount": 2}, PERSISTENT, "not supported on CPU pods"),
    ],
)
def test_cpu_pods_have_rules_of_their_own(
    world: World, cpu: dict[str, Any], mounts: dict[str, Any], detail: str
) -> None:
    body = {"name": "n", "image": "i", "cpu": cpu, "mounts": mounts}
    with pytest.raises(Problem, match=detail):
        read_order(world, body)


def test_neither_gpu_nor_cpu_is_refused(world: World) -> None:
    with pytest.raises(Problem, match="exactly one"):
        read_order(world, {"name": "n", "image": "i"})


def test_exec_form_is_stored_inside_args(world: World, order: dict[str, Any]) -> None:
    settings = read_order(world, order).settings
    assert settings.entrypoint == ("python3", "-c", "BOOT")
    assert settings.args.startswith('{"entrypoint": ["python3", "-c", "BOOT"], "cmd": ["vllm"')


def test_both_forms_are_accepted_when_they_agree(world: World) -> None:
    body = {"name": "n", "image": "i", "gpu": {"id": "NVIDIA L4", "count": 1}}
    settings = read_order(world, body | {"args": "serve 'a b'", "cmd": ["serve", "a b"]}).settings
    assert settings.cmd == ("serve", "a b")


def test_an_explicit_empty_cuda_list_may_accompany_a_floor(
    world: World, order: dict[str, Any]
) -> None:
    gpu = {"id": "NVIDIA L4", "allowedCudaVersions": [], "minCudaVersion": "12.8"}
    wish = read_order(world, order | {"gpu": gpu}).wish
    assert wish is not None
    assert wish.cuda() == "13.0"


def test_a_template_gives_what_the_body_does_not_and_env_is_merged(world: World) -> None:
    body = {"name": "n", "templateId": "vllm0pod01", "gpu": {"id": "NVIDIA L4", "count": 1}}
    order = read_order(world, body | {"env": {"A": "b"}})
    assert order.templated
    assert order.settings.image == "vllm/vllm-openai:v0.32.0"
    assert order.settings.env == {"HF_HUB_DISABLE_TELEMETRY": "1", "A": "b"}
    assert order.settings.name == "n"


def test_an_update_changes_only_what_it_names(world: World, order: dict[str, Any]) -> None:
    pod = world.rent(read_order(world, order))
    update(world, pod, {"name": "other", "env": {"B": "c"}, "locked": True})
    assert (pod.settings.name, pod.settings.env, pod.locked) == ("other", {"B": "c"}, True)
    assert pod.settings.ports == order["ports"]
    with pytest.raises(Problem, match="validation"):
        update(world, pod, {"gpu": {"id": "NVIDIA L4"}})


def test_an_update_may_not_bring_another_kind_of_mount(world: World, order: dict[str, Any]) -> None:
    pod = world.rent(read_order(world, order | {"mounts": PERSISTENT}))
    refused: tuple[dict[str, Any], ...] = (NETWORK, {"network": []})
    for mounts in refused:
        with pytest.raises(Problem, match="fixed when the pod is created"):
            update(world, pod, {"mounts": mounts})
    update(world, pod, {"mounts": {}})
    assert pod.settings.mounts == PERSISTENT
