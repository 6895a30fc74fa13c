from __future__ import annotations

from dataclasses import replace

import pytest

from podman_llm.core.cooling import COOL_FOR, cooling, warm
from podman_llm.core.deeds import Planned
from podman_llm.core.lifecycle import conclude
from podman_llm.core.pod import Phase, StopReason
from tests.core.worlds import L4, L40S, SPEC, START, record_in, world_with

BROKEN = record_in(Phase.DONE, reason=StopReason.BROKEN_HOST, stopping_at=START)
ELSEWHERE = replace(L4, data_center_id="EU-RO-1")


def test_the_place_of_a_broken_host_is_left_alone_for_a_while() -> None:
    assert cooling([BROKEN], START + COOL_FOR - 1) == (L4,)
    assert cooling([BROKEN], START + COOL_FOR) == ()


@pytest.mark.parametrize("reason", [StopReason.USER, StopReason.PROVISION_TIMEOUT, None])
def test_other_ends_say_nothing_of_a_host(reason: StopReason | None) -> None:
    assert cooling([replace(BROKEN, reason=reason)], START) == ()


def test_a_place_is_a_gpu_in_a_cloud_and_a_data_centre() -> None:
    assert warm((L4, ELSEWHERE, L40S), (L4,)) == (ELSEWHERE, L40S)


def test_a_broken_place_is_better_than_none() -> None:
    assert warm((L4,), (L4,)) == (L4,)


def test_the_next_plan_goes_elsewhere() -> None:
    decision = conclude(world_with(None, cold=(L4,)), Planned(SPEC, (L4, L40S)))
    assert decision.book.record
    assert decision.book.record.candidate == L40S
    assert decision.book.record.candidates == ()
