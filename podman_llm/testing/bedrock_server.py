"""A server that speaks as Bedrock's runtime does, to who signs or bears its key.

It answers Converse and ConverseStream, InvokeModel for models that make vectors, and chats under
``/openai/v1``.

``POST /__double/faults`` orders a fault, ``GET /__double/state`` tells how many requests came.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import signal
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote

from aiohttp import web

from podman_llm.testing.bedrock_delivery import Delivery, identified, strike_before
from podman_llm.testing.bedrock_embeddings import Embedded, embed
from podman_llm.testing.bedrock_errors import AwsError, invalid
from podman_llm.testing.bedrock_faults import BedrockFault, BedrockFaultQueue, fault_from
from podman_llm.testing.bedrock_model import Reply, reply_to
from podman_llm.testing.bedrock_openai import CHAT, complete, refusal
from podman_llm.testing.bedrock_signature import Identities, Signed
from podman_llm.testing.bedrock_validation import check_converse
from podman_llm.testing.openai_errors import Json

_ADMIN = "/__double/"
_MAX_BODY = 64 * 1024 * 1024
_SHUTDOWN_SECONDS = 1.0


@dataclass(frozen=True)
class BedrockDoubleConfig:
    """The runtime to imitate, and who may ask it. ``api_key`` is the bearer token."""

    region: str = "us-east-1"
    access_key: str = "AKIDEXAMPLE"
    secret_key: str = "made-up-secret"  # noqa: S105 - the double's own
    session_token: str = ""
    api_key: str = "bedrock-api-key-double"
    models: tuple[str, ...] = ()
    """Ids that exist here; empty means that any does."""
    seconds_per_event: float = 0.0
    """Time before each event of a stream, and before a document."""


@dataclass(frozen=True)
class ModelRequest:
    """One request that was let in; ``action`` is the last word of its path."""

    model: str
    action: str
    body: Json
    headers: dict[str, str]

    @property
    def is_stream(self) -> bool:
        """Whether the answer comes in events."""
        return self.action == "converse-stream"


class BedrockDouble:
    """Bedrock's double. Its methods belong to the event loop on which it was started.

    ``requests`` are those that were answered; ``left`` counts the clients that went before their
    answer had ended.
    """

    def __init__(self, config: BedrockDoubleConfig | None = None) -> None:
        self.config = config or BedrockDoubleConfig()
        self.requests: list[ModelRequest] = []
        self.left = 0
        self._faults = BedrockFaultQueue()
        self._replies: list[Reply] = []
        self._changed = asyncio.Event()
        self._released = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._address = ("", 0)
        self._identities = Identities(
            region=self.config.region,
            keys={self.config.access_key: self.config.secret_key},
            token=self.config.session_token,
            api_key=self.config.api_key,
        )

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Listen. Raises ValueError for a host that is not loopback: anybody could order faults."""
        if not ipaddress.ip_address(host).is_loopback:
            raise ValueError(f"host is {host}: the double listens on loopback only")
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_post(f"{_ADMIN}faults", self._add_fault)
        app.router.add_get(f"{_ADMIN}state", self._state)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_SECONDS
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self._address = self._runner.addresses[0][:2]

    async def stop(self) -> None:
        """Close the port and every connection."""
        self._released.set()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def url(self) -> str:
        """What takes the place of ``https://bedrock-runtime.<region>.amazonaws.com``."""
        host, port = self._address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def say(self, *replies: Reply) -> None:
        """Give these answers next, in order, instead of made-up ones."""
        self._replies += replies

    def add_fault(self, fault: BedrockFault) -> None:
        """Queue a fault; requests take them in order."""
        self._faults.add(fault)

    def clear_faults(self) -> None:
        """Forget faults that have not struck."""
        self._faults.clear()

    async def wait_until(self, holds: Callable[[], bool]) -> None:
        """Return as soon as ``holds``, which is asked whenever a request comes or a client goes."""
        while not holds():
            await self._changed.wait()

    def _change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        is_openai = request.path == CHAT
        try:
            asked = await self._admit(request)
            fault = self._faults.take(is_stream=asked.is_stream)
            if (struck := await strike_before(request, fault)) is not None:
                return struck
            reply = None if is_openai else self._reply(asked)
        except AwsError as err:
            return identified(refusal(err) if is_openai else err.response())
        self.requests.append(asked)
        self._change()
        try:
            if reply is None:
                return await complete(request, asked.model)
            return await self._deliver(request, asked, reply, fault)
        except (ConnectionError, asyncio.CancelledError):
            self.left += 1
            self._change()
            raise

    async def _deliver(
        self,
        request: web.Request,
        asked: ModelRequest,
        reply: Reply | Embedded,
        fault: BedrockFault | None,
    ) -> web.StreamResponse:
        delivery = Delivery(
            request, reply, fault, pause=self.config.seconds_per_event, released=self._released
        )
        return await (delivery.stream() if asked.is_stream else delivery.document())

    def _reply(self, asked: ModelRequest) -> Reply | Embedded:
        if asked.action == "invoke":
            return embed(asked.model, asked.body)
        check_converse(asked.body)
        return self._replies.pop(0) if self._replies else reply_to(asked.body)

    async def _admit(self, request: web.Request) -> ModelRequest:
        path, _, query = request.raw_path.partition("?")
        body = await request.read()
        self._identities.check(Signed(request.method, path, query, request.headers, body))
        try:
            document = json.loads(body)
        except ValueError as err:
            raise AwsError("SerializationException", "not JSON") from err
        model, action = _aim(path, document)
        if self.config.models and model not in self.config.models:
            raise invalid("The provided model identifier is invalid.")
        return ModelRequest(model, action, document, dict(request.headers))

    # the admin routes -----------------------------------------------------------------------------

    async def _add_fault(self, request: web.Request) -> web.Response:
        try:
            self.add_fault(fault_from(json.loads(await request.read())))
        except ValueError as err:
            return web.json_response({"detail": str(err)}, status=400)
        return web.Response(status=201)

    async def _state(self, _request: web.Request) -> web.Response:
        return web.json_response({"requests": len(self.requests), "left": self.left})


def _aim(path: str, document: object) -> tuple[str, str]:
    """Who is asked, and for what."""
    match path.split("/"):
        case ["", "model", model, "converse" | "converse-stream" | "invoke" as action]:
            return unquote(model), action
        case ["", "openai", "v1", "chat", "completions"]:
            named = document.get("model") if isinstance(document, dict) else None
            return str(named), "chat/completions"
        case _:
            raise AwsError("UnknownOperationException")


def run(config: BedrockDoubleConfig, announce: Callable[[str], None], *, port: int = 8767) -> None:
    """Serve until SIGTERM or Ctrl-C; ``announce`` is told where.

    Raises OSError for a port that is taken.
    """
    asyncio.run(_serve(BedrockDouble(config), announce, port))


async def _serve(double: BedrockDouble, announce: Callable[[str], None], port: int) -> None:
    asked_to_end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked_to_end.set)
    await double.start(port=port)
    try:
        announce(f"ready at {double.url}, region {double.config.region}")
        await asked_to_end.wait()
    finally:
        await double.stop()
