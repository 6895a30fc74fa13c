"""From an admitted request to its bytes: whole or as events, at the engine's pace, with faults."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
import struct
import time
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler

from podman_llm.testing.openai_backend import Backend
from podman_llm.testing.openai_engine import EngineAborted, EngineDied
from podman_llm.testing.openai_errors import ENGINE_DEAD, Json, envelope
from podman_llm.testing.openai_faults import Fault, FaultKind, status_page
from podman_llm.testing.openai_model import Model
from podman_llm.testing.openai_validation import parse_body
from podman_llm.testing.openai_wire import DONE, EventStream, Job, answer, compact, event

Admit = Callable[[Model, Json, str, int], Job]

_ENGINE_ERROR = envelope(500, ENGINE_DEAD, "InternalServerError")


def generation_handler(backend: Backend, admit: Admit) -> Handler:
    """A handler that answers with what ``admit`` decides, unless a fault is due."""

    async def handle(request: web.Request) -> web.StreamResponse:
        fault = backend.faults.take(request.path, generates=True)
        early = await strike_before(request, fault)
        if early is not None:
            return early
        body = parse_body(await request.read(), request.headers.get("content-type", ""))
        identity = request.headers.get("x-request-id") or secrets.token_hex(8)
        job = admit(backend.model, body, identity, int(time.time()))
        backend.tally.change(completions=1, prompt_tokens=job.prompt_tokens)
        if job.is_stream and not _is(fault, FaultKind.JSON_FOR_STREAM):
            response = await _stream(backend, request, job, fault)
        else:
            response = await _whole(backend, request, job, fault)
        if _is(fault, FaultKind.CLOSE_AFTER):
            await _close_after(request, response)
        return response

    return handle


async def _whole(
    backend: Backend, request: web.Request, job: Job, fault: Fault | None
) -> web.StreamResponse:
    try:
        async with backend.engine.occupy():
            await backend.engine.beat(job.costs)
            if fault is not None and fault.is_inner:
                return await _strike_document(backend, request, job, fault)
    except EngineAborted:
        return answer(200, job.whole(is_aborted=True))
    except EngineDied:
        return answer(500, _ENGINE_ERROR)
    backend.tally.change(generation_tokens=job.completion_tokens)
    return answer(200, job.whole())


async def _stream(
    backend: Backend, request: web.Request, job: Job, fault: Fault | None
) -> web.StreamResponse:
    stream = EventStream()
    # Headers go out before there is a slot, let alone a token: queueing is invisible to a client.
    await stream.open(request)
    strike = fault if fault is not None and fault.is_inner else None
    try:
        async with backend.engine.occupy():
            for sent, told in enumerate(job.events()):
                if strike is not None and (sent >= strike.after_events or told.closing):
                    await _strike_stream(backend, request, strike)
                    break
                if told.costs:
                    await backend.engine.beat(told.costs)
                await stream.send(told)
            else:
                backend.tally.change(generation_tokens=job.completion_tokens)
    except EngineAborted:
        for told in job.abort_events():
            await stream.send(told)
    except EngineDied:
        # The one document that vLLM writes with the standard library, and so with spaces.
        await stream.send(event(json.dumps(_ENGINE_ERROR)))
        await stream.send(DONE)
    await stream.finish()
    return stream


async def strike_before(request: web.Request, fault: Fault | None) -> web.StreamResponse | None:
    """What a fault answers instead of anything else, or None to go on."""
    if fault is None:
        return None
    match fault.kind:
        case FaultKind.DELAY:
            await asyncio.sleep(fault.seconds)
        case FaultKind.HANG_UP:
            close(request)
            return web.Response()
        case FaultKind.STATUS:
            return _status_answer(fault)
        case _:
            pass
    return None


def _status_answer(fault: Fault) -> web.Response:
    content_type, page = status_page(fault.status)
    body = page if isinstance(page, str) else compact(page)
    response = web.Response(status=fault.status, body=body.encode(), content_type=content_type)
    if fault.retry_after is not None:
        response.headers["retry-after"] = str(fault.retry_after)
    return response


async def _strike_stream(backend: Backend, request: web.Request, fault: Fault) -> None:
    """Break a stream off; returning ends it cleanly, without a finish reason."""
    match fault.kind:
        case FaultKind.ABORT:
            raise EngineAborted
        case FaultKind.ENGINE_ERROR:
            raise EngineDied
        case FaultKind.RESET:
            reset(request)
        case FaultKind.TRUNCATE:
            close(request)
        case FaultKind.FREEZE:
            await backend.released.wait()
            reset(request)
        case _:
            return


async def _strike_document(
    backend: Backend, request: web.Request, job: Job, fault: Fault
) -> web.StreamResponse:
    """Break a document off; a clean early end is one cut in the middle of its length."""
    if fault.kind in {FaultKind.TRUNCATE, FaultKind.EARLY_END}:
        body = compact(job.whole()).encode()
        headers = {"content-type": "application/json", "content-length": str(len(body))}
        half = web.StreamResponse(headers=headers)
        await half.prepare(request)
        await half.write(body[: len(body) // 2])
        close(request)
        return half
    await _strike_stream(backend, request, fault)
    return web.Response()


async def _close_after(request: web.Request, response: web.StreamResponse) -> None:
    await response.prepare(request)
    await response.write_eof()
    close(request)


def close(request: web.Request) -> None:
    """Close the connection of ``request`` after what was written, without a word more."""
    if request.transport is not None:
        request.transport.close()


def reset(request: web.Request) -> None:
    """Reset the connection of ``request``."""
    if request.transport is not None:
        reset_transport(request.transport)


def reset_transport(transport: asyncio.BaseTransport) -> None:
    """Close a connection with RST instead of FIN, as the kernel does for a killed process."""
    sock = transport.get_extra_info("socket")
    if sock is not None and not transport.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()


def _is(fault: Fault | None, kind: FaultKind) -> bool:
    return fault is not None and fault.kind is kind
