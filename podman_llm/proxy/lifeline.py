"""The socket between a worker and its daemon.

Its end says that the daemon is gone; the worker serves on, because an editor must not lose its
endpoint to a crash of the control plane. What the worker writes says that its event loop turns:
one that does not is replaced.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

from podman_llm.telemetry import names

_log = logging.getLogger(__name__)
_BEAT_SECONDS: Final = 1.0


@asynccontextmanager
async def lifeline(descriptor: int | None) -> AsyncIterator[None]:
    """Around the time in which clients are served, the last answers included: a sign each second.

    The first one says that clients are accepted. Without a descriptor nobody listens.
    """
    if descriptor is None:
        yield
        return
    loop = asyncio.get_running_loop()
    os.set_blocking(descriptor, False)
    loop.add_reader(descriptor, _note_orphaned, loop, descriptor)
    beating = asyncio.create_task(_keep_beating(descriptor))
    try:
        yield
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
        loop.remove_reader(descriptor)


async def _keep_beating(descriptor: int) -> None:
    with suppress(ConnectionError):  # the daemon is gone, and has been noted to be
        while True:
            # A full socket means that the daemon does not listen for now; it finds beats enough.
            with suppress(BlockingIOError):
                os.write(descriptor, b".")
            await asyncio.sleep(_BEAT_SECONDS)


def _note_orphaned(loop: asyncio.AbstractEventLoop, descriptor: int) -> None:
    if os.read(descriptor, 1) == b"":
        loop.remove_reader(descriptor)
        _log.warning(names.DAEMON_GONE)
