"""One worker's life: serve on a socket that is handed in, stop without dropping an answer."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import ssl
from typing import Any, Final

from aiohttp import web
from aiohttp.http import HttpProcessingError

from podman_llm.proxy.lifeline import lifeline
from podman_llm.proxy.streaming import reset
from podman_llm.telemetry import names

_log = logging.getLogger(__name__)
_BACKLOG: Final = 1024
_MAX_HEADER_BYTES: Final = 64 * 1024
# What is still running after the drain is cut; this is only for it to notice.
_CUT_SECONDS: Final = 0.5
# From its acceptance until it belongs to the server a connection takes asyncio two turns.
_TURNS_TO_CONNECT: Final = 3


async def serve(
    app: web.Application,
    sock: socket.socket,
    *,
    ssl_context: ssl.SSLContext | None = None,
    drain_seconds: float,
    lifeline_fd: int | None = None,
    stop: asyncio.Event | None = None,
) -> None:
    """Serve until SIGTERM, SIGINT or ``stop``; then close the listener at once and drain.

    ``sock`` listens already and may be shared with other workers: closing our end of it refuses
    nobody. Answers in flight get ``drain_seconds``; what is left then is reset, never ended
    cleanly. ``lifeline_fd`` is our end of the lifeline.
    """
    stop = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=_Connections(logging.getLogger("aiohttp.server"), {}),
        handle_signals=False,
        # A client that leaves cancels its handler, and that closes the upstream's connection.
        handler_cancellation=True,
        max_line_size=_MAX_HEADER_BYTES,
        max_field_size=_MAX_HEADER_BYTES,
        shutdown_timeout=_CUT_SECONDS,
    )
    await runner.setup()
    site = web.SockSite(runner, sock, ssl_context=ssl_context, backlog=_BACKLOG)
    try:
        await site.start()
        async with lifeline(lifeline_fd):
            await stop.wait()
            await _accept_no_more(sock)
            await site.stop()
            await _drain(runner, drain_seconds)
    finally:
        await runner.cleanup()


class _Connections(logging.LoggerAdapter[logging.Logger]):
    """What aiohttp has to say of connections.

    That a client speaks no HTTP is no defect of ours and needs no traceback, which would quote what
    came, keys included.
    """

    def exception(self, msg: object, *args: object, exc_info: Any = True, **more: Any) -> None:  # noqa: ANN401 - as logging has it
        """Log a defect, or in a line that a client's bytes were none."""
        if isinstance(exc_info, (HttpProcessingError, web.RequestPayloadError)):
            self.logger.warning(names.REQUEST_MALFORMED, extra={"why": type(exc_info).__name__})
        else:
            super().exception(msg, *args, exc_info=exc_info, **more)


async def _accept_no_more(sock: socket.socket) -> None:
    """Let in who was accepted: a server that closes first forgets them, and they would hang."""
    asyncio.get_running_loop().remove_reader(sock)
    for _ in range(_TURNS_TO_CONNECT):
        await asyncio.sleep(0)


async def _drain(runner: web.AppRunner, seconds: float) -> None:
    """Close idle connections at once, the others as their answers end."""
    server = runner.server
    if server is None:
        return
    await asyncio.sleep(0)  # a request that has just been read shall be seen as running
    server.pre_shutdown()
    _log.info(names.PROXY_DRAINING, extra={"connections": len(server.connections)})
    try:
        # aiohttp gives each connection its timeout twice; ours bounds the whole.
        async with asyncio.timeout(seconds):
            await server.shutdown(seconds)
    except TimeoutError:
        _log.warning(names.PROXY_UNDRAINED, extra={"connections": len(server.connections)})
        for connection in server.connections:
            reset(connection.transport)
