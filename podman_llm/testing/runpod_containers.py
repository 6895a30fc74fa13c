"""What runs inside the pods: one vLLM-shaped server on a loopback port of its own for each.

By default it runs in this process, as soon as the pod is said to serve: quick, and the guard in
front of it is made up (``runpod_logs``). ``runpod_process`` runs the real thing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from podman_llm.testing.openai_config import OpenAIDoubleConfig
from podman_llm.testing.openai_server import OpenAIDouble
from podman_llm.testing.runpod_pod import RentedPod
from podman_llm.testing.server_thread import Startable

_DEFAULT_PORT = 8000
_DEFAULT_CONTEXT = 32_768


class Container(Startable, Protocol):
    """A server that may be stopped, as SIGTERM does, or killed, as the host does."""

    async def kill(self) -> None:
        """End at once; connections break."""


@dataclass(frozen=True)
class Serving:
    """What a pod's command line and environment ask the server for."""

    model: str
    names: tuple[str, ...]
    max_model_len: int
    port: int
    key_sha256: str
    tool_parser: bool


ContainerFactory = Callable[[RentedPod], Container]


def vllm_double(*, tokens_per_second: float = 0.0) -> ContainerFactory:
    """Containers that are the vLLM double; 0 is as fast as the machine goes."""

    def make(pod: RentedPod) -> Container:
        serving = read_serving(pod)
        return OpenAIDouble(
            OpenAIDoubleConfig(
                served_names=serving.names,
                max_model_len=serving.max_model_len,
                tokens_per_second=tokens_per_second,
                api_key_sha256=serving.key_sha256,
                tool_parser=serving.tool_parser,
                model_root=serving.model,
            )
        )

    return make


def read_serving(pod: RentedPod) -> Serving:
    """What a pod's command and environment ask for."""
    return serving_of(pod.settings.cmd, pod.settings.env.get("PLLM_KEY_SHA256", ""))


def serving_of(command: Sequence[str], key_sha256: str) -> Serving:
    """Read ``vllm serve MODEL --served-model-name A B --max-model-len N --port P``.

    ``vllm serve`` may be the image's entrypoint instead, and the model an option, as with older
    images.
    """
    command = list(command)
    arguments = command[command.index("serve") + 1 :] if "serve" in command else command
    positional = arguments[0] if arguments and not arguments[0].startswith("--") else "model"
    model = (option(arguments, "--model") or [positional])[0]
    return Serving(
        model=model,
        names=tuple(option(arguments, "--served-model-name") or [model]),
        max_model_len=_number(arguments, "--max-model-len", _DEFAULT_CONTEXT),
        port=_number(arguments, "--port", _DEFAULT_PORT),
        key_sha256=key_sha256,
        tool_parser="--enable-auto-tool-choice" in arguments,
    )


def option(arguments: Sequence[str], name: str) -> list[str]:
    """The values after ``--name``, up to the next option, or the one in ``--name=value``."""
    for index, argument in enumerate(arguments):
        if argument.startswith(f"{name}="):
            return [argument.partition("=")[2]]
        if argument == name:
            rest = arguments[index + 1 :]
            ends = (at for at, value in enumerate(rest) if value.startswith("--"))
            return list(rest[: next(ends, len(rest))])
    return []


def _number(arguments: Sequence[str], name: str, default: int) -> int:
    given = option(arguments, name)
    return int(given[0]) if given and given[0].isdigit() else default


class Containers:
    """The servers that run now, kept in step with the pods that should have one.

    ``load_themselves`` starts them with their container; otherwise they start when loaded.
    """

    def __init__(self, make: ContainerFactory, *, load_themselves: bool = False) -> None:
        self._make = make
        self._load_themselves = load_themselves
        self._running: dict[str, tuple[float, Container]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._lock = asyncio.Lock()

    def server(self, pod_id: str) -> Container | None:
        """The pod's server, None while none listens."""
        held = self._running.get(pod_id)
        return held[1] if held else None

    async def reconcile(self, pods: Iterable[RentedPod], now: float) -> None:
        """Start what should serve, end what should not; a restarted container is another one."""
        async with self._lock:
            wanted = {pod.id: pod for pod in pods if self._is_due(pod, now)}
            for pod_id, (since, container) in list(self._running.items()):
                if pod_id not in wanted or wanted[pod_id].container_since != since:
                    del self._running[pod_id]
                    self._end(container)
            for pod_id in wanted.keys() - self._running.keys():
                await self._begin(wanted[pod_id])

    async def kill(self, pod_id: str) -> None:
        """End the pod's server at once, if it has one."""
        held = self._running.pop(pod_id, None)
        if held:
            await held[1].kill()

    async def stop(self) -> None:
        """End all."""
        for _, container in self._running.values():
            await container.kill()
        self._running.clear()
        await asyncio.gather(*self._ending)

    def _is_due(self, pod: RentedPod, now: float) -> bool:
        return pod.has_container() if self._load_themselves else pod.serves(now)

    async def _begin(self, pod: RentedPod) -> None:
        container = self._make(pod)
        await container.start()
        self._running[pod.id] = (pod.container_since or 0.0, container)

    def _end(self, container: Container) -> None:
        # In the background: a server that finishes its streams must not hold up the API's answer.
        task = asyncio.create_task(container.stop())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
