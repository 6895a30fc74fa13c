"""How faults break answers, read from the wire; the server's test says what boto3 makes of them."""

from __future__ import annotations

import time

import pytest
import requests

from podman_llm.testing.bedrock_faults import BedrockFault, BedrockFaultKind
from podman_llm.testing.bedrock_frames import event_frame
from podman_llm.testing.bedrock_server import BedrockDouble
from podman_llm.testing.server_thread import ServerThread

BODY = {"messages": [{"role": "user", "content": [{"text": "hello"}]}]}


def post(double: BedrockDouble, fault: BedrockFault, *, is_stream: bool) -> requests.Response:
    double.add_fault(fault)
    action = "converse-stream" if is_stream else "converse"
    return requests.post(
        f"{double.url}/model/m/{action}",
        json=BODY,
        headers={"Authorization": f"Bearer {double.config.api_key}"},
        timeout=5,
        stream=True,
    )


def test_a_proxy_in_between_answers_with_a_page() -> None:
    with ServerThread(BedrockDouble()) as thread:
        fault = BedrockFault(BedrockFaultKind.HTML, status=503)
        answer = post(thread.server, fault, is_stream=True)
        assert (answer.status_code, answer.headers["content-type"]) == (
            503,
            "text/html; charset=utf-8",
        )
        assert not thread.server.requests


def test_an_exception_may_tell_when_to_come_back() -> None:
    with ServerThread(BedrockDouble()) as thread:
        fault = BedrockFault(BedrockFaultKind.EXCEPTION, retry_after=9)
        answer = post(thread.server, fault, is_stream=False)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "9")


def test_a_delay_delays() -> None:
    with ServerThread(BedrockDouble()) as thread:
        began = time.monotonic()
        fault = BedrockFault(BedrockFaultKind.DELAY, seconds=0.2)
        assert post(thread.server, fault, is_stream=False).json()["stopReason"] == "end_turn"
        assert time.monotonic() - began >= 0.2


def test_hanging_up_sends_no_byte() -> None:
    with ServerThread(BedrockDouble()) as thread, pytest.raises(requests.ConnectionError):
        post(thread.server, BedrockFault(BedrockFaultKind.HANG_UP), is_stream=True)


@pytest.mark.parametrize("is_stream", [True, False])
def test_a_reset_breaks_what_had_begun(is_stream: bool) -> None:
    with ServerThread(BedrockDouble()) as thread, pytest.raises(requests.RequestException):
        _ = post(thread.server, BedrockFault(BedrockFaultKind.RESET), is_stream=is_stream).content


@pytest.mark.parametrize("after", [0, 1])
def test_an_early_end_ends_after_the_events_told(after: int) -> None:
    with ServerThread(BedrockDouble()) as thread:
        fault = BedrockFault(BedrockFaultKind.EARLY_END, after_events=after)
        expected = event_frame("messageStart", {"role": "assistant"}) * after
        assert post(thread.server, fault, is_stream=True).content == expected


def test_half_an_event_is_half_of_one() -> None:
    with ServerThread(BedrockDouble()) as thread:
        fault = BedrockFault(BedrockFaultKind.HALF_EVENT, after_events=0)
        half = post(thread.server, fault, is_stream=True).content
        assert 0 < len(half) < int.from_bytes(half[:4], "big")


def test_what_is_frozen_ends_with_the_double() -> None:
    with ServerThread(BedrockDouble()) as thread:
        answer = post(thread.server, BedrockFault(BedrockFaultKind.FREEZE), is_stream=True)
        assert answer.raw.read(1)
        thread.call(thread.server.stop())
        assert answer.raw.read()
