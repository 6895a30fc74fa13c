"""A proxy between a vLLM double as the pod and others as the services that answer in its place."""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
from aiohttp import web

from podman_llm.cache.memory import MemoryCache
from podman_llm.config.models import BackendSettings, Settings
from podman_llm.host.clock import SystemClock
from podman_llm.proxy.activity import Activity
from podman_llm.proxy.app import build_app
from podman_llm.proxy.backends import Backend, backend_of
from podman_llm.proxy.demands import Demands
from podman_llm.proxy.orders import Orders
from podman_llm.proxy.server import serve
from podman_llm.proxy.targets import FixedTarget, Target
from podman_llm.state.activity import summarise
from podman_llm.testing.bedrock_server import BedrockDouble, BedrockDoubleConfig
from podman_llm.testing.clock import FakeClock
from podman_llm.testing.openai_config import OpenAIDoubleConfig
from podman_llm.testing.openai_faults import Fault, FaultKind
from podman_llm.testing.openai_server import OpenAIDouble
from podman_llm.upstreams.aws_access import open_aws
from podman_llm.upstreams.openai import OpenAIUpstream
from tests.proxy.rig import CHAT, StaticTargets

POD_MODEL = "pod-model"
CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
BOOTING: dict[str, Any] = {
    "url": None,
    "pod_state": "BOOTING",
    "message": "The pod is BOOTING (model not answering yet), 41 s so far; try again in 5 s.",
    "is_coming": True,
}
ASK = {
    "model": "podman-llm",
    "messages": [{"role": "user", "content": "hi"}],
    "max_tokens": 30,
}


@dataclass(frozen=True)
class Said:
    """An answer, read as far as it went."""

    status: int
    headers: Any
    body: bytes
    is_aborted: bool

    @property
    def document(self) -> Any:
        """The JSON body."""
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The message of an error."""
        return str(self.document["error"]["message"])

    @property
    def models(self) -> set[str]:
        """Who made the content: the ``model`` of the document or of each event."""
        if not self.body.startswith((b"data:", b":")):
            return {self.document["model"]}
        events = [event for event in self.body.split(b"\n\n") if event.startswith(b"data: {")]
        return {json.loads(event[6:])["model"] for event in events}

    @property
    def is_whole(self) -> bool:
        """Whether it ended as an answer ends."""
        if self.body.startswith((b"data:", b":")):
            return not self.is_aborted and self.body.endswith(b"data: [DONE]\n\n")
        return self.status == 200 and not self.is_aborted


@dataclass
class House:
    """The proxy under test, the pod, and the services by name.

    ``answered`` are the heads of the proxy's answers, in order.
    """

    url: str
    pod: OpenAIDouble
    services: dict[str, OpenAIDouble]
    clock: FakeClock
    activity: Activity
    session: aiohttp.ClientSession
    targets: StaticTargets
    answered: list[web.StreamResponse]
    fresh: itertools.count[int] = field(default_factory=itertools.count)
    _bedrock: BedrockDouble | None = None

    @property
    def bedrock(self) -> BedrockDouble:
        """Bedrock, where the house has one."""
        assert self._bedrock
        return self._bedrock

    def set_target(self, **changes: Any) -> None:
        """Let the pod be in another state."""
        self.targets.target = replace(self.targets.target, **changes)

    async def ask(
        self, *, stream: bool = False, path: str = CHAT, headers: Any = None, **more: Any
    ) -> Said:
        """A question that was not asked before, unless ``seed`` is given."""
        body: dict[str, Any] = {**ASK, "seed": next(self.fresh), "stream": stream, **more}
        return await self.post(body, path=path, headers=headers)

    async def post(self, body: Any, *, path: str = CHAT, headers: Any = None) -> Said:
        """One request, read as far as its answer goes."""
        pieces, is_aborted = [], False
        async with self.session.post(self.url + path, json=body, headers=headers) as response:
            try:
                async for piece in response.content.iter_any():
                    pieces.append(piece)  # noqa: PERF401 - what came before a failure counts
            except (aiohttp.ClientError, ConnectionError):
                is_aborted = True
        return Said(response.status, response.headers, b"".join(pieces), is_aborted)

    async def overrule(self, name: str, action: str) -> None:
        """Open or close a circuit by hand."""
        async with self.session.post(f"{self.url}/admin/breaker/{name}/{action}") as response:
            assert response.status == 200

    def break_pod(self, kind: FaultKind, **more: Any) -> None:
        """Order a fault for the next question to the pod."""
        self.pod.add_fault(Fault(kind, **more))


@asynccontextmanager
async def house(
    *names: str,
    routing: dict[str, Any] | None = None,
    backend: dict[str, Any] | None = None,
    settings: dict[str, Any] | None = None,
    pod: dict[str, Any] | None = None,
    service: dict[str, Any] | None = None,
    idle_timeout: float = 30,
    orders: Orders | None = None,
    bedrock: dict[str, Any] | None = None,
) -> AsyncIterator[House]:
    """``names`` are the services; ``backend`` are further settings of each.

    ``pod`` and ``service`` say what kinds of servers they are. ``bedrock``, the further settings of
    one, puts Bedrock before them.
    """
    async with AsyncExitStack() as stack:
        server = await _double(stack, POD_MODEL, "podman-llm", **(pod or {}))
        services = {
            name: await _double(stack, f"{name}-model", **(service or {})) for name in names
        }
        backends = [
            {"name": name, "models": {"*": f"{name}-model"}, "base_url": double.url}
            | (backend or {})
            for name, double in services.items()
        ]
        amazon = None if bedrock is None else await _bedrock(stack)
        if amazon:
            made_up = {"kind": "bedrock", "region": amazon.config.region, "base_url": amazon.url}
            own = {"name": "bedrock", "models": {"*": CLAUDE}, **made_up, **(bedrock or {})}
            backends.insert(0, own)
        told = {"fallback": {"backends": backends}, "routing": routing or {}} | (settings or {})
        clock = FakeClock()
        activity = Activity(slot=0, pid=1, clock=clock)
        targets = StaticTargets(_ready(server))
        app = _app(Settings.model_validate(told), targets, activity, clock, idle_timeout, orders)
        answered: list[web.StreamResponse] = []
        app.on_response_prepare.append(_noting(answered))
        sock = socket.create_server(("127.0.0.1", 0))
        stop = asyncio.Event()
        serving = asyncio.create_task(serve(app, sock, drain_seconds=0.1, stop=stop))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        try:
            yield House(
                url, server, services, clock, activity, session, targets, answered, _bedrock=amazon
            )
        finally:
            stop.set()
            await serving


async def _double(stack: AsyncExitStack, *names: str, **config: Any) -> OpenAIDouble:
    double = OpenAIDouble(OpenAIDoubleConfig(served_names=names, **config))
    await double.start()
    stack.push_async_callback(double.stop)
    return double


async def _bedrock(stack: AsyncExitStack) -> BedrockDouble:
    double = BedrockDouble()
    await double.start()
    stack.push_async_callback(double.stop)
    return double


def _noting(
    answered: list[web.StreamResponse],
) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    async def note(_request: web.Request, response: web.StreamResponse) -> None:
        answered.append(response)

    return note


def _ready(pod: OpenAIDouble) -> Target:
    fixed = FixedTarget(pod.url).snapshot()
    return replace(fixed, served_by="pod/abc", pod_state="READY", model_tag="weights")


def _backend(service: BackendSettings, settings: Settings, shared: OpenAIUpstream) -> Backend:
    if not service.is_aws:
        return backend_of(service, shared, api_key="sk-ours")
    key = BedrockDoubleConfig().api_key
    return backend_of(service, open_aws(service, key, SystemClock(), settings.proxy))


def _app(
    settings: Settings,
    targets: StaticTargets,
    activity: Activity,
    clock: FakeClock,
    idle_timeout: float,
    orders: Orders | None,
) -> web.Application:
    upstream = OpenAIUpstream(connect_timeout=5, idle_timeout=idle_timeout)
    ids = itertools.count(1)
    return build_app(
        settings=settings,
        targets=targets,
        cache=MemoryCache(max_entries=100, max_bytes=100_000_000),
        cache_problem="",
        upstream=upstream,
        backends=[_backend(one, settings, upstream) for one in settings.fallback.backends],
        clock=clock,
        request_ids=lambda: f"req-{next(ids)}",
        activity=activity,
        demands=Demands(slot=0, clock=clock),
        state_view=lambda: summarise([activity.snapshot()], is_alive=lambda _pid: True),
        chance=lambda: 0.5,
        orders=orders,
    )
