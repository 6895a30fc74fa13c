from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from podman_llm.core.pod import Phase, PodRecord, Sleep, StopReason
from podman_llm.proxy.targets import FixedTarget, RecordTargets
from podman_llm.state.owner import load_or_create_owner, pod_key
from podman_llm.state.paths import StatePaths
from podman_llm.state.store import Failure, PodState, StateStore
from podman_llm.testing.clock import FakeClock
from tests.samples import NOW, SPEC, a_record


class House:
    """A state directory with a writer and a reader."""

    def __init__(self, root: Path) -> None:
        self.clock = FakeClock(NOW + 41)
        self.paths = StatePaths(root)
        self.paths.ensure()
        self.owner = load_or_create_owner(self.paths, token=os.urandom)
        self.store = StateStore(self.paths, self.clock)
        self.targets = RecordTargets(self.paths, self.clock)

    def save(self, state: PodState) -> None:
        self.store.save(state)
        self.clock.advance(0.1)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path / "state")


def test_without_a_record_there_is_no_pod(house: House) -> None:
    target = house.targets.snapshot()
    assert (target.pod_state, target.url, target.model_tag) == ("NONE", None, "")
    assert target.is_over
    assert "podman-llm up" in target.message


def test_a_ready_pod_serves_with_its_own_key(house: House) -> None:
    record = a_record(endpoint="http://127.0.0.1:1/pod/")
    house.save(PodState(current=record))
    target = house.targets.snapshot()
    assert (target.pod_state, target.url) == ("READY", "http://127.0.0.1:1/pod")
    assert target.api_key == pod_key(house.owner, record.name)
    assert target.served_by == "pod/pod123"
    assert target.model_tag == SPEC.model_tag
    assert target.deadline == record.soft_deadline
    assert target.served_names == SPEC.served_names


def test_a_pod_without_a_key_gets_none(house: House) -> None:
    house.save(PodState(current=a_record(keyed=False)))
    assert house.targets.snapshot().api_key is None


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.READY])
def test_in_every_other_phase_nobody_serves_and_the_message_says_why(
    house: House, phase: Phase
) -> None:
    house.save(PodState(current=a_record(phase)))
    target = house.targets.snapshot()
    assert (target.url, target.pod_state) == (None, phase)
    assert phase in target.message
    assert 1 <= target.retry_after <= 60
    assert target.model_tag == SPEC.model_tag


def test_a_booting_pod_counts_its_seconds(house: House) -> None:
    house.save(PodState(current=a_record(Phase.BOOTING)))
    assert house.targets.snapshot().message == (
        "The pod is BOOTING (model not answering yet), 41 s so far; try again in 5 s."
    )
    house.clock.advance(10)
    assert "51 s so far" in house.targets.snapshot().message


def test_a_pod_that_ended_says_why_and_how_to_go_on(house: House) -> None:
    house.save(PodState(current=a_record(Phase.DONE, reason=StopReason.EXPIRY)))
    assert house.targets.snapshot().message == (
        "The pod is DONE (expiry); start one with `podman-llm up`."
    )


@pytest.mark.parametrize(
    ("phase", "reason", "is_over"),
    [
        (Phase.DONE, StopReason.EXPIRY, True),
        (Phase.STOPPING, StopReason.USER, True),
        (Phase.STOPPING, StopReason.EXITED, False),
        (Phase.DONE, StopReason.LOST, False),
        (Phase.BOOTING, None, False),
    ],
)
def test_a_pod_that_another_one_follows_is_not_over(
    house: House, phase: Phase, reason: StopReason | None, is_over: bool
) -> None:
    house.save(PodState(current=a_record(phase, reason=reason)))
    assert house.targets.snapshot().is_over == is_over


@pytest.mark.parametrize("current", [None, a_record(Phase.DONE, reason=StopReason.LOST)])
def test_after_an_up_that_failed_nothing_comes_by_itself(
    house: House, current: PodRecord | None
) -> None:
    failure = Failure(1, 5, "No GPU is free.", "Try another one.", NOW)
    house.save(PodState(current=current, failure=failure))
    assert house.targets.snapshot().is_over


SLEEP = Sleep(1, NOW, a_record().intent, cold_start=48.2)


def test_a_pod_that_sleeps_comes_for_who_wants_it(house: House) -> None:
    house.save(PodState(current=a_record(Phase.DONE, reason=StopReason.IDLE), sleep=SLEEP))
    target = house.targets.snapshot()
    assert (target.url, target.is_coming, target.retry_after) == (None, False, 49)
    assert not target.is_over
    assert target.message == "The pod sleeps; a request for it starts it."
    assert target.wakes == "The pod sleeps; it is being started for this request."
    assert target.served_names == SPEC.served_names


def test_a_pod_that_was_not_to_be_had_is_tried_again(house: House) -> None:
    failure = Failure(1, 5, "No GPU is free.", "Try another one.", NOW)
    record = a_record(Phase.DONE, reason=StopReason.IDLE)
    house.save(PodState(current=record, sleep=SLEEP, failure=failure))
    assert house.targets.snapshot().wakes == (
        "The pod sleeps; it was not to be had (No GPU is free.) and is tried again "
        "for this request."
    )


def test_a_pod_that_is_being_put_to_sleep_comes_again(house: House) -> None:
    house.save(PodState(current=a_record(Phase.STOPPING, reason=StopReason.IDLE), sleep=SLEEP))
    target = house.targets.snapshot()
    assert target.wakes == ("The pod sleeps (being ended); it is being started for this request.")


def test_a_pod_that_is_being_woken_comes_as_any_other_while_somebody_wants_it(
    house: House,
) -> None:
    house.save(PodState(current=a_record(Phase.INTENT), sleep=SLEEP))
    target = house.targets.snapshot()
    assert target.is_coming
    assert (
        target.wakes
        == target.message
        == ("The pod is INTENT (about to be asked for), 41 s so far; try again in 5 s.")
    )


def test_a_pod_that_no_request_wakes_is_not_waited_for(house: House) -> None:
    sleep = replace(SLEEP, why_not="waking it failed")
    house.save(PodState(current=a_record(Phase.DONE, reason=StopReason.IDLE), sleep=sleep))
    target = house.targets.snapshot()
    assert (target.is_coming, target.wakes) == (False, "")
    assert target.message == "The pod is DONE (idle); start one with `podman-llm up`."


@pytest.mark.parametrize("reason", [StopReason.IDLE, StopReason.USER, StopReason.PRICE])
def test_a_pod_that_goes_for_good_is_not_to_be_asked_again(
    house: House, reason: StopReason
) -> None:
    house.save(PodState(current=a_record(Phase.STOPPING, reason=reason)))
    message = house.targets.snapshot().message
    assert ("podman-llm up" in message) is (reason is not StopReason.PRICE)
    assert ("try again" in message) is (reason is StopReason.PRICE)


@pytest.mark.parametrize("current", [None, a_record(Phase.DONE)])
def test_why_the_last_start_failed_is_told(house: House, current: object) -> None:
    failure = Failure(1, 5, "No GPU is free.", "Try another one.", NOW)
    house.save(PodState(current=current, failure=failure))  # type: ignore[arg-type]  # parametrised
    target = house.targets.snapshot()
    assert target.url is None
    assert target.message == "The last `up` failed: No GPU is free. Try another one."


def test_a_new_record_is_seen_within_a_tenth_of_a_second(house: House) -> None:
    house.save(PodState(current=a_record(Phase.BOOTING)))
    assert house.targets.snapshot().url is None
    house.store.save(PodState(current=a_record(Phase.READY)))
    assert house.targets.snapshot().url is None
    house.clock.advance(0.1)
    assert house.targets.snapshot().url is not None


def test_an_unchanged_file_is_read_once(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.save(PodState(current=a_record()))
    first = house.targets.snapshot()
    monkeypatch.setattr("podman_llm.proxy.targets.read_pod_state", None)
    for _ in range(3):
        house.clock.advance(1)
        assert house.targets.snapshot() is first


def test_unreadable_state_is_unknown_and_never_no_pod(house: House) -> None:
    house.save(PodState(current=a_record()))
    house.save(PodState(current=a_record()))
    for path in (house.paths.pod_state, house.paths.previous_pod_state):
        path.write_text("{}")
    target = house.targets.snapshot()
    assert (target.pod_state, target.url) == ("UNKNOWN", None)
    assert "unknown" in target.message
    house.save(PodState(current=a_record()))
    assert house.targets.snapshot().pod_state == "READY"


@pytest.mark.parametrize("url", ["http://h:1/v1", "http://h:1/v1/", "http://h:1", "http://h:1/"])
def test_a_fixed_target_is_always_there(url: str) -> None:
    target = FixedTarget(url, api_key="k").snapshot()
    assert not target.is_rented
    assert (target.url, target.api_key, target.pod_state) == ("http://h:1", "k", "EXTERNAL")
    assert target.served_by == "endpoint/h:1"


def test_a_fixed_target_tells_nobody_the_password_in_its_url() -> None:
    assert "pw" not in FixedTarget("http://me:pw@h:1/v1").snapshot().served_by
