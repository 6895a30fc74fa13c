"""The proxy in front of each pod: ``/{pod id}-{port}/…``, with the answers of Cloudflare's edge.

404 while the edge has not heard of the pod or the port is not published, 502 while nothing listens,
524 when the pod sends nothing for too long. Bodies stream both ways.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Final

import aiohttp
from aiohttp import web

from podman_llm.testing.runpod_containers import Containers, read_serving
from podman_llm.testing.runpod_pod import RentedPod
from podman_llm.testing.runpod_problem import edge_page
from podman_llm.testing.runpod_world import World

_HOP_BY_HOP: Final = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"}
    | {"upgrade", "host"}
)


class Edge:
    """Forwards to the pods' servers. ``patience`` is the real seconds of silence before a 524."""

    def __init__(self, world: World, containers: Containers, *, patience: float) -> None:
        self._world = world
        self._containers = containers
        self._patience = patience
        self._session: aiohttp.ClientSession

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the route."""
        router.add_route("*", r"/{pod:[a-z0-9]+}-{port:\d+}{path:(/.*)?}", self._forward)

    async def open(self) -> None:
        """Make the client session; needs a running loop."""
        # No connection is kept: a killed container must look dead at once, not at the next try.
        connector = aiohttp.TCPConnector(force_close=True, limit=0)
        self._session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        )

    async def close(self) -> None:
        """Close the client session."""
        await self._session.close()

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        pod = self._world.rented.get(request.match_info["pod"])
        port = int(request.match_info["port"])
        if pod is None or not self._is_published(pod, port):
            return edge_page(404)
        server = self._containers.server(pod.id)
        if server is None or port != read_serving(pod).port:
            return edge_page(502)
        try:
            answer = await asyncio.wait_for(self._ask(request, server.url), self._patience)
        except TimeoutError:
            return edge_page(524)
        except aiohttp.ClientError:
            return edge_page(502)
        async with answer:
            return await self._relay(request, answer)

    def _is_published(self, pod: RentedPod, port: int) -> bool:
        return pod.knows_edge(self._world.settle()) and f"{port}/http" in pod.settings.ports

    async def _ask(self, request: web.Request, base: str) -> aiohttp.ClientResponse:
        _, _, rest = request.raw_path.lstrip("/").partition("/")
        return await self._session.request(
            request.method,
            f"{base}/{rest}",
            headers=_passed_on(request.headers),
            data=_chunks(request) if request.body_exists else None,
            allow_redirects=False,
        )

    async def _relay(
        self, request: web.Request, answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers=_passed_on(answer.headers))
        await response.prepare(request)
        try:
            while chunk := await asyncio.wait_for(answer.content.readany(), self._patience):
                await response.write(chunk)
        except (aiohttp.ClientError, TimeoutError):
            if request.transport is not None:
                request.transport.abort()
        return response


def _passed_on(headers: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP]


async def _chunks(request: web.Request) -> AsyncIterator[bytes]:
    async for chunk in request.content.iter_any():
        yield chunk
