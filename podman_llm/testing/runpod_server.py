"""A made-up RunPod on loopback: REST v2, GraphQL, the per-pod proxy, pods that answer, a meter.

Point our own client at it with ``provider.api_base = url`` and ``provider.endpoint_template =
url + "/{pod_id}-{port}"``, and RunPod's SDKs with ``RUNPOD_API_BASE_URL``. It keeps everything in
memory: the account lives as long as the process.
"""

from __future__ import annotations

import asyncio
import ipaddress
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from podman_llm.errors import ConfigError
from podman_llm.host.clock import Clock, SystemClock
from podman_llm.testing.runpod_admin import AdminRoutes
from podman_llm.testing.runpod_billing import BillingRoutes
from podman_llm.testing.runpod_clock import WorldClock
from podman_llm.testing.runpod_containers import ContainerFactory, Containers, vllm_double
from podman_llm.testing.runpod_controls import Controls
from podman_llm.testing.runpod_edge import Edge
from podman_llm.testing.runpod_faults import Faults
from podman_llm.testing.runpod_gate import Gate, Quota
from podman_llm.testing.runpod_graphql import GraphqlRoutes
from podman_llm.testing.runpod_logs import LogRoutes
from podman_llm.testing.runpod_market import MarketRoutes
from podman_llm.testing.runpod_pod import Schedule
from podman_llm.testing.runpod_process import ProcessHost
from podman_llm.testing.runpod_rest import PodRoutes
from podman_llm.testing.runpod_world import World

_LARGEST_BODY = 64 * 1024 * 1024
_BEAT = 0.1  # seconds between two looks at what is due


@dataclass(frozen=True, kw_only=True)
class RunpodConfig:
    """The world to make up. The defaults have a pod serving about 5 seconds after the create.

    ``time_scale`` lets this world's clock run faster than ``clock``; ``schedule`` and ``balance``
    (USD) are in the world's own seconds and money. ``edge_patience`` is the real seconds of silence
    after which the per-pod proxy answers 524. ``requests_per_minute`` is generous because polling
    in a test is quick; RunPod's documented figure is 60. ``real_containers`` runs each pod's
    entrypoint as a process of this machine (``runpod_process``) instead of ``container``; it needs
    a ``clock`` that is the machine's own.
    """

    host: str = "127.0.0.1"
    port: int = 0
    api_key: str = "rpa_double"
    clock: Clock = field(default_factory=SystemClock)
    time_scale: float = 1.0
    schedule: Schedule = field(default_factory=Schedule)
    balance: float = 25.0
    requests_per_minute: int = 6000
    edge_patience: float = 100.0
    container: ContainerFactory = field(default_factory=vllm_double)
    real_containers: bool = False


class RunpodServer(Controls):
    """The server, which is also its own remote control.

    Raises:
        ConfigError: the host is not loopback. Its keys and pods are made up, but what it forwards
            to is real, and nobody else's business.
    """

    def __init__(self, config: RunpodConfig | None = None) -> None:
        self.config = config or RunpodConfig()
        if not _is_loopback(self.config.host):
            raise ConfigError(
                f"the RunPod double listens on loopback only, not on {self.config.host}",
                hint="Use 127.0.0.1.",
            )
        clock = WorldClock(self.config.clock, scale=self.config.time_scale)
        world = World(clock, schedule=self.config.schedule, credit=self.config.balance)
        self._host = ProcessHost(clock, world.settle, load_seconds=self.config.schedule.load)
        self._keeper: asyncio.Task[None] | None = None
        super().__init__(world, self._make_containers(), Faults())
        self._edge = Edge(world, self._containers, patience=self.config.edge_patience)
        self._gate = Gate(
            world,
            self._containers,
            self._faults,
            api_key=self.config.api_key,
            quota=Quota(self.config.requests_per_minute),
        )
        self._runner: web.AppRunner | None = None
        self.url = ""

    @property
    def requests(self) -> tuple[str, ...]:
        """What came in so far, as ``METHOD /path``; the admin routes are left out."""
        return tuple(self._gate.requests)

    async def start(self) -> None:
        """Listen."""
        self._loop = asyncio.get_running_loop()
        await self._edge.open()
        # A handler whose client has left must not go on: a faulty one would wait for ever.
        self._runner = web.AppRunner(
            self._application(), handler_cancellation=True, shutdown_timeout=0.2, access_log=None
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, self.config.host, self.config.port).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
        if self.config.real_containers:
            self._host.open(self.url)
            self._keeper = asyncio.create_task(self._keep_up())

    async def stop(self) -> None:
        """Close everything; what was rented is forgotten with the object."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()
        await self._edge.close()
        await self._containers.stop()
        self._host.close()
        self._loop = None

    def _make_containers(self) -> Containers:
        if self.config.real_containers:
            return Containers(self._host.make, load_themselves=True)
        return Containers(self.config.container)

    async def _keep_up(self) -> None:
        """Containers that really run wait for no visitor to look at them."""
        while True:
            self._host.tell_time()
            await self._gate.catch_up()
            await asyncio.sleep(_BEAT)

    def _application(self) -> web.Application:
        application = web.Application(
            middlewares=[self._gate.middleware], client_max_size=_LARGEST_BODY
        )
        for routes in (
            PodRoutes(self._world),
            LogRoutes(self._world),
            MarketRoutes(),
            BillingRoutes(self._world),
            GraphqlRoutes(self._world, self._faults),
            AdminRoutes(self, self._gate.requests),
            self._edge,
        ):
            routes.add_to(application.router)
        return application


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def run(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    api_key: str = "rpa_double",
    boot_seconds: float = 3.0,
    load_seconds: float = 2.0,
    tokens_per_second: float = 60.0,
    real_containers: bool = False,
    announce: Path | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> None:
    """Serve until SIGTERM or SIGINT. ``boot_seconds`` is from the create to RUNNING.

    The URL is written to ``announce`` once it answers, whole or not at all; ``tell`` is for people.
    """
    config = RunpodConfig(
        host=host,
        port=port,
        api_key=api_key,
        schedule=Schedule(
            provision=boot_seconds / 3, start=boot_seconds * 2 / 3, load=load_seconds
        ),
        container=vllm_double(tokens_per_second=tokens_per_second),
        real_containers=real_containers,
    )
    asyncio.run(_serve(RunpodServer(config), announce, tell))


async def _serve(server: RunpodServer, announce: Path | None, tell: Callable[[str], None]) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await server.start()
    try:
        if announce is not None:
            draft = announce.with_name(announce.name + ".new")
            draft.write_text(f"{server.url}\n", encoding="utf-8")
            draft.replace(announce)
        tell(f"ready at {server.url}: `provider.api_base` is that, and")
        tell(f"`provider.endpoint_template` is {server.url}/{{pod_id}}-{{port}}")
        await ended.wait()
    finally:
        await server.stop()
