"""The guard and the host, as the control plane learns of them from the logs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from podman_llm.core.guard import ARMED_WITHIN, LINES
from podman_llm.core.pod import Guard, Phase, StopReason
from podman_llm.errors import ProviderUnreachable
from podman_llm.providers.base import LogLine
from tests.pods.house import L4, L40S, House

OCI = "error starting container: OCI runtime create failed: unsatisfied condition: cuda>=12.8"


def guarded_house(**cloud: Any) -> House:
    house = House()
    house.cloud.guarded = True
    for name, value in cloud.items():
        setattr(house.cloud, name, value)
    house.up()
    return house


def count_reads(house: House, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    reads: list[str] = []
    logs = house.cloud.logs

    def counted(pod_id: str, *, source: str, **more: Any) -> Iterator[LogLine]:
        reads.append(source)
        return logs(pod_id, source=source, **more)

    monkeypatch.setattr(house.cloud, "logs", counted)
    return reads


def test_a_guard_that_reports_is_believed_and_its_log_is_read_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = guarded_house()
    reads = count_reads(house, monkeypatch)
    house.run_to(Phase.READY)
    assert house.record.guard is Guard.ARMED
    assert reads == ["pod"]
    records = [save.current for save in house.store.saves if save.current]
    first = next(record for record in records if record.guard is Guard.ARMED)
    assert first.phase is Phase.BOOTING  # at the first look at a running container
    assert "guard" not in house.notes[-1]


def test_a_pod_whose_guard_does_not_report_is_ended_and_not_made_again() -> None:
    house = guarded_house(guard_key="")
    house.run_until_settled()
    record = house.record
    assert record.reason is StopReason.FATAL_CONFIG
    assert record.running_at
    assert record.stopping_at
    assert ARMED_WITHIN < record.stopping_at - record.running_at < ARMED_WITHIN + 30
    assert len(house.cloud.pods) == 1
    failure = house.state.failure
    assert failure
    assert "no guard" in failure.message
    assert "pod.require_guard" in failure.hint


def test_a_person_may_do_without_a_guard_and_is_told_so() -> None:
    house = guarded_house(guard_key="")
    house.configure(pod={"require_guard": False})
    house.run_to(Phase.READY)
    house.run_for(ARMED_WITHIN + 30)
    assert house.phase is Phase.READY
    assert house.record.guard is Guard.ABSENT
    assert "its guard is not there" in house.notes[-1]


def test_a_guard_whose_key_is_refused_serves_with_a_warning() -> None:
    house = guarded_house(guard_key="403")
    house.run_to(Phase.READY)
    house.run_for(60)
    assert house.record.guard is Guard.KEY_REFUSED
    assert "have `podman-llm reap` run on a second host" in house.notes[-1]


def test_a_log_that_cannot_be_read_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    house = guarded_house()

    def broken(*_: Any, **__: Any) -> Iterator[LogLine]:
        raise ProviderUnreachable("503")

    with monkeypatch.context() as patch:
        patch.setattr(house.cloud, "logs", broken)
        house.run_to(Phase.READY)
        house.run_for(ARMED_WITHIN + 60)
    before = house.record.guard
    house.run_for(60)
    assert (before, house.record.guard) == (Guard.AWAITED, Guard.ARMED)


def test_a_log_whose_beginning_has_scrolled_away_proves_nothing_either() -> None:
    house = guarded_house(guard_key="")
    house.run_to(Phase.PROVISIONING)
    house.cloud.pods[0].log += ["INFO: 127.0.0.1 GET /v1/models 200"] * LINES
    house.run_to(Phase.READY)
    house.run_for(ARMED_WITHIN + 30)
    assert house.phase is Phase.READY
    assert house.record.guard is Guard.UNSEEN
    assert "read too late" in house.notes[-1]


def test_logs_that_have_nothing_to_tell_are_read_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    house = guarded_house(guard_key="")
    reads = count_reads(house, monkeypatch)
    house.run_to(Phase.STOPPING)
    looks = reads.count("pod")
    assert ARMED_WITHIN / 15 <= looks <= ARMED_WITHIN / 10 + 3


def test_a_pod_without_guard_by_nature_is_not_listened_to(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = House()
    house.up()
    reads = count_reads(house, monkeypatch)
    house.run_to(Phase.READY)
    assert (house.record.guard, reads) == (Guard.NONE, [])


# Hosts -----------------------------------------------------------------------------------------


def test_a_broken_host_is_left_for_the_next_place_long_before_the_time_is_up() -> None:
    house = guarded_house(starts_after=None, host_log=("pull image", OCI))
    house.run(lambda: len(house.cloud.pods) > 1)
    (first, *_) = house.state.closed
    assert first.reason is StopReason.BROKEN_HOST
    assert OCI in first.reason_detail
    assert first.log_tail == ("pull image", OCI)
    assert first.stopping_at
    assert first.stopping_at - first.intent.wall < 60
    assert [pod.request.candidate for pod in house.cloud.pods] == [L4, L40S]
    assert house.cloud.most_live() == 1


def test_broken_places_are_not_tried_again_while_another_is_left() -> None:
    house = guarded_house(starts_after=None, host_log=(OCI,))
    elsewhere = replace(L4, data_center_id="US-KS-2")
    house.candidates = (L4, L40S, elsewhere)
    house.run_until_settled()
    assert [pod.request.candidate for pod in house.cloud.pods] == [L4, L40S, elsewhere]
    assert house.state.failure
    assert "its host cannot start it" in house.state.failure.message


def test_a_host_that_only_takes_its_time_is_waited_for() -> None:
    house = guarded_house(starts_after=300.0, host_log=("pull image", "extracting layer 7 of 11"))
    house.run_to(Phase.READY)
    assert len(house.cloud.pods) == 1
