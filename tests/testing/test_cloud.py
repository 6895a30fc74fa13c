"""The double keeps the contract of a provider, and lies only when told to."""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace

import pytest

from podman_llm.core.naming import DEADLINE_MARK
from podman_llm.core.sight import (
    Ambiguous,
    Gone,
    Listing,
    Rung,
    Terminated,
    TerminateFailed,
    Unknown,
)
from podman_llm.providers.base import Provider
from podman_llm.testing.clock import FakeClock
from podman_llm.testing.cloud import CREATED_5XX, LOST, Cloud, Fate, ListFault, late
from tests.contracts.provider import KEY, ProviderContract, listed, request_for

NAME = "pllm-abc234-tiny-1"


class TestCloud(ProviderContract):
    @pytest.fixture
    def provider(self) -> Provider:
        return Cloud(now=time.time)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def cloud(clock: FakeClock) -> Cloud:
    return Cloud(now=clock.wall)


def test_a_lost_request_makes_nothing_and_a_lost_answer_makes_a_pod(cloud: Cloud) -> None:
    cloud.fates.extend([LOST, CREATED_5XX])
    assert isinstance(cloud.create(request_for(NAME)), Ambiguous)
    assert not cloud.live()
    assert isinstance(cloud.create(request_for(NAME)), Ambiguous)
    assert len(cloud.live()) == 1


def test_a_late_pod_appears_late(cloud: Cloud, clock: FakeClock) -> None:
    cloud.fates.append(late(30.0))
    cloud.create(request_for(NAME))
    assert not cloud.live()
    clock.advance(30)
    assert [pod.request.name for pod in cloud.live()] == [NAME]


def test_a_fate_without_a_pod_is_never_told_as_one(cloud: Cloud) -> None:
    cloud.fates.append(Fate(after=None))
    assert isinstance(cloud.create(request_for(NAME)), Ambiguous)


def test_lists_lag_and_ids_are_hidden(cloud: Cloud, clock: FakeClock) -> None:
    cloud.list_lag = cloud.hidden_for = 10.0
    cloud.create(request_for(NAME))
    assert listed(cloud) == {}
    assert cloud.get("pod1") == Gone()
    clock.advance(10)
    assert set(listed(cloud)) == {"pod1"}
    cloud.terminate("pod1")
    assert set(listed(cloud)) == {"pod1"}
    assert cloud.get("pod1") == Gone()


def test_lists_may_be_empty_partial_or_no_answer(cloud: Cloud) -> None:
    cloud.create(request_for(NAME))
    cloud.create(request_for(NAME + "2"))
    cloud.list_faults.extend([ListFault.EMPTY, ListFault.PARTIAL, ListFault.ERROR, ListFault.NONE])
    assert cloud.list_pods() == Listing(())
    assert set(listed(cloud)) == {"pod1"}
    assert isinstance(cloud.list_pods(), Unknown)
    assert set(listed(cloud)) == {"pod1", "pod2"}


def test_orders_to_end_fail_or_are_forgotten(cloud: Cloud) -> None:
    cloud.create(request_for(NAME))
    cloud.failing_deletes, cloud.ignored_deletes = 1, 1
    assert isinstance(cloud.terminate("pod1"), TerminateFailed)
    cloud.terminate("pod1")
    assert cloud.live()
    cloud.terminate("pod1")
    assert not cloud.live()


def test_a_deaf_cloud_answers_nothing(cloud: Cloud) -> None:
    cloud.create(request_for(NAME))
    cloud.deaf = True
    assert isinstance(cloud.list_pods(), Unknown)
    assert isinstance(cloud.get("pod1"), Unknown)
    assert isinstance(cloud.terminate("pod1"), TerminateFailed)
    assert cloud.probe("http://pod1", served_name="tiny", api_key=KEY).rung is Rung.UNREACHABLE


def test_the_bill_counts_every_second_of_every_pod(cloud: Cloud, clock: FakeClock) -> None:
    cloud.create(request_for(NAME))
    cloud.create(request_for(NAME + "2"))
    clock.advance(1800)
    cloud.terminate("pod1")
    clock.advance(1800)
    assert cloud.bill() == pytest.approx(0.25 + 0.5)
    assert cloud.most_live() == 2
    assert cloud.account().spend_per_hour == 0.5
    cloud.tells_spend = False
    assert cloud.account().spend_per_hour is None


def test_the_model_answers_once_it_has_loaded_and_only_to_its_key(
    cloud: Cloud, clock: FakeClock
) -> None:
    cloud.create(request_for(NAME))

    def rung(name: str = "tiny", key: str | None = KEY, *, deep: bool = True) -> Rung:
        return cloud.probe("http://pod1", served_name=name, api_key=key, deep=deep).rung

    assert rung() is Rung.UNREACHABLE
    clock.advance(25)
    assert rung() is Rung.ANSWERING
    assert rung(deep=False) is Rung.LISTED
    assert rung(name="other") is Rung.HEALTHY
    assert rung(key=None) is Rung.KEY_REFUSED
    assert rung(key=hashlib.sha256(b"no").hexdigest()) is Rung.KEY_REFUSED
    cloud.restart(cloud.pods[0])
    assert rung() is Rung.UNREACHABLE
    assert cloud.probe("http://pod9", served_name="x", api_key=None).rung is Rung.UNREACHABLE


def test_what_was_written_into_a_pods_log_can_be_read(cloud: Cloud) -> None:
    cloud.create(request_for(NAME))
    cloud.pods[0].log.extend(["one", "two"])
    (line,) = cloud.logs("pod1", source="pod", tail=1, follow=False)
    assert line.line == "two"
    assert list(cloud.logs("pod1", source="system", tail=1, follow=False)) == []


def test_it_has_no_catalog(cloud: Cloud) -> None:
    assert (cloud.gpus(), cloud.models()) == ((), ())


def test_an_early_order_to_end_may_be_answered_404_and_forgotten(
    cloud: Cloud, clock: FakeClock
) -> None:
    cloud.denied_for = 10.0
    cloud.create(request_for(NAME))
    assert cloud.terminate("pod1") == Terminated(404)
    assert cloud.live()
    clock.advance(10)
    assert cloud.terminate("pod1") == Terminated(204)
    assert not cloud.live()


@pytest.mark.parametrize(("starts_after", "gone_at"), [(5.0, 100.0), (150.0, 150.0), (None, None)])
def test_a_guarded_container_ends_its_pod_at_the_deadline_if_it_ever_started(
    cloud: Cloud, clock: FakeClock, starts_after: float | None, gone_at: float | None
) -> None:
    cloud.guarded, cloud.starts_after = True, starts_after
    asked = request_for(NAME)
    deadline = str(int(clock.wall()) + 100)
    cloud.create(replace(asked, env={**asked.env, DEADLINE_MARK: deadline}))
    born = clock.wall()
    clock.advance(99)
    assert cloud.live()
    clock.advance(101)
    ended = cloud.pods[0].ended_at
    assert bool(cloud.live()) == (gone_at is None)
    assert (ended - born if ended else None) == gone_at
