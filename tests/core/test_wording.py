from __future__ import annotations

import pytest

from podman_llm.core import wording
from podman_llm.core.pod import Phase
from tests.core.worlds import L4, L40S, NAME, START, record_in


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-3, "0 s"),
        (0.4, "0 s"),
        (41, "41 s"),
        (119, "119 s"),
        (120, "2 min"),
        (1830, "30 min"),
        (7199, "119 min"),
        (11100, "3 h 05 min"),
    ],
)
def test_seconds_are_told_in_the_unit_that_people_use(seconds: float, words: str) -> None:
    assert wording.duration(seconds) == words


def test_few_dollars_are_told_more_finely() -> None:
    assert (wording.money(0.0061), wording.money(1.838)) == ("$0.0061", "$1.84")


def test_a_place_is_gpu_cloud_and_centre() -> None:
    assert wording.place(L4) == "NVIDIA L4 (SECURE)"
    assert wording.place(L40S) == "2x NVIDIA L40S (COMMUNITY, EU-RO-1)"


def test_a_pod_is_called_by_its_id_and_all_its_gpus() -> None:
    record = record_in(Phase.READY, candidate=L40S)
    assert wording.subject(record) == "pod pod1 on 2x NVIDIA L40S"


def test_progress_tells_phase_pod_time_and_money() -> None:
    record = record_in(Phase.BOOTING)
    line = wording.progress(record, START + 41, "model not answering yet (/health unreachable)")
    assert line == (
        "BOOTING pod pod1 on NVIDIA L4: model not answering yet (/health unreachable), "
        "41 s, $0.0057 so far"
    )


def test_before_anything_is_sent_there_is_no_money_to_tell() -> None:
    line = wording.progress(record_in(Phase.INTENT), START, "planned")
    assert line == f"INTENT pod {NAME} on NVIDIA L4: planned, 0 s"
