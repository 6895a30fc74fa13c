from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from podman_llm.core import lease, naming
from podman_llm.core.deeds import Planned
from podman_llm.core.pod import CLOSED, ClockReading, Phase, RateInterval
from podman_llm.core.rebuild import after_restart, taken_over
from podman_llm.core.sight import PodSight
from tests.core.worlds import (
    L4,
    L40S,
    MARKS,
    NAME,
    SPEC,
    START,
    UP,
    listed,
    reading,
    record_in,
    sight_of,
    world_with,
)

PLAN = Planned(SPEC, (L40S, L4))


@pytest.mark.parametrize("phase", sorted(set(Phase) - CLOSED))
@pytest.mark.parametrize("is_older", [False, True])
def test_only_readiness_and_lost_fences_are_not_taken_as_read(phase: Phase, is_older: bool) -> None:
    record = record_in(phase)
    after = after_restart(record, reading(9), is_older=is_older)
    if phase in {Phase.READY, Phase.DEGRADED}:
        assert after.phase is Phase.BOOTING
    elif is_older and phase in {Phase.INTENT, Phase.SENT}:
        assert after.phase is Phase.UNRESOLVED
    else:
        assert after == record


@pytest.mark.parametrize("phase", [Phase.INTENT, Phase.SENT])
def test_the_time_in_which_a_lost_request_may_appear_begins_now(phase: Phase) -> None:
    after = after_restart(record_in(phase), reading(9), is_older=True)
    assert after.sent == reading(9)
    assert after.rates[0].since <= record_in(phase).intent.wall, "its cost may begin earlier"
    assert after.transitions[-1].at == START + 9


def test_a_restart_keeps_what_was_promised() -> None:
    record = record_in(Phase.READY)
    after = after_restart(record, reading(9), is_older=False)
    assert replace(after, phase=record.phase, transitions=record.transitions) == record


def test_a_reboot_ties_the_pods_time_to_the_new_boot() -> None:
    rebooted = ClockReading(START + 60, 5.0, "boot-2")
    after = after_restart(record_in(Phase.BOOTING), rebooted, is_older=False)
    assert after.intent.boot_id == "boot-2"
    assert lease.steady_time(after, replace(rebooted, wall=0.0, boottime=8.0)) == START + 63


def test_a_live_pod_is_taken_over_with_its_own_deadline() -> None:
    pod = sight_of(created_at=START - 600, env={**MARKS, naming.ATTEMPT_MARK: "2"})
    record = taken_over(world_with(None, view=listed(pod)), PLAN)
    assert record
    assert (record.phase, record.pod_id, record.name) == (Phase.PROVISIONING, "pod1", NAME)
    assert (record.generation, record.attempt, record.spec) == (1, 2, SPEC)
    assert (record.hard_deadline, record.soft_deadline) == (START + 10800, START + 3000)
    assert record.candidate == L4
    assert record.rates == (RateInterval(START - 600, 0.5),)
    assert not record.keyed
    assert record.asked_model == UP.model


def test_its_time_goes_on_from_when_it_was_created() -> None:
    pod = sight_of(created_at=START - 600)
    record = taken_over(world_with(None, view=listed(pod)), PLAN)
    assert record
    assert lease.pod_time(record, reading(60)) == START + 60
    assert lease.elapsed(record.intent, reading(60)) == 660


def test_its_deadline_is_never_after_the_one_in_its_name() -> None:
    name = naming.make(owner="abc234", model="tiny", token="b" * 12, deadline=START + 60)
    pod = sight_of(name=name, env={**MARKS, naming.INTENT_MARK: name})
    record = taken_over(world_with(None, view=listed(pod)), PLAN)
    assert record
    assert record.soft_deadline == record.hard_deadline == START + 60


def test_what_it_does_not_tell_comes_from_the_plan() -> None:
    mute = sight_of(
        created_at=None,
        gpu_id=None,
        gpu_count=0,
        cloud=None,
        cost_per_hour=None,
        env={**MARKS, naming.KEY_MARK: "0" * 64, naming.ATTEMPT_MARK: "many"},
    )
    record = taken_over(world_with(None, view=listed(mute), after=5), PLAN)
    assert record
    assert record.candidate == replace(L40S, data_center_id=None)
    assert (record.intent, record.attempt, record.keyed) == (reading(5), 1, True)


def test_a_gpu_that_is_in_no_plan_is_called_by_its_id() -> None:
    record = taken_over(world_with(None, view=listed(sight_of(gpu_id="H200"))), PLAN)
    assert record
    assert (record.candidate.gpu_id, record.candidate.gpu_name) == ("H200", "H200")


def test_a_creation_in_the_future_is_now() -> None:
    record = taken_over(world_with(None, view=listed(sight_of(created_at=START + 99))), PLAN)
    assert record
    assert record.intent.wall == START


@pytest.mark.parametrize(
    "pods",
    [(), (sight_of(env={**MARKS, "PLLM_MODEL": "other"}),), (sight_of(env={}),)],
)
def test_nothing_else_is_taken_over(pods: tuple[PodSight, ...]) -> None:
    assert taken_over(world_with(None, view=listed(*pods)), PLAN) is None


def test_the_oldest_of_several_is_taken() -> None:
    pods: Any = (sight_of(pod_id="pod2", created_at=START + 1), sight_of())
    record = taken_over(world_with(None, view=listed(*pods), after=60), PLAN)
    assert record
    assert record.pod_id == "pod1"


def test_a_pod_that_was_named_is_taken_or_none_and_has_its_whole_time_from_now() -> None:
    old = sight_of(created_at=START - 3000)
    wish = replace(UP, adopt="pod1")
    record = taken_over(world_with(None, view=listed(old), wish=wish), PLAN)
    assert record
    assert record.soft_deadline == START + 3600
    assert record.taken_over_at == START
    other = replace(UP, adopt="pod2")
    assert taken_over(world_with(None, view=listed(old), wish=other), PLAN) is None
