from __future__ import annotations

import asyncio
import threading

import pytest
import requests
from aiohttp import web

from podman_llm.testing.server_thread import ServerThread


class Greeter:
    def __init__(self) -> None:
        self.url = ""
        self.thread = ""
        self.cancelled = False

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/", self._greet)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def stop(self) -> None:
        await self._runner.cleanup()

    async def where(self) -> str:
        self._leftover = asyncio.create_task(self._linger())
        await asyncio.sleep(0)
        return threading.current_thread().name

    async def _greet(self, request: web.Request) -> web.Response:
        return web.Response(text="hello")

    async def _linger(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.cancelled = True


class Refuser(Greeter):
    async def start(self) -> None:
        raise OSError("the port is taken")


def test_the_server_answers_inside_the_context_and_not_after_it() -> None:
    with ServerThread(Greeter()) as running:
        assert requests.get(running.url, timeout=5).text == "hello"
    with pytest.raises(requests.ConnectionError):
        requests.get(running.url, timeout=5)


def test_coroutines_run_on_the_servers_own_thread_and_leftovers_are_cancelled() -> None:
    with ServerThread(Greeter()) as running:
        assert running.call(running.server.where()) != threading.current_thread().name
    assert running.server.cancelled


def test_a_server_that_cannot_start_says_so_to_the_caller_and_leaves_no_thread() -> None:
    before = threading.active_count()
    with pytest.raises(OSError, match="the port is taken"), ServerThread(Refuser()):
        pass
    assert threading.active_count() == before
