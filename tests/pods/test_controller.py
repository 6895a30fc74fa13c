"""What the control plane does over time, from wish to evidence, without crashes."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest

from podman_llm.core.naming import LEASE_MARK
from podman_llm.core.pod import Phase, StopReason
from podman_llm.core.sight import NotCreated, PodStatus, Refusal
from podman_llm.errors import ConfigError, NoCapacity, ProviderRefused, ProviderUnreachable
from podman_llm.pods.controller import CALLS_A_TICK
from podman_llm.state.activity import ActivitySummary
from podman_llm.state.owner import pod_key
from podman_llm.testing.cloud import CREATED_5XX, LOST, NOT_5XX, Cloud, ListFault, late, rejected
from tests.pods.house import L4, L40S, OWNER, QUIET, Fuse, House, Wire, ready_house

FULL = NotCreated(Refusal.CAPACITY, "There are no longer any instances available")


def busy(in_flight: int = 1) -> ActivitySummary:
    return replace(QUIET, in_flight=in_flight)


# The straight way ------------------------------------------------------------------------------


def test_up_makes_one_pod_and_down_proves_it_gone() -> None:
    house = ready_house()
    house.down()
    house.run_until_settled()
    assert house.phases() == [
        Phase.INTENT,
        Phase.SENT,
        Phase.PROVISIONING,
        Phase.BOOTING,
        Phase.READY,
        Phase.STOPPING,
        Phase.VERIFYING,
        Phase.DONE,
    ]
    assert house.record.reason is StopReason.USER
    evidence = house.record.evidence
    assert evidence
    assert evidence.get_status == 404
    assert evidence.list_times[-1] - evidence.list_times[0] >= 20
    assert len(house.cloud.pods) == 1
    assert not house.cloud.live()


def test_intent_and_fence_are_on_disk_before_the_request_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = House()
    seen: list[list[Phase | None]] = []
    create = house.cloud.create

    def watched(request: Any) -> Any:
        seen.append([save.current and save.current.phase for save in house.store.saves])
        assert house.record.name == request.name
        return create(request)

    monkeypatch.setattr(house.cloud, "create", watched)
    house.up()
    house.run_to(Phase.PROVISIONING)
    (before,) = seen
    assert before[-2:] == [Phase.INTENT, Phase.SENT]


def test_the_id_is_on_disk_before_anything_else_is_asked() -> None:
    house = House()
    house.up()
    house.tick()
    house.tick()
    assert house.cloud.requests
    assert house.record.pod_id == "pod1"


def test_a_pod_carries_the_marks_and_the_hash_of_a_key_that_is_stored_nowhere() -> None:
    house = ready_house()
    (request,) = house.cloud.requests
    key = pod_key(OWNER, request.name)
    assert request.env == {
        "HF_HUB_OFFLINE": "0",
        "PLLM_OWNER": OWNER.id,
        "PLLM_INTENT": request.name,
        "PLLM_ATTEMPT": "1",
        "PLLM_DEADLINE": str(int(house.record.hard_deadline)),
        "PLLM_MODEL": "tiny",
        "PLLM_KEY_SHA256": hashlib.sha256(key.encode()).hexdigest(),
    }
    assert key not in str(house.store.saves)
    assert house.record.name.endswith(f"-x{int(house.record.hard_deadline)}")


def test_every_tick_says_what_goes_on_with_seconds_and_dollars() -> None:
    house = ready_house()
    told = [note for note in house.notes if note.startswith("BOOTING")]
    assert told[-1] == (
        "BOOTING pod pod1 on NVIDIA L4: model not answering yet (/health unreachable), "
        "20 s, $0.0028 so far"
    )


def test_the_dollars_count_from_the_request_and_follow_the_price_the_provider_tells() -> None:
    house = House()
    house.cloud.price = 0.9
    house.up()
    house.run_to(Phase.READY)
    house.run_for(1800)
    spent = house.record.spent(house.clock.wall())
    assert spent == pytest.approx(house.cloud.bill(), rel=0.01)


def test_down_without_any_pod_needs_a_valid_list() -> None:
    house = House()
    house.cloud.deaf = True
    house.down()
    house.run_for(60)
    assert not house.tick().settled
    house.cloud.deaf = False
    assert house.tick().settled


# Answers that are lost -------------------------------------------------------------------------


@pytest.mark.parametrize("fate", [LOST, CREATED_5XX, NOT_5XX, late(4.0), late(150.0)])
def test_a_lost_answer_ends_with_exactly_one_pod(fate: Any) -> None:
    house = House()
    house.cloud.fates.append(fate)
    house.up()
    house.run_to(Phase.READY)
    assert len(house.cloud.pods) == 1
    assert house.record.pod_id == house.cloud.pods[0].pod_id


def test_a_pod_whose_answer_was_lost_is_adopted_within_a_second() -> None:
    house = House()
    house.cloud.fates.append(CREATED_5XX)
    house.up()
    house.run_to(Phase.PROVISIONING, within=1.0)
    assert len(house.cloud.requests) == 1


def test_an_unclear_answer_is_not_followed_by_the_next_gpu_within_the_quarantine() -> None:
    house = House()
    house.cloud.fates.append(LOST)
    house.up()
    house.run_to(Phase.UNRESOLVED)
    house.run_for(170)
    assert len(house.cloud.requests) == 1
    house.run_to(Phase.READY)
    first, second = house.cloud.requests
    assert first.name != second.name


def test_a_pod_that_comes_after_the_quarantine_is_ended_as_an_orphan() -> None:
    house = House()
    house.cloud.fates.append(late(400.0))
    house.up()
    house.run_to(Phase.READY)
    house.run_for(600)
    assert [pod.request.name for pod in house.cloud.live()] == [house.record.name]
    assert any("which is in no record" in note for note in house.notes)


def test_requests_that_never_get_an_answer_end_in_a_failure() -> None:
    house = House()
    house.cloud.fates.extend([LOST] * 9)
    house.up()
    house.run_until_settled()
    assert len(house.cloud.requests) == 3
    assert house.state.failure
    assert "no clear answer" in house.state.failure.message


def test_down_while_the_answer_is_lost_waits_until_the_pod_can_no_longer_come() -> None:
    house = House()
    house.cloud.fates.append(late(170.0))
    house.up()
    house.run_to(Phase.UNRESOLVED)
    house.down()
    house.run_until_settled()
    assert len(house.cloud.pods) == 1
    assert house.record.pod_id == "pod1"
    assert not house.cloud.live()


def test_down_when_the_lost_request_never_arrived_is_proved_without_an_id() -> None:
    house = House()
    house.cloud.fates.append(LOST)
    house.up()
    house.run_to(Phase.UNRESOLVED)
    asked = house.clock.wall()
    house.down()
    house.run_until_settled()
    assert house.clock.wall() - asked >= 180
    assert house.record.evidence
    assert house.record.evidence.get_status is None


def test_a_second_pod_of_the_same_name_is_ended_and_the_oldest_kept() -> None:
    house = House()
    house.cloud.fates.append(CREATED_5XX)
    house.up()
    house.run_to(Phase.UNRESOLVED)
    house.clock.advance(0.1)
    house.cloud._make(house.cloud.requests[0], 0.0)
    house.run_to(Phase.READY)
    assert [pod.pod_id for pod in house.cloud.live()] == ["pod1"]


# Lists that lie --------------------------------------------------------------------------------


def test_empty_lists_never_start_a_second_pod_nor_end_the_first() -> None:
    house = ready_house()
    house.cloud.list_faults.extend([ListFault.EMPTY] * 20)
    house.run_for(280)
    assert house.phase is Phase.READY
    assert len(house.cloud.requests) == 1


def test_empty_lists_do_not_say_that_a_lost_request_made_nothing() -> None:
    house = House()
    house.cloud.fates.append(CREATED_5XX)
    house.cloud.list_faults.extend([ListFault.EMPTY] * 60)
    house.up()
    house.run_to(Phase.READY)
    assert [pod.pod_id for pod in house.cloud.pods] == ["pod1"]


def test_a_404_alone_is_no_proof_that_a_pod_ended() -> None:
    house = ready_house()
    house.cloud.hidden_for = 10**6
    house.cloud.ignored_deletes = 1
    house.cloud.list_faults.extend([ListFault.ERROR] * 30)
    house.down()
    house.run_until_settled()
    assert house.cloud.terminated.count("pod1") == 2
    assert not house.cloud.live()


def test_empty_lists_are_no_proof_that_a_pod_ended() -> None:
    house = ready_house()
    house.cloud.ignored_deletes = 1
    house.cloud.list_faults.extend([ListFault.EMPTY] * 30)
    house.down()
    house.run_until_settled()
    assert not house.cloud.live()
    assert house.cloud.terminated.count("pod1") == 2


def test_lagging_lists_and_early_404s_delay_but_change_nothing() -> None:
    house = House()
    house.cloud.list_lag = 30.0
    house.cloud.hidden_for = 30.0
    house.up()
    house.run_to(Phase.READY)
    house.down()
    house.run_until_settled()
    assert len(house.cloud.pods) == 1
    assert not house.cloud.live()


def test_down_right_after_the_create_is_not_settled_by_an_early_404() -> None:
    house = House()
    house.cloud.list_lag = 60.0
    house.cloud.hidden_for = 60.0
    house.cloud.ignored_deletes = 1
    house.up()
    house.run_to(Phase.PROVISIONING)
    house.down()
    house.run_until_settled()
    assert not house.cloud.live()


def test_failing_orders_to_end_are_repeated_for_ever_and_said() -> None:
    house = ready_house()
    house.cloud.failing_deletes = 12
    house.down()
    house.run_until_settled()
    assert not house.cloud.live()
    assert any("may still be billing" in note for note in house.notes)


def test_a_provider_that_cannot_be_reached_starts_nothing_and_is_given_up_on() -> None:
    house = House()
    house.cloud.deaf = True
    house.up()
    house.run_until_settled()
    assert not house.cloud.requests
    assert house.state.failure
    assert house.state.failure.exit_code == 6
    assert house.phase is Phase.CANCELLED


def test_a_ready_pod_is_kept_while_the_provider_cannot_be_reached() -> None:
    house = ready_house()
    house.cloud.deaf = True
    house.run_for(900)
    assert house.phase is Phase.READY
    house.cloud.deaf = False
    house.run_for(60)
    assert len(house.cloud.live()) == 1


# Orphans and others' pods ----------------------------------------------------------------------


def test_our_pods_without_a_record_are_ended_and_others_never_touched() -> None:
    house = ready_house()
    ours = house.cloud.requests[0]
    stray = replace(ours, name=ours.name.replace("-000000000001-", "-zzzzzzzzzzzz-"))
    copied = replace(ours, name="somebodys-copy", env=dict(ours.env))
    other_owner = replace(ours, name=stray.name.replace("abc234", "xyz234"))
    house.cloud._make(replace(stray, env={**ours.env, "PLLM_INTENT": stray.name}), 0.0)
    house.cloud._make(replace(stray, env={}), 0.0)
    house.cloud._make(copied, 0.0)
    house.cloud._make(replace(other_owner, env={**ours.env, "PLLM_OWNER": "xyz234"}), 0.0)
    house.run_for(60)
    assert house.cloud.terminated == ["pod2"]
    house.down()
    house.run_until_settled()
    assert [pod.pod_id for pod in house.cloud.live()] == ["pod3", "pod4", "pod5"]


def test_down_is_not_settled_while_an_orphan_refuses_to_end() -> None:
    house = ready_house()
    house.down()
    house.run_until_settled()
    ours = house.cloud.requests[0]
    house.cloud._make(ours, 0.0)
    house.cloud.failing_deletes = 3
    tick = house.tick()
    assert not tick.settled
    assert "may be billing" in tick.note
    settled_at = house.clock.wall()
    house.run_until_settled()
    assert not house.cloud.live()
    assert house.clock.wall() - settled_at >= 20


def test_a_pod_that_turns_out_to_be_anothers_is_left_alone_for_good() -> None:
    house = ready_house()
    pod = house.cloud.pods[0]
    pod.request = replace(pod.request, env={**pod.request.env, "PLLM_OWNER": "xyz234"})
    house.run_until_settled()
    assert house.phase is Phase.DISOWNED
    assert house.state.failure
    assert house.state.failure.exit_code == 7
    house.down()
    house.run_until_settled()
    assert not house.cloud.terminated


# Wishes that change ----------------------------------------------------------------------------


def test_a_second_up_follows_the_pod_there_is() -> None:
    house = ready_house()
    deadline = house.record.soft_deadline
    house.up()
    house.run_for(60)
    assert house.record.generation == 2
    assert house.record.soft_deadline == deadline
    assert len(house.cloud.requests) == 1


def test_another_model_replaces_the_pod_after_the_first_is_proved_gone() -> None:
    house = ready_house()
    house.settings = house.settings.model_copy(update={"modelStoreId": "other"})
    house.up()
    house.run(lambda: house.phase is Phase.READY and house.record.asked_model == "other")
    assert house.cloud.most_live() == 1
    assert house.state.closed[0].reason is StopReason.SUPERSEDED


def test_up_again_after_down_rents_anew() -> None:
    house = ready_house()
    house.down()
    house.tick()
    house.up()
    house.run_to(Phase.READY)
    assert house.cloud.most_live() == 1
    assert len(house.cloud.requests) == 2
    assert [record.phase for record in house.state.closed] == [Phase.DONE]


def test_down_before_anything_was_sent_costs_nothing() -> None:
    house = House()
    house.up()
    house.tick()
    house.down()
    house.run_until_settled()
    assert house.phase is Phase.CANCELLED
    assert not house.cloud.requests
    assert house.record.spent(house.clock.wall()) == 0.0


# Deadlines and idleness ------------------------------------------------------------------------


def test_the_pod_ends_at_its_soft_deadline_and_is_not_made_again() -> None:
    house = ready_house()
    house.configure(pod={"idle_seconds": None})
    house.run_to(Phase.DONE)
    assert house.record.reason is StopReason.EXPIRY
    ended = house.cloud.pods[0].ended_at
    assert ended
    assert ended - house.record.intent.wall == pytest.approx(3600, abs=1)
    assert house.run_until_settled().note.endswith("`podman-llm up` starts a new one")
    assert house.state.failure is None


def test_extend_moves_the_end_but_never_past_the_cap() -> None:
    house = ready_house()
    house.configure(pod={"idle_seconds": None})
    house.extend(1800)
    house.run_for(5000)
    assert house.phase is Phase.READY
    house.extend(10**6)
    house.run_to(Phase.DONE, within=30000)
    ended = house.cloud.pods[0].ended_at
    assert ended
    assert ended <= house.record.hard_deadline + 1
    assert house.record.soft_deadline == house.record.hard_deadline


def leased_house() -> House:
    house = House(runtime_seconds=36000.0)
    house.configure(pod={"idle_seconds": None})
    plan = house._plan

    def leased(settings: Any) -> Any:
        made = plan(settings)
        env = {**made.spec.env, LEASE_MARK: "1800"}
        return replace(made, spec=replace(made.spec, env=env))

    house._plan = leased  # type: ignore[method-assign]
    house.restart()
    house.up()
    house.run_to(Phase.READY)
    return house


@pytest.mark.parametrize("has_restarted", [False, True])
def test_a_pod_that_went_for_want_of_us_is_not_rented_again(has_restarted: bool) -> None:
    house = leased_house()
    house.run_for(300)
    house.clock.suspend(2000)
    house.cloud.end(house.cloud.pods[0])
    if has_restarted:
        house.restart()
    house.run_until_settled()
    assert (house.phase, house.record.reason) == (Phase.DONE, StopReason.LEASE)
    assert len(house.cloud.pods) == 1
    assert house.state.failure is None
    assert house.tick().note.endswith("`podman-llm up` starts a new one")


def test_a_pod_with_a_lease_that_vanishes_under_our_eyes_is_lost_and_rented_again() -> None:
    house = leased_house()
    house.run_for(5000)
    house.cloud.end(house.cloud.pods[0])
    house.run(lambda: len(house.cloud.pods) == 2)
    house.run_to(Phase.READY)
    assert house.state.closed[0].reason is StopReason.LOST


def test_an_idle_pod_drains_and_ends() -> None:
    house = ready_house()
    house.run_to(Phase.DRAINING)
    assert house.cloud.live()
    house.run_until_settled()
    assert house.record.reason is StopReason.IDLE
    assert "no request reached it for 30 min" in house.record.reason_detail


def test_requests_that_reach_the_pod_keep_it() -> None:
    house = ready_house()
    for _ in range(10):
        house.run_for(300)
        house.activity = replace(QUIET, last_counted_at=house.clock.wall())
    assert house.phase is Phase.READY


def test_a_long_stream_keeps_the_pod_and_its_end_starts_the_idle_time() -> None:
    house = ready_house()
    house.activity = busy()
    house.run_for(2500)
    assert house.phase is Phase.READY
    house.activity = QUIET
    house.run_for(900)
    assert house.phase is Phase.READY


def test_unknown_activity_never_ends_a_pod_for_idleness() -> None:
    house = ready_house()
    house.activity = replace(QUIET, known=False)
    house.run_for(3000)
    assert house.phase is Phase.READY


def test_the_idle_limit_is_never_shorter_than_the_cold_start() -> None:
    house = House()
    house.configure(pod={"idle_seconds": 60.0})
    house.cloud.answers_after = 600.0
    house.up()
    house.run_to(Phase.READY)
    house.run_for(500)
    assert house.phase is Phase.READY
    house.run_until_settled()
    assert house.record.reason is StopReason.IDLE


def test_requests_in_flight_may_finish_when_asked_to_end_unless_now() -> None:
    house = ready_house()
    house.activity = busy(2)
    house.down()
    tick = house.run_to(Phase.DRAINING)
    assert "finishing what is in flight" in tick.note
    house.run_for(10)
    assert house.cloud.live()
    house.activity = QUIET
    house.run_until_settled(within=60)
    impatient = ready_house()
    impatient.activity = busy(2)
    impatient.down(now=True)
    impatient.run_to(Phase.VERIFYING, within=1)
    assert Phase.DRAINING not in impatient.phases()


def test_a_drain_has_an_end() -> None:
    house = ready_house()
    house.activity = busy()
    house.down()
    house.run_to(Phase.VERIFYING, within=40)


def test_now_cuts_a_drain_short() -> None:
    house = ready_house()
    house.activity = busy()
    house.down()
    house.run_to(Phase.DRAINING)
    house.down(now=True)
    house.run_to(Phase.VERIFYING, within=1)


# Clocks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [-7200.0, -600.0, 600.0])
def test_no_step_of_the_wall_clock_extends_a_pods_life(step: float) -> None:
    house = ready_house()
    house.configure(pod={"idle_seconds": None})
    began = house.true_time()
    house.run_for(600)
    house.step_wall(step)
    house.run_until_settled(within=20000)
    ended = house.cloud.pods[0].ended_at
    assert ended
    assert ended - began <= 3600


def test_a_suspended_host_ends_the_pod_when_it_wakes_late() -> None:
    house = ready_house()
    house.clock.suspend(20000)
    house.run_to(Phase.VERIFYING, within=1)
    assert house.record.reason is StopReason.EXPIRY


def test_a_clock_set_forward_and_back_while_proving_absence_delays_nothing() -> None:
    house = ready_house()
    house.down()
    house.run_to(Phase.VERIFYING)
    house.tick()
    house.step_wall(86400)
    house.tick()
    assert house.phase is Phase.VERIFYING
    house.step_wall(-86400)
    house.run_until_settled(within=60)


# Places and prices -----------------------------------------------------------------------------


def test_a_full_place_is_followed_by_the_next() -> None:
    house = House()
    house.cloud.fates.append(rejected(FULL))
    house.up()
    house.run_to(Phase.READY)
    assert [request.candidate for request in house.cloud.requests] == [L4, L40S]
    assert len({request.name for request in house.cloud.requests}) == 2
    assert house.record.attempt == 2


def test_when_nothing_is_free_it_asks_in_rounds_and_then_says_so() -> None:
    house = House()
    house.cloud.fates.extend([rejected(FULL)] * 100)
    house.up()
    began = house.clock.wall()
    house.run_until_settled()
    failure = house.state.failure
    assert failure
    assert failure.exit_code == 5
    assert house.clock.wall() - began == pytest.approx(600, abs=5)
    assert "NVIDIA L4 (SECURE): There are no longer any instances available" in failure.message
    assert "NVIDIA L40S (SECURE, EU-RO-1)" in failure.message
    assert failure.hint
    assert house.phase is Phase.CANCELLED
    assert house.plans == len(house.cloud.requests) // 2


def test_a_place_that_frees_up_in_a_later_round_is_taken() -> None:
    house = House()
    house.cloud.fates.extend([rejected(FULL)] * 4)
    house.up()
    house.run_to(Phase.READY)
    assert len(house.cloud.requests) == 5
    assert house.state.waiting is None
    assert house.record.soft_deadline - house.record.intent.wall == 3600


def test_places_that_all_refuse_the_request_itself_are_not_asked_again() -> None:
    house = House()
    house.cloud.fates.extend([rejected(NotCreated(Refusal.CANDIDATE, "bad volume"))] * 2)
    house.up()
    house.run_until_settled(within=10)
    assert house.state.failure
    assert house.state.failure.exit_code == 1
    assert "bad volume" in house.state.failure.message


@pytest.mark.parametrize(
    ("refusal", "exit_code", "words"),
    [
        (Refusal.BALANCE, 9, "balance is too low"),
        (Refusal.AUTH, 9, "key was refused"),
        (Refusal.SPEC, 1, "refused the request"),
    ],
)
def test_what_needs_a_person_stops_everything(refusal: Refusal, exit_code: int, words: str) -> None:
    house = House()
    house.cloud.fates.append(rejected(NotCreated(refusal, "says the provider")))
    house.up()
    house.run_until_settled(within=10)
    failure = house.state.failure
    assert failure
    assert failure.exit_code == exit_code
    assert words in failure.message
    assert "says the provider" in failure.message
    assert len(house.cloud.requests) == 1


def test_a_connection_that_was_never_made_is_tried_at_the_same_place() -> None:
    house = House()
    house.cloud.fates.append(rejected(NotCreated(Refusal.NOT_SENT, "connection refused")))
    house.up()
    house.run_to(Phase.READY)
    assert [request.candidate for request in house.cloud.requests] == [L4, L4]


def test_too_many_requests_waits_as_long_as_was_said() -> None:
    house = House()
    house.cloud.fates.append(rejected(NotCreated(Refusal.RATE, "slow down", retry_after=40.0)))
    house.up()
    house.run(lambda: len(house.cloud.requests) == 1)
    asked = house.clock.wall()
    house.run(lambda: len(house.cloud.requests) == 2)
    assert house.clock.wall() - asked >= 40


def test_a_pod_dearer_than_the_ceiling_is_given_back_and_another_place_tried() -> None:
    house = House()
    house.cloud.price = 9.0
    house.up()
    house.run_until_settled()
    assert [request.candidate for request in house.cloud.requests] == [L4, L40S, L4]
    failure = house.state.failure
    assert failure
    assert failure.exit_code == 8
    assert "$9.00/h, the ceiling is $4.00/h" in failure.message
    assert not house.cloud.live()


def test_a_price_that_is_never_told_ends_the_pod_after_the_grace() -> None:
    house = House()
    house.cloud.price = None
    house.cloud.answers_after = None
    house.up()
    house.run_to(Phase.STOPPING)
    assert house.record.reason is StopReason.PRICE
    assert house.clock.wall() - house.record.intent.wall > 90


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (ConfigError("no such model", hint="try another"), 2),
        (ProviderRefused("bad key", hint="get one"), 9),
        (ProviderUnreachable("no answer"), 6),
    ],
)
def test_a_plan_that_cannot_be_made_is_the_failure_of_this_up(error: Any, exit_code: int) -> None:
    house = House()
    house.plan_errors.append(error)
    house.up()
    house.run_until_settled(within=10)
    failure = house.state.failure
    assert failure
    assert (failure.exit_code, failure.message, failure.hint) == (
        exit_code,
        error.message,
        error.hint,
    )
    assert (failure.generation, house.cloud.requests) == (1, [])
    house.up()
    house.run_to(Phase.READY)
    assert house.state.failure is None


def test_a_sold_out_catalog_is_asked_again_until_the_time_for_that_is_over() -> None:
    house = House()
    house.plan_errors.extend([NoCapacity("all sold out")] * 2)
    house.up()
    house.run_to(Phase.READY)
    assert house.plans == 3
    for error in (NoCapacity("all sold out"), ProviderUnreachable("no answer")):
        gone = House()
        gone.plan_errors.extend([NoCapacity("all sold out"), *[error] * 100])
        gone.up()
        gone.run_until_settled()
        assert gone.state.failure
        assert gone.state.failure.exit_code == error.exit_code


def test_a_catalog_that_sells_out_between_rounds_is_waited_for_and_other_errors_are_not() -> None:
    house = House()
    house.cloud.fates.extend([rejected(FULL)] * 2)
    house.plan_errors = []
    house.up()
    house.run(lambda: len(house.cloud.requests) == 2)
    house.plan_errors.extend([NoCapacity("all sold out"), ProviderUnreachable("no answer")])
    house.run_to(Phase.READY)
    broken = House()
    broken.cloud.fates.extend([rejected(FULL)] * 2)
    broken.up()
    broken.run(lambda: len(broken.cloud.requests) == 2)
    broken.plan_errors.append(ConfigError("no such model"))
    broken.run_until_settled()
    assert broken.state.failure
    assert broken.state.failure.exit_code == 2


# Pods that fail --------------------------------------------------------------------------------


def test_a_container_that_never_runs_is_given_back_and_other_places_are_tried() -> None:
    house = House()
    house.cloud.starts_after = None
    house.up()
    house.run_until_settled(within=10000)
    assert [request.candidate for request in house.cloud.requests] == [L4, L40S, L4]
    failure = house.state.failure
    assert failure
    assert "did not run within 15 min" in failure.message
    assert "attempt 3, and the last" in failure.message
    assert house.cloud.most_live() == 1
    assert not house.cloud.live()


def test_a_model_that_never_answers_ends_the_pod_and_keeps_its_last_words() -> None:
    house = House(max_startup_attempts=10)
    house.cloud.answers_after = None
    house.up()
    house.run_to(Phase.BOOTING)
    house.cloud.pods[0].log.extend(["loading", "torch.OutOfMemoryError"])
    house.run_until_settled()
    assert house.record.reason is StopReason.BOOT_TIMEOUT
    assert house.record.log_tail == ("loading", "torch.OutOfMemoryError")
    assert house.state.failure
    assert house.state.failure.exit_code == 1
    assert "did not answer within" in house.state.failure.message
    assert len(house.cloud.requests) == 1
    assert not house.cloud.live()


def test_a_container_that_keeps_restarting_is_a_crash_loop() -> None:
    house = House()
    house.cloud.answers_after = 60.0
    house.up()
    house.run_to(Phase.BOOTING)
    for _ in range(3):
        house.run_for(30)
        house.cloud.restart(house.cloud.pods[0])
    house.run_until_settled()
    assert house.record.reason is StopReason.CRASH_LOOP
    assert house.record.log_tail == ("(it wrote nothing)",)


@pytest.mark.parametrize("status", [PodStatus.EXITED, PodStatus.ERROR])
def test_a_container_that_ended_ends_the_pod(status: PodStatus) -> None:
    house = ready_house()
    house.cloud.pods[0].status = status
    house.run_until_settled()
    assert house.record.reason is StopReason.EXITED
    assert house.state.failure
    assert status in house.state.failure.message


def test_a_server_that_refuses_our_key_ends_the_pod() -> None:
    house = House()
    house.up()
    house.run_to(Phase.BOOTING)
    pod = house.cloud.pods[0]
    pod.request = replace(pod.request, api_key_sha256="0" * 64)
    house.run_until_settled()
    assert house.record.reason is StopReason.KEY_REFUSED


def test_a_pod_that_vanishes_is_proved_gone_and_replaced() -> None:
    house = ready_house()
    house.cloud.end(house.cloud.pods[0])
    house.run(lambda: house.phase is Phase.READY and house.record.pod_id == "pod2")
    lost = house.state.closed[0]
    assert lost.reason is StopReason.LOST
    assert lost.evidence
    assert Phase.LOST in [move.phase for move in lost.transitions]
    assert house.record.soft_deadline <= lost.soft_deadline
    assert house.record.hard_deadline <= lost.hard_deadline


def test_a_vanished_pod_is_not_replaced_once_the_attempts_are_used_up() -> None:
    house = House()
    house.configure(pod={"max_billed_attempts": 1})
    house.up()
    house.run_to(Phase.READY)
    house.cloud.end(house.cloud.pods[0])
    house.run_until_settled()
    assert len(house.cloud.requests) == 1
    assert house.state.failure
    assert "vanished" in house.state.failure.message


# A pod that serves -----------------------------------------------------------------------------


def test_a_serving_pod_is_never_asked_for_a_completion() -> None:
    house = ready_house()
    house.cloud.probes.clear()
    house.run_for(300)
    assert house.cloud.probes
    assert not any(house.cloud.probes)


def test_a_model_that_stops_answering_is_degraded_after_three_looks_and_comes_back() -> None:
    house = ready_house()
    house.cloud.pods[0].hears = False
    house.tick()
    house.tick()
    assert house.phase is Phase.READY
    house.run_to(Phase.DEGRADED, within=20)
    house.cloud.pods[0].hears = True
    house.run_to(Phase.READY, within=20)


def test_a_model_that_stays_silent_longer_than_a_boot_ends_the_pod() -> None:
    house = House(max_startup_attempts=20)
    house.up()
    house.run_to(Phase.READY)
    house.cloud.pods[0].hears = False
    house.run_until_settled()
    assert house.record.reason is StopReason.BOOT_TIMEOUT


def test_a_container_that_restarts_while_serving_boots_again() -> None:
    house = ready_house()
    house.run_for(60)
    house.cloud.restart(house.cloud.pods[0])
    house.run_to(Phase.BOOTING, within=30)
    house.run_to(Phase.READY, within=60)
    assert house.record.restarts == 0


def test_what_only_moves_with_every_look_is_not_written_every_time() -> None:
    house = ready_house()
    house.tick()
    saves = len(house.store.saves)
    house.run_for(600)
    assert len(house.store.saves) == saves


def test_what_befalls_the_file_meanwhile_is_mended_at_the_next_look() -> None:
    house = ready_house()
    house.tick()
    saves = len(house.store.saves)
    house.store.is_harmed = True
    house.tick()
    assert len(house.store.saves) == saves + 1
    assert house.store.saves[-1].current == house.record


# Adopting ----------------------------------------------------------------------------------------


def stray_house() -> House:
    """A pod of ours that lives and is in no record, as with a state directory left behind."""
    house = ready_house()
    house.store.saves.clear()
    house.restart()
    house.desired = None
    house.clock.advance(1800)
    return house


def test_a_pod_of_ours_in_no_record_can_be_kept() -> None:
    house = stray_house()
    house.up(adopt="pod1")
    house.run_to(Phase.READY)
    assert [pod.pod_id for pod in house.cloud.live()] == ["pod1"]
    assert len(house.cloud.requests) == 1
    name, deadline = house.record.name, house.record.hard_deadline
    assert name == house.cloud.requests[0].name
    assert name.endswith(f"-x{int(deadline)}")
    assert house.record.soft_deadline - house.clock.wall() > 3500
    house.down()
    house.run_until_settled()
    assert not house.cloud.live()


def test_without_being_adopted_it_is_ended() -> None:
    house = stray_house()
    house.down()
    house.run_until_settled()
    assert not house.cloud.live()


def test_what_is_not_ours_is_not_adopted_and_not_touched() -> None:
    house = stray_house()
    (pod,) = house.cloud.pods
    pod.request.env["PLLM_OWNER"] = "zzzzzz"
    house.up(adopt="pod1")
    house.run(lambda: house.state.failure is not None)
    assert house.state.failure
    assert house.state.failure.exit_code == 4
    assert house.cloud.terminated == []


def test_a_pod_of_another_model_is_kept_for_its_owner_to_decide() -> None:
    house = stray_house()
    house.configure(modelStoreId="another")
    house.up(adopt="pod1")
    house.run(lambda: house.state.failure is not None)
    house.run_for(300)
    assert house.cloud.live()
    house.down()
    house.run_until_settled()
    assert not house.cloud.live()


def test_an_adopted_pod_that_has_ended_is_not_adopted_again() -> None:
    house = stray_house()
    house.up(adopt="pod1")
    house.run_to(Phase.READY)
    house.desired = house.desired and house.desired.model_copy(update={"want": "down"})
    house.run_until_settled()
    house.desired = house.desired and house.desired.model_copy(update={"want": "up"})
    house.run_until_settled()
    assert len(house.cloud.requests) == 1


# How long a tick may take ----------------------------------------------------------------------


class Counting(Wire):
    """Counts the requests of each tick, as many as the calls may send."""

    def __init__(self, cloud: Cloud, fuse: Fuse) -> None:
        super().__init__(cloud, fuse)
        self.requests = 0

    def __getattr__(self, name: str) -> Any:
        found = super().__getattr__(name)
        self.requests += {"terminate": 2}.get(name, name in self.CALLS - {"probe"})
        return found


def counted(house: House, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The requests of each tick from now on."""
    found: list[int] = []
    wire = Counting(house.cloud, house.fuse)
    monkeypatch.setattr("tests.pods.house.Wire", lambda *_: wire)
    house.restart()
    tick = house.tick

    def counting() -> Any:
        wire.requests = 0
        said = tick()
        found.append(wire.requests)
        return said

    house.tick = counting  # type: ignore[method-assign]
    return found


def test_the_worst_tick_is_what_the_watchdog_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strays to end, a guard that does not report, a slow host, and the balance, all at once."""
    house = House()
    house.cloud.guarded, house.cloud.guard_key, house.cloud.starts_after = True, "", 40.0
    requests = counted(house, monkeypatch)
    house.up()
    house.run_to(Phase.BOOTING)
    for _ in range(5):
        house.cloud._make(house.cloud.requests[0], 0.0)
    house.clock.advance(300)
    house.run_until_settled()
    assert max(requests) == CALLS_A_TICK
    assert len(house.cloud.live()) == 0


@pytest.mark.parametrize("fault", ListFault)
def test_no_tick_asks_for_more(monkeypatch: pytest.MonkeyPatch, fault: ListFault) -> None:
    house = House()
    house.cloud.guarded, house.cloud.guard_key, house.cloud.starts_after = True, "", 40.0
    house.cloud.failing_deletes = 4
    requests = counted(house, monkeypatch)
    house.up()
    house.run_to(Phase.BOOTING)
    house.cloud.list_faults.extend([fault] * 40)
    house.run_for(400)
    house.up()
    house.run_for(100)
    house.down()
    house.run_until_settled()
    assert max(requests) <= CALLS_A_TICK
