"""Faults are queued, taken in order, and read from JSON with care."""

from __future__ import annotations

import pytest

from podman_llm.testing.openai_faults import (
    BadFault,
    Fault,
    FaultKind,
    FaultQueue,
    fault_from,
    status_page,
)

_CHAT = "/v1/chat/completions"


def test_a_fault_strikes_as_often_as_told_and_then_the_next_one() -> None:
    queue = FaultQueue()
    queue.add(Fault(FaultKind.RESET, times=2))
    queue.add(Fault(FaultKind.ABORT))
    kinds = [fault.kind if fault else None for fault in _take(queue, _CHAT, 4)]
    assert kinds == [FaultKind.RESET, FaultKind.RESET, FaultKind.ABORT, None]


def _take(queue: FaultQueue, path: str, times: int) -> list[Fault | None]:
    return [queue.take(path, generates=True) for _ in range(times)]


def test_a_fault_with_a_path_waits_for_it() -> None:
    queue = FaultQueue()
    queue.add(Fault(FaultKind.STATUS, path="/health"))
    assert queue.take(_CHAT, generates=True) is None
    assert queue.take("/health", generates=False) is not None


def test_a_fault_without_a_path_spares_what_does_not_generate() -> None:
    queue = FaultQueue()
    queue.add(Fault(FaultKind.STATUS))
    assert queue.take("/health", generates=False) is None
    queue.clear()
    assert queue.pending() == ()


def test_a_fault_is_read_from_json() -> None:
    fault = fault_from({"kind": "status", "status": 503, "retry_after": 2})
    assert fault == Fault(FaultKind.STATUS, status=503, retry_after=2)


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"kind": "explode"}, "known are status"),
        ({"kind": "reset", "afterr": 1}, "unknown afterr"),
        ({"kind": "status", "status": "503"}, "status is '503'; expected"),
        ({}, "kind is None"),
        ([], "a fault is an object"),
    ],
)
def test_a_wrong_fault_is_told_what_is_known(document: object, told: str) -> None:
    with pytest.raises(BadFault, match=told):
        fault_from(document)


def test_vllm_answers_json_and_a_gateway_html() -> None:
    assert status_page(429)[0] == "application/json"
    content_type, page = status_page(502)
    assert content_type == "text/html"
    assert "502: Bad gateway" in str(page)
