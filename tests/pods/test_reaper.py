"""The reaper beside a cloud whose pods everybody has forgotten."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from podman_llm.core.pod import Phase, PodRecord
from podman_llm.core.sight import Terminated
from podman_llm.errors import ProviderUnreachable
from podman_llm.pods.reaper import PATIENCE, Fate, Finding, Home, OrphansUnknown, Reaper
from podman_llm.testing.cloud import ListFault
from tests.pods.house import OWNER, House, ready_house

OURS = frozenset({OWNER.id})


def abandoned(after: float = 6 * 3600.0) -> House:
    """A house whose daemon is gone for good, that long after its pod's start; 6 h is overdue."""
    house = ready_house()
    house.clock.advance(after)
    return house


def reaper(house: House) -> Reaper:
    return Reaper(house.cloud, house.clock, settle=20.0)


def reap(house: House, home: Home | None = None) -> tuple[Finding, ...]:
    one = reaper(house)
    return one.end(one.find(OURS, home), home)


def home_of(house: House, record: PodRecord | None) -> Home:
    return Home(OWNER.id, lambda: record, 180.0)


def test_a_pod_past_its_deadline_is_ended_and_proved_gone() -> None:
    house = abandoned()
    (found,) = reap(house)
    assert (found.pod_id, found.fate) == ("pod1", Fate.ENDED)
    assert "past its deadline by" in found.why
    assert house.cloud.live() == []


def test_a_pod_within_its_deadline_is_left_in_peace() -> None:
    house = abandoned(after=3600.0)
    assert reap(house) == ()
    assert house.cloud.terminated == []


def test_looking_ends_nothing() -> None:
    house = abandoned()
    (found,) = reaper(house).find(OURS, None)
    assert found.fate is Fate.FOUND
    assert house.cloud.terminated == []


def test_without_a_complete_list_nothing_is_done() -> None:
    house = abandoned()
    house.cloud.list_faults.append(ListFault.ERROR)
    with pytest.raises(ProviderUnreachable, match="no complete list"):
        reap(house)
    assert house.cloud.terminated == []


def test_an_empty_list_is_asked_for_again() -> None:
    house = abandoned()
    house.cloud.list_faults.append(ListFault.EMPTY)
    (found,) = reap(house)
    assert found.fate is Fate.ENDED


def test_a_list_that_contradicts_the_record_ends_nothing() -> None:
    house = abandoned()
    house.cloud._make(house.cloud.requests[0], 0.0)
    record = replace(house.record, pod_id="pod2")
    house.cloud.list_faults.append(ListFault.PARTIAL)
    with pytest.raises(ProviderUnreachable, match="lacks pod pod2"):
        reap(house, home_of(house, record))
    assert house.cloud.terminated == []


def test_a_pod_whose_marks_were_edited_is_named_and_left_alone() -> None:
    house = abandoned()
    house.cloud.pods[0].request.env["PLLM_OWNER"] = "xyz234"
    (found,) = reap(house)
    assert found.fate is Fate.LEFT_ALONE
    assert house.cloud.terminated == []


def test_an_order_that_fails_is_given_again() -> None:
    house = abandoned()
    house.cloud.failing_deletes, house.cloud.ignored_deletes = 2, 2
    (found,) = reap(house)
    assert found.fate is Fate.ENDED


def test_what_does_not_end_in_time_is_named_with_the_reason() -> None:
    house = abandoned()
    house.cloud.failing_deletes = 10_000
    began = house.clock.monotonic()
    (found,) = reap(house)
    assert (found.fate, found.detail) == (Fate.MAY_BILL, "500 Internal Server Error")
    assert house.clock.monotonic() - began <= PATIENCE + 20


def test_a_404_on_an_order_is_no_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    house = abandoned()
    monkeypatch.setattr(house.cloud, "terminate", lambda _: Terminated(404))
    (found,) = reap(house)
    assert found.fate is Fate.MAY_BILL
    assert house.cloud.live()


def test_absence_on_one_list_is_no_proof() -> None:
    house = abandoned()
    seen: list[float] = []
    lists = house.cloud.list_pods

    def watched() -> Any:
        seen.append(house.clock.monotonic())
        return lists()

    object.__setattr__(house.cloud, "list_pods", watched)
    assert [found.fate for found in reap(house)] == [Fate.ENDED]
    assert seen[-1] - seen[1] >= 20


# Orphans ---------------------------------------------------------------------------------------


def test_beside_the_state_a_pod_in_no_record_is_ended() -> None:
    house = abandoned(after=200.0)
    done = replace(house.record, phase=Phase.DONE)
    (found,) = reap(house, home_of(house, done))
    assert (found.fate, found.why) == (Fate.ENDED, "of ours, and in no record")


def test_a_young_pod_in_no_record_may_be_recorded_yet() -> None:
    house = abandoned(after=60.0)
    assert reap(house, home_of(house, None)) == ()
    assert house.cloud.live()


@pytest.mark.parametrize("by_id", [False, True], ids=["by name", "by id"])
def test_a_pod_that_is_adopted_before_it_is_ended_lives_on(by_id: bool) -> None:
    house = abandoned(after=200.0)
    nothing = [None]
    record = house.record if by_id else replace(house.record, pod_id=None, phase=Phase.UNRESOLVED)
    home = Home(OWNER.id, lambda: nothing.pop() if nothing else record, 180.0)
    assert reap(house, home) == ()
    assert house.cloud.terminated == []


def test_a_past_that_is_lost_before_the_end_ends_no_stray() -> None:
    house = abandoned(after=200.0)
    nothing = [None]

    def record() -> PodRecord | None:
        if nothing:
            return nothing.pop()
        raise OrphansUnknown

    assert reap(house, Home(OWNER.id, record, 180.0)) == ()
    assert house.cloud.live()


def test_the_pod_of_the_open_record_is_no_orphan() -> None:
    house = abandoned(after=200.0)
    assert reap(house, home_of(house, house.record)) == ()
    assert house.cloud.live()


@pytest.mark.parametrize("phase", [Phase.INTENT, Phase.SENT, Phase.UNRESOLVED])
def test_while_a_request_is_under_way_orphans_wait_and_deadlines_do_not(phase: Phase) -> None:
    house = abandoned(after=200.0)
    asking = replace(house.record, phase=phase, pod_id=None, name="another")
    assert reap(house, home_of(house, asking)) == ()
    house.clock.advance(6 * 3600)
    (found,) = reap(house, home_of(house, asking))
    assert found.fate is Fate.ENDED


def test_where_the_record_is_lost_only_deadlines_count() -> None:
    def lost() -> PodRecord | None:
        raise OrphansUnknown

    house = abandoned(after=200.0)
    assert reap(house, Home(OWNER.id, lost, 180.0)) == ()
    house.clock.advance(6 * 3600)
    (found,) = reap(house, Home(OWNER.id, lost, 180.0))
    assert found.fate is Fate.ENDED


def test_an_overdue_orphan_is_found_once() -> None:
    house = abandoned()
    assert len(reap(house, home_of(house, None))) == 1
