"""REST v2: pods, their actions, and the small lists around them."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable

from aiohttp import web

from podman_llm.testing.runpod_faults import DESTINY, Destiny, Handler
from podman_llm.testing.runpod_order import BODY_LIMIT, read_order, update
from podman_llm.testing.runpod_pod import RentedPod
from podman_llm.testing.runpod_problem import Problem, invalid, not_found
from podman_llm.testing.runpod_schema import ACTION, SSH_KEYS, Json, errors_in
from podman_llm.testing.runpod_world import World

_DEFAULT_PAGE = 100
_LARGEST_PAGE = 1000


def answering(body: Callable[[], Json]) -> Handler:
    """A handler that answers with ``body`` as it is when asked."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.json_response(body())

    return answer


class PodRoutes:
    """``/v2/pods`` and what it names."""

    def __init__(self, world: World) -> None:
        self._world = world

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Register the routes."""
        router.add_get("/v2/pods", self._list, allow_head=False)
        router.add_post("/v2/pods", self._create)
        router.add_get("/v2/pods/{id}", self._get, allow_head=False)
        router.add_patch("/v2/pods/{id}", self._update)
        router.add_delete("/v2/pods/{id}", self._delete)
        router.add_post("/v2/pods/{id}/action", self._act)
        router.add_get("/v2/templates/{id}", self._template, allow_head=False)
        router.add_put("/v2/account/ssh-keys", self._put_ssh_keys)
        world = self._world
        for path, answer in (
            ("/v2/templates", lambda: {"templates": list(world.templates.values())}),
            ("/v2/network-volumes", lambda: {"networkVolumes": list(world.volumes.values())}),
            ("/v2/registries", lambda: {"registries": list(world.registries.values())}),
            ("/v2/account/ssh-keys", lambda: {"keys": world.ssh_keys}),
        ):
            router.add_get(path, answering(answer), allow_head=False)

    async def _list(self, request: web.Request) -> web.Response:
        limit = _limit(request.query.get("limit"))
        cursor = request.query.get("cursor")
        below = _position(cursor) if cursor is not None else None
        shown = [
            (number, view)
            for number, view in self._world.listing(counts=below is None)
            if below is None or number < below
        ]
        page = shown[: min(limit, self._world.quirks.page_cap or limit)]
        more = len(page) < len(shown)
        following = _cursor(page[-1][0]) if more else None
        pagination = {"hasNextPage": more, "nextCursor": following}
        pods = [view for _, view in page]
        return web.json_response({"pods": pods, "pagination": pagination})

    async def _create(self, request: web.Request) -> web.Response:
        order = read_order(self._world, await _body(request))
        destiny = request.get(DESTINY, Destiny())
        pod = self._world.rent(order, fate=destiny.fate, delay=destiny.delay, hidden=destiny.hidden)
        return self._shown(pod, status=201)

    async def _get(self, request: web.Request) -> web.Response:
        return self._shown(self._pod(request))

    async def _update(self, request: web.Request) -> web.Response:
        pod = self._pod(request)
        update(self._world, pod, await _body(request))
        return self._shown(pod)

    async def _delete(self, request: web.Request) -> web.Response:
        self._world.act(self._pod(request), "terminate")
        return web.Response(status=204)

    async def _act(self, request: web.Request) -> web.Response:
        body = await _body(request)
        pod = self._pod(request)
        errors = list(errors_in(body, ACTION))
        if errors:
            raise invalid(*errors)
        self._world.act(pod, body["action"])
        if body["action"] == "terminate":
            return web.Response(status=204)
        pod.fate = request.get(DESTINY, Destiny(fate=pod.fate)).fate
        return self._shown(pod)

    async def _template(self, request: web.Request) -> web.Response:
        template = self._world.templates.get(request.match_info["id"])
        if template is None:
            raise not_found()
        return web.json_response(template)

    async def _put_ssh_keys(self, request: web.Request) -> web.Response:
        body = await _body(request)
        errors = list(errors_in(body, SSH_KEYS))
        if errors:
            raise invalid(*errors)
        self._world.ssh_keys = body["keys"]
        return web.json_response(body)

    def _pod(self, request: web.Request) -> RentedPod:
        return self._world.find(request.match_info["id"])

    def _shown(self, pod: RentedPod, *, status: int = 200) -> web.Response:
        return web.json_response(pod.view(self._world.settle()), status=status)


async def _body(request: web.Request) -> Json:
    raw = await request.read()
    if len(raw) > BODY_LIMIT:
        raise Problem(413, f"request body exceeds {BODY_LIMIT} bytes")
    try:
        return json.loads(raw)
    except ValueError as err:
        raise Problem(400, "request body is not valid JSON") from err


def _limit(text: str | None) -> int:
    if text is None:
        return _DEFAULT_PAGE
    if not text.isdigit() or not 1 <= int(text) <= _LARGEST_PAGE:
        raise invalid(f"$.limit: must be an integer between 1 and {_LARGEST_PAGE}")
    return int(text)


def _cursor(number: int) -> str:
    return base64.urlsafe_b64encode(f"pods:{number}".encode()).decode().rstrip("=")


def _position(cursor: str) -> int:
    """The number that a cursor of ours stands for; a foreign or broken one is a 422."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        kind, _, number = base64.urlsafe_b64decode(padded).decode("ascii").partition(":")
    except (binascii.Error, ValueError):
        kind = number = ""
    if kind != "pods" or not number.isdigit():
        raise invalid("$.cursor: malformed cursor")
    return int(number)
