from __future__ import annotations

from dataclasses import replace

import pytest

from podman_llm.core import naming
from podman_llm.core.listing import ListView
from podman_llm.core.pod import Phase, PodRecord
from podman_llm.core.reaping import GRACE, overdue, strays
from podman_llm.core.sight import PodSight
from tests.core.worlds import OWNER, START, TOKEN, listed, record_in, sight_of

OURS = frozenset({OWNER})
DEADLINE = START + 3600
QUARANTINE = 180.0


def pod(owner: str = OWNER, **marks: str) -> PodSight:
    name = naming.make(owner=owner, model="m", token=TOKEN, deadline=DEADLINE)
    env = {
        naming.OWNER_MARK: owner,
        naming.INTENT_MARK: name,
        naming.DEADLINE_MARK: str(int(DEADLINE)),
    }
    return sight_of(pod_id=f"pod-of-{owner}", name=name, env=env | marks)


def test_the_first_minute_after_the_deadline_belongs_to_the_guard() -> None:
    assert overdue([pod()], OURS, DEADLINE + GRACE - 1) == ()
    (found,) = overdue([pod()], OURS, DEADLINE + GRACE)
    assert found.may_end
    assert found.why == "past its deadline by 60 s"


def test_only_the_owners_asked_for_are_looked_at() -> None:
    pods = [pod(), pod("xyz234"), sight_of(name="somebody's notebook", env={})]
    late = DEADLINE + 9999
    assert [one.pod for one in overdue(pods, OURS, late)] == pods[:1]
    assert [one.pod for one in overdue(pods, OURS | {"xyz234"}, late)] == pods[:2]


@pytest.mark.parametrize(
    "marks",
    [
        {naming.OWNER_MARK: "xyz234"},
        {naming.OWNER_MARK: ""},
        {naming.INTENT_MARK: "another name"},
        {naming.DEADLINE_MARK: str(int(DEADLINE + 7200))},
        {naming.DEADLINE_MARK: ""},
    ],
)
def test_a_pod_whose_marks_disagree_with_its_name_is_named_and_left_alone(
    marks: dict[str, str],
) -> None:
    (found,) = overdue([pod(**marks)], OURS, DEADLINE + 9999)
    assert not found.may_end
    assert "not by its marks" in found.why


def strayed(view: ListView, record: PodRecord | None, *, age: float = QUARANTINE) -> list[PodSight]:
    found = strays(view, record, OWNER, now=START + age, quarantine=QUARANTINE)
    return [one.pod for one in found]


def test_a_pod_in_no_open_record_is_a_stray() -> None:
    view = listed(pod())
    assert strayed(view, None) == [pod()]
    assert strayed(view, record_in(Phase.DONE))
    assert strayed(view, record_in(Phase.READY))
    mine = record_in(Phase.READY, pod_id=pod().pod_id)
    assert strayed(view, mine) == []


def test_a_pod_that_may_be_about_to_be_recorded_is_no_stray_yet() -> None:
    assert strayed(listed(pod()), None, age=QUARANTINE - 1) == []
    ageless = replace(pod(), created_at=None)
    assert strayed(listed(ageless), None, age=9999) == []
    assert overdue([ageless], OURS, DEADLINE + GRACE)


@pytest.mark.parametrize("phase", [Phase.INTENT, Phase.SENT, Phase.UNRESOLVED])
def test_while_a_request_is_under_way_nothing_is_a_stray(phase: Phase) -> None:
    assert strayed(listed(pod()), record_in(phase)) == []


def test_a_stray_of_another_owner_is_none_of_ours() -> None:
    assert strayed(listed(pod("xyz234")), None) == []
