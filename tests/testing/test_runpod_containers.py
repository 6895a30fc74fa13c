from __future__ import annotations

from typing import Any

import pytest

from podman_llm.testing.clock import FakeClock
from podman_llm.testing.openai_server import OpenAIDouble
from podman_llm.testing.runpod_containers import Containers, read_serving, vllm_double
from podman_llm.testing.runpod_order import read_order
from podman_llm.testing.runpod_pod import RentedPod
from podman_llm.testing.runpod_world import World


class Recorder:
    """A container that only remembers what became of it."""

    def __init__(self, pod: RentedPod) -> None:
        self.url = f"http://{pod.id}"
        self.life: list[str] = []

    async def start(self) -> None:
        self.life.append("started")

    async def stop(self) -> None:
        self.life.append("stopped")

    async def kill(self) -> None:
        self.life.append("killed")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["vllm", "serve", "org/m"], ("org/m", ("org/m",), 32768, 8000, False)),
        (["org/m", "--served-model-name", "a", "b"], ("org/m", ("a", "b"), 32768, 8000, False)),
        (["--model", "org/m", "--port=9000"], ("org/m", ("org/m",), 32768, 9000, False)),
        (
            ["vllm", "serve", "org/m", "--max-model-len", "4096", "--enable-auto-tool-choice"],
            ("org/m", ("org/m",), 4096, 8000, True),
        ),
        (["vllm", "serve", "m", "--port", "x"], ("m", ("m",), 32768, 8000, False)),
        ([], ("model", ("model",), 32768, 8000, False)),
    ],
)
def test_the_command_line_says_what_to_serve(
    world: World, order: dict[str, Any], command: list[str], expected: tuple[object, ...]
) -> None:
    serving = read_serving(world.rent(read_order(world, order | {"cmd": command})))
    assert expected == (
        serving.model,
        serving.names,
        serving.max_model_len,
        serving.port,
        serving.tool_parser,
    )


def test_the_key_check_comes_from_the_environment(world: World, order: dict[str, Any]) -> None:
    env = {"PLLM_KEY_SHA256": "ab" * 32}
    assert read_serving(world.rent(read_order(world, order | {"env": env}))).key_sha256 == "ab" * 32


def test_by_default_a_container_is_the_vllm_double(world: World, order: dict[str, Any]) -> None:
    env = {"PLLM_KEY_SHA256": "cd" * 32}
    pod = world.rent(read_order(world, order | {"env": env}))
    container = vllm_double(tokens_per_second=9.0)(pod)
    assert isinstance(container, OpenAIDouble)
    config = container.config
    assert (config.served_names, config.max_model_len) == (("one", "two"), 4096)
    assert (config.tokens_per_second, config.api_key_sha256) == (9.0, "cd" * 32)


async def test_containers_follow_their_pods(
    world: World, order: dict[str, Any], clock: FakeClock
) -> None:
    made: list[Recorder] = []

    def make(pod: RentedPod) -> Recorder:
        made.append(Recorder(pod))
        return made[-1]

    containers = Containers(make)
    pod = world.rent(read_order(world, order))

    async def catch_up(seconds: float) -> None:
        clock.advance(seconds)
        await containers.reconcile(world.rented.values(), world.settle())

    await catch_up(7.9)
    assert made == []
    await catch_up(0.1)
    assert containers.server(pod.id) is made[0]
    await containers.kill(pod.id)
    pod.restart_container(world.settle(), "killed")
    await catch_up(4.9)
    assert containers.server(pod.id) is None
    await catch_up(0.1)
    assert containers.server(pod.id) is made[1]
    world.act(pod, "terminate")
    await catch_up(0.0)
    await containers.stop()
    assert [container.life for container in made] == [["started", "killed"], ["started", "stopped"]]


async def test_a_restart_replaces_the_container(
    world: World, order: dict[str, Any], clock: FakeClock
) -> None:
    containers = Containers(Recorder)
    pod = world.rent(read_order(world, order))
    clock.advance(8.0)
    await containers.reconcile(world.rented.values(), world.settle())
    before = containers.server(pod.id)
    world.act(pod, "restart")
    clock.advance(5.0)
    await containers.reconcile(world.rented.values(), world.settle())
    await containers.stop()
    assert before is not None
    assert isinstance(before, Recorder)
    assert before.life == ["started", "stopped"]
