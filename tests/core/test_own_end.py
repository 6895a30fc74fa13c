from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from podman_llm.core.guard import GRACE
from podman_llm.core.lease import Traffic
from podman_llm.core.naming import LEASE_MARK
from podman_llm.core.own_end import NEAR, own_end
from podman_llm.core.pod import Phase, StopReason
from podman_llm.core.serving import decide_live
from podman_llm.core.sight import Gone, PodStatus
from tests.core.worlds import QUIET, SPEC, START, listed, reading, sight_of, world_in

HARD = 10800.0
LEASED = replace(SPEC, env={LEASE_MARK: "1800"})


def told(*, gone: float, now: float | None = None, **record: Any) -> StopReason | None:
    traffic = record.pop("traffic", QUIET)
    record = {"absences": ((START + gone, 0),)} | record
    found = own_end(
        world_in(Phase.READY, record=record, after=gone if now is None else now, traffic=traffic)
    )
    return found[0] if found else None


@pytest.mark.parametrize(
    ("gone", "reason"),
    [(HARD - NEAR - 1, None), (HARD - NEAR, StopReason.EXPIRY), (HARD - 1, StopReason.EXPIRY)],
)
def test_a_pod_that_went_near_its_hard_deadline_went_by_its_own_clock(
    gone: float, reason: StopReason | None
) -> None:
    assert told(gone=gone) is reason


def test_what_counts_is_when_it_was_first_missed() -> None:
    assert told(gone=HARD - NEAR - 1, now=HARD - 1) is None


def test_a_clock_of_ours_that_is_known_to_be_behind_is_allowed_for() -> None:
    created = {"created_at": START + 600}
    assert told(gone=HARD - 600 - NEAR, **created) is StopReason.EXPIRY
    assert told(gone=HARD - 600 - NEAR - 1, **created) is None
    assert told(gone=HARD - NEAR, created_at=START - 600) is StopReason.EXPIRY


def test_the_soft_deadline_is_known_to_us_alone() -> None:
    assert told(gone=3599) is None


@pytest.mark.parametrize(
    ("record", "ends"),
    [
        ({}, GRACE),
        ({"greeted_at": START + 100}, 1900),
        ({"running_at": None}, None),
        ({"greeted_at": START - 100}, GRACE),
        ({"traffic": Traffic(0, START + 200, None, is_known=True)}, 2000),
        ({"traffic": Traffic(0, START + 200, START + 300, is_known=True)}, 2100),
    ],
)
def test_a_lease_ends_so_long_after_our_key_last_came_by(
    record: dict[str, Any], ends: float | None
) -> None:
    record = {"spec": LEASED} | record
    if ends is None:
        assert told(gone=9000, **record) is None
        return
    assert told(gone=ends - NEAR, **record) is StopReason.LEASE
    assert told(gone=ends - NEAR - 1, **record) is None


def test_without_a_lease_nobody_need_come_by() -> None:
    assert told(gone=9000) is None


def test_a_pod_that_ended_itself_is_ended_and_not_lost() -> None:
    world = world_in(
        Phase.READY,
        record={"absences": ((START + HARD - 50, 0),), "soft_deadline": START + HARD},
        after=HARD - 20,
        sight=Gone(),
        view=listed(at=START + HARD - 20),
    )
    record = decide_live(replace(world, reading=reading(HARD - 20))).book.record
    assert record
    assert (record.phase, record.reason) == (Phase.STOPPING, StopReason.EXPIRY)


@pytest.mark.parametrize(
    ("after", "reason"), [(HARD - 10, StopReason.EXPIRY), (9000, StopReason.EXITED)]
)
def test_a_guard_that_could_only_stop_its_pod_has_ended_it_too(
    after: float, reason: StopReason
) -> None:
    world = world_in(
        Phase.READY,
        record={"soft_deadline": START + HARD},
        after=after,
        sight=sight_of(status=PodStatus.EXITED),
        traffic=QUIET,
    )
    record = decide_live(world).book.record
    assert record
    assert record.reason is reason
