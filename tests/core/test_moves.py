from __future__ import annotations

import pytest

from podman_llm.core.moves import TRANSITIONS_KEPT, advance
from podman_llm.core.pod import ALLOWED, Evidence, IllegalMove, Phase, StopReason
from tests.core.worlds import START, record_in

PROOF = Evidence("absent", START, (1.0, 2.0), (0, 0), 404)


@pytest.mark.parametrize("before", Phase)
@pytest.mark.parametrize("after", Phase)
def test_a_move_is_made_only_if_the_table_has_it(before: Phase, after: Phase) -> None:
    record = record_in(before)

    def move() -> Phase:
        return advance(
            record, after, START + 1, "why", reason=StopReason.USER, evidence=PROOF
        ).phase

    if after in ALLOWED[before]:
        assert move() is after
    else:
        with pytest.raises(IllegalMove, match=f"{before} may not become {after}"):
            move()
    assert record == record_in(before)


def test_each_move_is_noted_with_its_time_and_reason() -> None:
    moved = advance(record_in(Phase.BOOTING), Phase.READY, START + 7, "it answers", ready_at=1.0)
    last = moved.transitions[-1]
    assert (last.phase, last.at, last.note) == (Phase.READY, START + 7, "it answers")
    assert moved.ready_at == 1.0


def test_only_the_latest_moves_are_kept() -> None:
    record = record_in(Phase.READY)
    for step in range(TRANSITIONS_KEPT):
        record = advance(record, Phase.DEGRADED, START + step, "down")
        record = advance(record, Phase.READY, START + step, "up")
    assert len(record.transitions) == TRANSITIONS_KEPT
    assert record.transitions[-1].at == START + TRANSITIONS_KEPT - 1


def test_the_first_reason_stays() -> None:
    draining = advance(
        record_in(Phase.READY),
        Phase.DRAINING,
        START,
        "idle",
        reason=StopReason.IDLE,
        reason_detail="nobody came",
    )
    stopping = advance(
        draining, Phase.STOPPING, START, "end", reason=StopReason.EXPIRY, reason_detail="late"
    )
    assert (stopping.reason, stopping.reason_detail) == (StopReason.IDLE, "nobody came")


def test_no_pod_is_ended_without_a_reason() -> None:
    with pytest.raises(IllegalMove, match="reason"):
        advance(record_in(Phase.READY), Phase.STOPPING, START, "end")


def test_no_pod_is_done_without_evidence() -> None:
    with pytest.raises(IllegalMove, match="evidence"):
        advance(record_in(Phase.VERIFYING), Phase.DONE, START, "gone")
