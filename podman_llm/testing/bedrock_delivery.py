"""How the Bedrock double's answers go out, and how its faults break them."""

from __future__ import annotations

import asyncio
import secrets
from typing import TypeVar

from aiohttp import web

from podman_llm.testing.bedrock_embeddings import Embedded
from podman_llm.testing.bedrock_errors import AwsError
from podman_llm.testing.bedrock_faults import BedrockFault, BedrockFaultKind
from podman_llm.testing.bedrock_frames import error_frame, event_frame, exception_frame
from podman_llm.testing.bedrock_model import Reply
from podman_llm.testing.openai_generation import close, reset
from podman_llm.testing.openai_wire import compact

_Response = TypeVar("_Response", bound=web.StreamResponse)


def identified(response: _Response) -> _Response:
    """The response with a request id, as each of Amazon's has one."""
    identity = secrets.token_hex(16)
    groups = (identity[:8], identity[8:12], identity[12:16], identity[16:20], identity[20:])
    response.headers["x-amzn-RequestId"] = "-".join(groups)
    return response


async def strike_before(
    request: web.Request, fault: BedrockFault | None
) -> web.StreamResponse | None:
    """What is answered instead, if the fault strikes before an answer."""
    if fault is None:
        return None
    match fault.kind:
        case BedrockFaultKind.EXCEPTION:
            error = AwsError(fault.name, fault.message, **fault.fields)
            return identified(error.response(fault.retry_after))
        case BedrockFaultKind.HTML:
            page = "<html><body><h1>Bad gateway</h1></body></html>"
            return web.Response(status=fault.status, text=page, content_type="text/html")
        case BedrockFaultKind.DELAY:
            await asyncio.sleep(fault.seconds)
        case BedrockFaultKind.HANG_UP:
            close(request)
            return web.Response()
        case _:
            pass
    return None


class Delivery:
    """One answer on its way to ``request``.

    ``pause`` is the time in seconds before each event; ``released`` ends what is frozen.
    """

    def __init__(
        self,
        request: web.Request,
        reply: Reply | Embedded,
        fault: BedrockFault | None,
        *,
        pause: float,
        released: asyncio.Event,
    ) -> None:
        self._request = request
        self._reply = reply
        self._fault = fault if fault is not None and fault.is_inner else None
        self._pause = pause
        self._released = released

    async def document(self) -> web.StreamResponse:
        """The answer of Converse or InvokeModel."""
        await asyncio.sleep(self._pause)
        body = compact(self._reply.document()).encode()
        if self._fault is None:
            headers = self._reply.headers
            whole = web.Response(body=body, content_type="application/json", headers=headers)
            return identified(whole)
        half = web.StreamResponse(headers={"Content-Length": str(len(body))})
        await half.prepare(self._request)
        await half.write(body[: len(body) // 2])
        reset(self._request)
        return half

    async def stream(self) -> web.StreamResponse:
        """The answer of ConverseStream."""
        response = identified(web.StreamResponse())
        response.content_type = "application/vnd.amazon.eventstream"
        await response.prepare(self._request)
        for count, (name, payload) in enumerate(self._reply.events()):
            if self._fault is not None and count == self._fault.after_events:
                await self._break_off(response, self._fault)
                return response
            await asyncio.sleep(self._pause)
            await response.write(event_frame(name, payload))
        await response.write_eof()
        return response

    async def _break_off(self, response: web.StreamResponse, fault: BedrockFault) -> None:
        frame = event_frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "x"}})
        match fault.kind:
            case BedrockFaultKind.STREAM_EXCEPTION:
                error = AwsError(fault.name, fault.message, **fault.fields)
                told = {"message": error.message, **error.fields}
                await response.write(exception_frame(error.name, told))
            case BedrockFaultKind.STREAM_ERROR:
                await response.write(error_frame(fault.name, fault.message))
            case BedrockFaultKind.BAD_CHECKSUM:
                await response.write(frame[:-1] + bytes([frame[-1] ^ 1]))
            case BedrockFaultKind.HALF_EVENT:
                await response.write(frame[: len(frame) // 2])
            case BedrockFaultKind.RESET:
                reset(self._request)
                return
            case BedrockFaultKind.FREEZE:
                await self._released.wait()
            case _:
                pass
        await response.write_eof()
