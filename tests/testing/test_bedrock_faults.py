from __future__ import annotations

import pytest

from podman_llm.testing.bedrock_faults import (
    BedrockFault,
    BedrockFaultKind,
    BedrockFaultQueue,
    fault_from,
)


def test_faults_strike_in_order_and_as_often_as_asked() -> None:
    queue = BedrockFaultQueue()
    first, second = BedrockFault(BedrockFaultKind.HTML, 2), BedrockFault(BedrockFaultKind.HANG_UP)
    queue.add(first)
    queue.add(second)
    struck = [queue.take(is_stream=False) for _ in range(4)]
    assert [fault and fault.kind for fault in struck] == [
        BedrockFaultKind.HTML,
        BedrockFaultKind.HTML,
        BedrockFaultKind.HANG_UP,
        None,
    ]


def test_what_breaks_streams_waits_for_one() -> None:
    queue = BedrockFaultQueue()
    queue.add(BedrockFault(BedrockFaultKind.EARLY_END))
    assert queue.take(is_stream=False) is None
    assert queue.take(is_stream=True) is not None


def test_a_reset_strikes_documents_too() -> None:
    queue = BedrockFaultQueue()
    queue.add(BedrockFault(BedrockFaultKind.RESET))
    assert queue.take(is_stream=False) is not None


def test_cleared_faults_do_not_strike() -> None:
    queue = BedrockFaultQueue()
    queue.add(BedrockFault(BedrockFaultKind.HTML))
    queue.clear()
    assert queue.take(is_stream=True) is None


def test_a_document_orders_a_fault() -> None:
    ordered = fault_from({"kind": "stream_exception", "after_events": 0, "original_status": 500})
    assert ordered.is_inner
    assert ordered.fields == {"originalStatusCode": 500}
    assert BedrockFault(BedrockFaultKind.HTML).fields == {}


@pytest.mark.parametrize("order", [[], {}, {"kind": "odd"}, {"kind": "html", "often": 2}])
def test_an_order_that_makes_no_sense_is_refused(order: object) -> None:
    with pytest.raises(ValueError):
        fault_from(order)
