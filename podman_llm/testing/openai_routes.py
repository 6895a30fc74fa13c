"""The HTTP face of vLLM: routes, the key, unknown paths, and the double's own admin routes."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from podman_llm.testing.openai_backend import Backend
from podman_llm.testing.openai_chat import admit_chat
from podman_llm.testing.openai_completions import admit_completion
from podman_llm.testing.openai_embeddings import embed
from podman_llm.testing.openai_errors import Json, Refused
from podman_llm.testing.openai_faults import fault_from
from podman_llm.testing.openai_fields import check_fields, integer, listing, string
from podman_llm.testing.openai_generation import Admit, generation_handler, strike_before
from podman_llm.testing.openai_messages import admit_message
from podman_llm.testing.openai_metrics import CONTENT_TYPE, exposition
from podman_llm.testing.openai_responses import admit_response
from podman_llm.testing.openai_tokens import render_chat
from podman_llm.testing.openai_validation import check_chat, parse_body
from podman_llm.testing.openai_wire import answer, dress
from podman_llm.testing.transcripts import RecordedRequest

_ADMIN = "/_double/"
_MAX_BODY = 64 * 1024 * 1024
_Maker = Callable[[Json], Json]
_GENERATORS: dict[str, Admit] = {
    "/v1/chat/completions": admit_chat,
    "/v1/completions": admit_completion,
    "/v1/messages": admit_message,
    "/v1/responses": admit_response,
}


def build_app(backend: Backend) -> web.Application:
    """The application of one double."""
    app = web.Application(middlewares=[_front(backend)], client_max_size=_MAX_BODY)
    for path, admit in _GENERATORS.items():
        app.router.add_route("POST", path, generation_handler(backend, admit))
    for path, handler in _plain_routes(backend).items():
        app.router.add_route("GET", path, handler)
    for path, make in _body_routes(backend).items():
        app.router.add_route("POST", path, _at_once(make))
    _add_admin(app, backend)

    async def dressed(request: web.Request, response: web.StreamResponse) -> None:
        request_id = None
        if backend.config.request_id_headers:
            request_id = request.headers.get("x-request-id") or uuid.uuid4().hex
        dress(response, request_id=request_id)

    app.on_response_prepare.append(dressed)
    return app


def _front(backend: Backend) -> Middleware:
    @web.middleware
    async def front(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(_ADMIN):
            return await handler(request)
        await _note(backend, request)
        early = _preflight(request) or _unauthorized(backend, request)
        if early is not None:
            return early
        try:
            return await _struck(backend, request) or await handler(request)
        except Refused as refused:
            return answer(refused.status, refused.body)
        except web.HTTPMethodNotAllowed as error:
            response = answer(error.status, {"detail": "Method Not Allowed"})
            response.headers["allow"] = ", ".join(sorted(error.allowed_methods))
            return response
        except web.HTTPNotFound:
            return answer(404, {"detail": "Not Found"})
        except asyncio.CancelledError:
            backend.tally.change(cancelled=1)
            raise

    return front


async def _struck(backend: Backend, request: web.Request) -> web.StreamResponse | None:
    """What a fault answers on a path that does not generate; only one that names it does."""
    if request.path in _GENERATORS:
        return None
    return await strike_before(request, backend.faults.take(request.path, generates=False))


async def _note(backend: Backend, request: web.Request) -> None:
    headers = tuple((name.decode(), value.decode("latin-1")) for name, value in request.raw_headers)
    version = f"HTTP/{request.version.major}.{request.version.minor}"
    body = await request.read()
    received = RecordedRequest(request.method, request.path_qs, version, headers, body)
    backend.tally.receive(received)


def _preflight(request: web.Request) -> web.Response | None:
    """What starlette answers a browser's preflight from an origin that is not allowed."""
    if request.method != "OPTIONS" or "access-control-request-method" not in request.headers:
        return None
    asked = ("Access-Control-Request-" + part for part in ("Method", "Headers", "Private-Network"))
    headers = {
        "vary": ", ".join(("Origin", *asked)),
        "access-control-allow-methods": "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT, QUERY",
        "access-control-max-age": "600",
    }
    wanted = request.headers.get("access-control-request-headers")
    if wanted is not None:
        headers["access-control-allow-headers"] = wanted
    return web.Response(status=400, text="Disallowed CORS origin", headers=headers)


def _unauthorized(backend: Backend, request: web.Request) -> web.Response | None:
    wanted = backend.config.api_key_sha256
    if not wanted or not request.path.startswith("/v1") or request.method == "OPTIONS":
        return None
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    given = hashlib.sha256(key.encode()).hexdigest()
    if scheme.lower() == "bearer" and hmac.compare_digest(given, wanted.lower()):
        return None
    return answer(401, {"error": "Unauthorized"})


def _plain_routes(backend: Backend) -> dict[str, Handler]:
    config = backend.config

    async def health(_request: web.Request) -> web.Response:
        return web.Response(status=200 if backend.engine.is_healthy else 503)

    async def version(_request: web.Request) -> web.Response:
        return answer(200, {"version": config.version})

    async def load(_request: web.Request) -> web.Response:
        # Stays 0 under any load: vLLM counts only with --enable-server-load-tracking.
        return answer(200, {"server_load": 0})

    async def models(_request: web.Request) -> web.Response:
        cards = [_model_card(backend, name) for name in config.served_names]
        return answer(200, {"object": "list", "data": cards})

    async def metrics(_request: web.Request) -> web.Response:
        text = exposition(config, backend.tally)
        return web.Response(body=text.encode(), headers={"content-type": CONTENT_TYPE})

    return {
        "/health": health,
        "/ping": health,
        "/version": version,
        "/load": load,
        "/metrics": metrics,
        "/v1/models": models,
    }


def _body_routes(backend: Backend) -> dict[str, _Maker]:
    """Routes that answer at once, without the engine's pace."""
    model = backend.model

    def tokenize(body: Json) -> Json:
        if "messages" in body:
            check_chat(body)
            text = render_chat(body)
        else:
            check_fields(body, {"prompt": string})
            text = body.get("prompt") or ""
        ids = [token.id for token in model.vocabulary.tokens(text)]
        limit = backend.config.max_model_len
        return {"count": len(ids), "max_model_len": limit, "tokens": ids, "token_strs": None}

    def detokenize(body: Json) -> Json:
        check_fields(body, {"tokens": listing(integer)})
        return {"prompt": model.vocabulary.text(map(int, body.get("tokens") or ()))}

    def embeddings(body: Json) -> Json:
        return embed(model, body, secrets.token_hex(8))

    routes: dict[str, _Maker] = {"/tokenize": tokenize, "/detokenize": detokenize}
    if backend.config.embedding_dimensions:
        routes["/v1/embeddings"] = embeddings
    return routes


def _at_once(make: _Maker) -> Handler:
    async def handle(request: web.Request) -> web.Response:
        raw = await request.read()
        return answer(200, make(parse_body(raw, request.headers.get("content-type", ""))))

    return handle


def _model_card(backend: Backend, name: str) -> Json:
    created = int(time.time())
    permission = {
        "id": f"modelperm-{secrets.token_hex(8)}",
        "object": "model_permission",
        "created": created,
        "allow_create_engine": False,
        "allow_sampling": True,
        "allow_logprobs": True,
        "allow_search_indices": False,
        "allow_view": True,
        "allow_fine_tuning": False,
        "organization": "*",
        "group": None,
        "is_blocking": False,
    }
    return {
        "id": name,
        "object": "model",
        "created": created,
        "owned_by": "vllm",
        "root": backend.config.model_root or backend.config.model,
        "parent": None,
        "max_model_len": backend.config.max_model_len,
        "permission": [permission],
    }


def _add_admin(app: web.Application, backend: Backend) -> None:
    async def add(request: web.Request) -> web.Response:
        try:
            fault = fault_from(json.loads(await request.read()))
        except ValueError as error:
            return answer(400, {"detail": str(error)})
        backend.faults.add(fault)
        return answer(201, asdict(fault))

    async def pending(_request: web.Request) -> web.Response:
        return answer(200, {"faults": [asdict(fault) for fault in backend.faults.pending()]})

    async def clear(_request: web.Request) -> web.Response:
        backend.faults.clear()
        return web.Response(status=204)

    async def state(_request: web.Request) -> web.Response:
        return answer(200, backend.tally.summary())

    faults = f"{_ADMIN}faults"
    app.router.add_route("POST", faults, add)
    app.router.add_route("GET", faults, pending)
    app.router.add_route("DELETE", faults, clear)
    app.router.add_route("GET", f"{_ADMIN}state", state)
