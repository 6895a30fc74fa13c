"""Every fault, as a client sees it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from podman_llm.testing.openai_config import OpenAIDoubleConfig
from podman_llm.testing.openai_faults import Fault, FaultKind
from podman_llm.testing.openai_server import OpenAIDouble
from podman_llm.testing.transcripts import (
    RecordedRequest,
    RecordedResponse,
    exchange,
    read_response,
)


@pytest.fixture
async def double() -> AsyncIterator[OpenAIDouble]:
    double = OpenAIDouble(OpenAIDoubleConfig())
    await double.start()
    yield double
    await double.stop()


def _request(path: str = "/v1/chat/completions", **fields: Any) -> RecordedRequest:
    body = json.dumps({"messages": [{"role": "user", "content": "Explain leases"}], **fields})
    headers = (
        ("Host", "x"),
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
    )
    return RecordedRequest("POST", path, "HTTP/1.1", headers, body.encode())


async def _ask(double: OpenAIDouble, **fields: Any) -> RecordedResponse:
    return await exchange("127.0.0.1", double.port, _request(**fields))


def _reasons(response: RecordedResponse) -> list[str | None]:
    documents = [json.loads(event.data) for event in response.events() if event.data != "[DONE]"]
    return [document["choices"][0]["finish_reason"] for document in documents]


async def test_a_reset_after_some_events(double: OpenAIDouble) -> None:
    double.add_fault(Fault(FaultKind.RESET, after_events=4))
    response = await _ask(double, stream=True)
    assert len(response.events()) == 4
    assert not response.complete


async def test_a_connection_closed_before_the_last_chunk(double: OpenAIDouble) -> None:
    double.add_fault(Fault(FaultKind.TRUNCATE, after_events=4))
    response = await _ask(double, stream=True)
    assert len(response.events()) == 4
    assert not response.complete


async def test_a_clean_end_without_done(double: OpenAIDouble) -> None:
    double.add_fault(Fault(FaultKind.EARLY_END, after_events=4))
    response = await _ask(double, stream=True)
    assert response.complete
    assert _reasons(response) == [None] * 4


async def test_a_fault_strikes_before_an_answer_that_is_shorter(double: OpenAIDouble) -> None:
    double.add_fault(Fault(FaultKind.EARLY_END, after_events=1000))
    response = await _ask(double, stream=True)
    assert set(_reasons(response)) == {None}


async def test_an_abort_within_a_stream(double: OpenAIDouble) -> None:
    double.add_fault(Fault(FaultKind.ABORT))
    response = await _ask(double, stream=True)
    assert _reasons(response) == [None, None, None, "abort"]
    assert response.events()[-1].data == "[DONE]"


async def test_an_error_within_a_200(double: OpenAIDouble) -> None:
    double.add_fault(Fault(FaultKind.ENGINE_ERROR))
    response = await _ask(double, stream=True)
    assert response.status == 200
    assert json.loads(response.events()[-2].data)["error"]["code"] == 500
    assert response.events()[-1].data == "[DONE]"
    assert response.complete


@pytest.mark.parametrize(
    ("kind", "status"), [(FaultKind.ABORT, 200), (FaultKind.ENGINE_ERROR, 500)]
)
async def test_the_engines_faults_in_a_document(
    double: OpenAIDouble, kind: FaultKind, status: int
) -> None:
    double.add_fault(Fault(kind))
    response = await _ask(double)
    assert response.status == status
    if status == 200:
        assert json.loads(response.body)["choices"][0]["finish_reason"] == "abort"


async def test_a_document_cut_in_its_middle(double: OpenAIDouble) -> None:
    double.add_fault(Fault(FaultKind.TRUNCATE))
    response = await _ask(double)
    assert not response.complete
    assert response.body.startswith(b'{"id"')


@pytest.mark.parametrize("kind", [FaultKind.RESET, FaultKind.HANG_UP])
async def test_a_connection_lost_before_the_first_byte(
    double: OpenAIDouble, kind: FaultKind
) -> None:
    double.add_fault(Fault(kind))
    with pytest.raises(ConnectionError):
        await _ask(double)
    assert (await _ask(double)).status == 200


async def test_a_frozen_stream_says_nothing_until_the_server_ends(double: OpenAIDouble) -> None:
    double.add_fault(Fault(FaultKind.FREEZE, after_events=0))
    asking = asyncio.create_task(_ask(double, stream=True))
    await double.wait_until(lambda: double.running == 1)
    await asyncio.sleep(0.02)
    assert not asking.done()
    await double.stop()
    response = await asking
    assert (response.status, response.body, response.complete) == (200, b"", False)


async def test_a_frozen_document_says_nothing_until_the_client_leaves(
    double: OpenAIDouble,
) -> None:
    double.add_fault(Fault(FaultKind.FREEZE))
    asking = asyncio.create_task(_ask(double))
    await double.wait_until(lambda: double.running == 1)
    asking.cancel()
    await double.wait_until_idle()
    assert double.cancelled == 1


@pytest.mark.parametrize(
    ("status", "content_type"),
    [
        (429, "application/json"),
        (500, "application/json"),
        (502, "text/html"),
        (503, "application/json"),
    ],
)
async def test_another_status(double: OpenAIDouble, status: int, content_type: str) -> None:
    double.add_fault(Fault(FaultKind.STATUS, status=status, retry_after=7))
    response = await _ask(double, stream=True)
    assert response.status == status
    assert response.header("content-type") == content_type
    assert response.header("retry-after") == "7"
    assert double.completions == 0


async def test_a_delay_before_the_headers(double: OpenAIDouble) -> None:
    double.add_fault(Fault(FaultKind.DELAY, seconds=0.1))
    started = asyncio.get_running_loop().time()
    response = await _ask(double)
    assert asyncio.get_running_loop().time() - started >= 0.09
    assert response.status == 200


async def test_json_although_events_were_asked_for(double: OpenAIDouble) -> None:
    double.add_fault(Fault(FaultKind.JSON_FOR_STREAM))
    response = await _ask(double, stream=True)
    assert response.header("content-type") == "application/json"
    assert json.loads(response.body)["object"] == "chat.completion"


@pytest.mark.parametrize("stream", [True, False])
async def test_a_connection_closed_under_a_client_that_would_keep_it(
    double: OpenAIDouble, *, stream: bool
) -> None:
    double.add_fault(Fault(FaultKind.CLOSE_AFTER))
    reader, writer = await asyncio.open_connection("127.0.0.1", double.port)
    writer.write(_request(stream=stream).encode())
    response = await read_response(reader)
    assert response.complete
    assert response.header("connection") is None
    assert await reader.read() == b""
    writer.close()


async def test_a_fault_for_a_path_that_does_not_generate(double: OpenAIDouble) -> None:
    double.add_fault(Fault(FaultKind.STATUS, status=502, path="/health"))
    request = replace(_request(), method="GET", path="/health")
    assert (await exchange("127.0.0.1", double.port, request)).status == 502
    assert (await exchange("127.0.0.1", double.port, request)).status == 200


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/responses", "/v1/messages"])
async def test_faults_strike_every_endpoint_that_generates(double: OpenAIDouble, path: str) -> None:
    for kind in (FaultKind.ABORT, FaultKind.ENGINE_ERROR):
        double.add_fault(Fault(kind))
        fields = {"prompt": "a", "input": "a", "max_tokens": 99, "stream": True}
        response = await exchange("127.0.0.1", double.port, _request(path, **fields))
        assert (response.status, response.complete) == (200, True)
        assert ("EngineCore" in response.body.decode()) == (kind is FaultKind.ENGINE_ERROR)


async def test_answers_take_the_time_of_their_tokens() -> None:
    double = OpenAIDouble(OpenAIDoubleConfig(tokens_per_second=100, endless=True))
    await double.start()
    for stream in (True, False):
        started = asyncio.get_running_loop().time()
        await _ask(double, stream=stream, max_tokens=20)
        assert 0.18 < asyncio.get_running_loop().time() - started < 5
    await double.stop()
