"""A server that speaks as vLLM does, byte for byte where it was recorded, without a GPU."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import signal
import socket
from collections.abc import Callable

from aiohttp import web

from podman_llm.testing.openai_backend import make_backend
from podman_llm.testing.openai_config import OpenAIDoubleConfig
from podman_llm.testing.openai_engine import EngineAborted, EngineDied, EngineStopped
from podman_llm.testing.openai_faults import Fault
from podman_llm.testing.openai_generation import reset_transport
from podman_llm.testing.openai_routes import build_app
from podman_llm.testing.transcripts import RecordedRequest

_MAX_HEADER = 128 * 1024
_SHUTDOWN_SECONDS = 1.0


class OpenAIDouble:
    """vLLM's double. Its methods belong to the event loop on which it was started.

    ``stop`` is for tidying up; ``terminate``, ``kill_engine`` and ``kill`` are the ways in which
    a pod's server ends in earnest.
    """

    def __init__(self, config: OpenAIDoubleConfig | None = None) -> None:
        self.config = config or OpenAIDoubleConfig()
        self._backend = make_backend(self.config)
        self._runner: web.AppRunner | None = None
        self._socket: socket.socket | None = None
        self._loading: asyncio.Task[None] | None = None
        self._address = ("", 0)

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> None:
        """Take the port, and open it after ``load_seconds``: at once if there are none.

        Raises ValueError for a host that is not loopback: anybody could order faults there.
        """
        if not ipaddress.ip_address(host).is_loopback:
            raise ValueError(f"host is {host}: the double listens on loopback only")
        self._socket = sock = _bound(host, port)
        self._address = sock.getsockname()[:2]
        # A socket that is bound and does not listen refuses connections, as a loading vLLM does.
        self._loading = asyncio.create_task(self._load(sock))
        if not self.config.load_seconds:
            await self.ready()

    async def ready(self) -> None:
        """Return once the port is open."""
        if self._loading is not None:
            await asyncio.shield(self._loading)

    @property
    def url(self) -> str:
        """The base URL, without ``/v1``."""
        host, port = self._address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def port(self) -> int:
        """The port, known once started."""
        return self._address[1]

    async def stop(self) -> None:
        """Close the port, end what is in flight and let every connection go."""
        await self._cancel_loading()
        self._backend.released.set()
        self._backend.engine.stop(EngineAborted)
        await self._close()

    async def kill(self) -> None:
        """Vanish as on SIGKILL: the port closes and every connection is reset, now."""
        await self._cancel_loading()
        if self._runner is not None and self._runner.server is not None:
            for connection in self._runner.server.connections:
                if connection.transport is not None:
                    reset_transport(connection.transport)
        await self._close()

    async def terminate(self, linger_seconds: float = 0.0) -> None:
        """End as on SIGTERM: what is in flight finishes with ``abort``, then the port closes.

        In between /health answers 503, for ``linger_seconds`` after the last answer.
        """
        await self._end(EngineAborted, linger_seconds)

    async def kill_engine(self, linger_seconds: float = 0.0) -> None:
        """End as when the engine process is killed: errors, then as ``terminate``."""
        await self._end(EngineDied, linger_seconds)

    def freeze(self) -> None:
        """No token comes any more although /health is fine, as with a hung GPU."""
        self._backend.engine.freeze()

    def thaw(self) -> None:
        """Undo ``freeze``."""
        self._backend.engine.thaw()

    def add_fault(self, fault: Fault) -> None:
        """Queue a fault; requests take them in order."""
        self._backend.faults.add(fault)

    def clear_faults(self) -> None:
        """Forget faults that have not struck."""
        self._backend.faults.clear()

    @property
    def requests(self) -> tuple[RecordedRequest, ...]:
        """Every request that arrived, in order; those of the admin routes do not count."""
        return tuple(self._backend.tally.requests)

    @property
    def running(self) -> int:
        """Requests that hold a slot of the engine now."""
        return self._backend.tally.running

    @property
    def waiting(self) -> int:
        """Requests that wait for a slot now."""
        return self._backend.tally.waiting

    @property
    def completions(self) -> int:
        """Answers begun, over all endpoints that generate."""
        return self._backend.tally.completions

    @property
    def cancelled(self) -> int:
        """Requests whose client left before the answer ended."""
        return self._backend.tally.cancelled

    async def wait_until(self, holds: Callable[[], bool]) -> None:
        """Return as soon as ``holds``, which is asked whenever a number above changes."""
        await self._backend.tally.wait_until(holds)

    async def wait_until_idle(self) -> None:
        """Return as soon as nothing runs and nothing waits."""
        await self.wait_until(lambda: not self.running and not self.waiting)

    async def _load(self, sock: socket.socket) -> None:
        await asyncio.sleep(self.config.load_seconds)
        self._runner = web.AppRunner(
            build_app(self._backend),
            access_log=None,
            handler_cancellation=True,
            keepalive_timeout=self.config.keepalive_seconds,
            max_line_size=_MAX_HEADER,
            max_field_size=_MAX_HEADER,
            shutdown_timeout=_SHUTDOWN_SECONDS,
        )
        await self._runner.setup()
        await web.SockSite(self._runner, sock).start()

    async def _end(self, reason: type[EngineStopped], linger_seconds: float) -> None:
        await self._cancel_loading()
        self._backend.engine.stop(reason)
        await self.wait_until_idle()
        await asyncio.sleep(linger_seconds)
        await self.stop()

    async def _cancel_loading(self) -> None:
        if self._loading is not None and not self._loading.done():
            self._loading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._loading
        self._loading = None

    async def _close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _bound(host: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def run(
    config: OpenAIDoubleConfig,
    announce: Callable[[str], None],
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
) -> None:
    """Serve until SIGTERM or Ctrl-C, then end as vLLM does; ``announce`` is told each step.

    Raises OSError for a port that is taken and ValueError for a host that is not loopback.
    """
    asyncio.run(_serve(OpenAIDouble(config), announce, host, port))


async def _serve(
    double: OpenAIDouble, announce: Callable[[str], None], host: str, port: int
) -> None:
    asked_to_end = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked_to_end.set)
    await double.start(host, port)
    announce(f"loading {double.config.model} for {double.config.load_seconds:g} s at {double.url}")

    async def tell_when_ready() -> None:
        await double.ready()
        announce(f"ready at {double.url}/v1")

    telling = asyncio.create_task(tell_when_ready())
    await asked_to_end.wait()
    telling.cancel()
    await double.terminate()
    announce("ended")
