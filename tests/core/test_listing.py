from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from podman_llm.core import naming
from podman_llm.core.listing import (
    RECENT,
    ListView,
    Past,
    best_sight,
    is_suspicious,
    judge,
    namesakes,
    orphans,
    ours,
    settle_sight,
)
from podman_llm.core.pod import Phase, PodRecord
from podman_llm.core.sight import Gone, Listing, PodSight, PodStatus, Sight, Unknown
from tests.core.worlds import MARKS, OWNER, START, listed, record_in, sight_of

NO_PAST = Past(count=None, last_nonempty_at=None)
EMPTY = Listing(())
UNSEEN = Unknown("not looked at")


def view(
    seen: Listing | Unknown,
    *,
    record: PodRecord | None = None,
    sight: Sight = UNSEEN,
    past: Past = NO_PAST,
    spend: float | None = 0.0,
) -> ListView:
    return judge(seen, at=START, record=record, sight=sight, past=past, spend_per_hour=spend)


def other(pod_id: str = "pod9", name: str = "somebody-elses", **changes: Any) -> PodSight:
    return sight_of(pod_id=pod_id, name=name, env={}, **changes)


def test_no_answer_is_no_list() -> None:
    seen = view(Unknown("503"))
    assert not seen.is_valid
    assert (seen.why, seen.count, seen.pods) == ("503", None, ())


def test_an_ordinary_list_is_believed() -> None:
    seen = view(Listing((sight_of(), other())), record=record_in(Phase.READY), sight=sight_of())
    assert seen.is_valid
    assert seen.count == 2
    assert seen.find("pod9")
    assert seen.find("pod8") is None


def test_a_terminated_pod_is_not_there_but_its_list_is_not_empty() -> None:
    seen = view(Listing((sight_of(status=PodStatus.TERMINATED),)))
    assert (seen.pods, seen.count, seen.is_valid) == ((), 1, True)


@pytest.mark.parametrize("sight", [sight_of(), UNSEEN])
def test_a_list_without_our_open_pod_needs_a_404_by_id(sight: Sight) -> None:
    seen = view(Listing((other(),)), record=record_in(Phase.READY), sight=sight)
    assert not seen.is_valid
    assert "lacks pod pod1" in seen.why
    assert seen.pods == (other(),)
    assert view(Listing((other(),)), record=record_in(Phase.READY), sight=Gone()).is_valid


def test_a_closed_pod_need_not_be_listed() -> None:
    assert view(Listing((other(),)), record=record_in(Phase.DONE)).is_valid


def test_the_first_list_ever_may_be_empty() -> None:
    assert view(EMPTY, spend=None).is_valid
    assert view(EMPTY, record=record_in(Phase.INTENT), spend=None).is_valid


def test_an_empty_list_is_believed_when_nothing_is_charged() -> None:
    assert view(EMPTY, record=record_in(Phase.UNRESOLVED), spend=0.0).is_valid


def test_an_empty_list_is_not_believed_while_something_is_charged() -> None:
    seen = view(EMPTY, record=record_in(Phase.UNRESOLVED), spend=0.5)
    assert not seen.is_valid
    assert "$0.500/h" in seen.why


def test_a_charge_that_is_too_small_for_our_pod_is_for_something_else() -> None:
    record = record_in(Phase.UNRESOLVED)
    assert view(EMPTY, record=record, spend=0.09).is_valid
    past = Past(None, START - 60)
    assert view(EMPTY, record=record_in(Phase.DONE), past=past, spend=0.09).is_valid
    assert not view(EMPTY, past=past, spend=0.09).is_valid
    assert view(EMPTY, past=past, spend=0.04).is_valid


def test_a_404_of_the_known_pod_outweighs_the_charge() -> None:
    assert view(EMPTY, record=record_in(Phase.VERIFYING), sight=Gone(), spend=0.5).is_valid


def test_where_nobody_tells_the_charge_two_empty_lists_must_agree() -> None:
    record = record_in(Phase.UNRESOLVED)
    assert not view(EMPTY, record=record, spend=None).is_valid
    assert view(EMPTY, record=record, spend=None, past=Past(0, None)).is_valid


@pytest.mark.parametrize(("age", "valid"), [(60.0, False), (RECENT + 1, True)])
def test_yesterdays_pods_make_an_empty_list_suspect(age: float, valid: bool) -> None:
    past = Past(None, START - age)
    assert view(EMPTY, past=past, spend=0.5).is_valid is valid
    assert is_suspicious(EMPTY, record=None, past=past, at=START) is not valid


def test_only_an_empty_list_is_suspicious() -> None:
    open_record = record_in(Phase.READY)
    assert is_suspicious(EMPTY, record=open_record, past=NO_PAST, at=START)
    assert not is_suspicious(Unknown("503"), record=open_record, past=NO_PAST, at=START)
    listing = Listing((other(),))
    assert not is_suspicious(listing, record=open_record, past=NO_PAST, at=START)
    assert not is_suspicious(EMPTY, record=record_in(Phase.DONE), past=NO_PAST, at=START)


@pytest.mark.parametrize(("before", "valid"), [(3, False), (1, True), (0, True)])
def test_a_fall_from_several_to_none_is_not_believed_at_once(before: int, valid: bool) -> None:
    assert view(EMPTY, past=Past(before, None)).is_valid is valid


def test_a_pod_shown_as_terminated_is_gone() -> None:
    assert settle_sight(sight_of(status=PodStatus.TERMINATED)) == Gone()
    assert settle_sight(sight_of()) == sight_of()
    assert settle_sight(UNSEEN) == UNSEEN


def test_what_the_list_shows_stands_in_for_a_look_that_found_nothing() -> None:
    shown = listed(sight_of(uptime=7.0))
    assert best_sight(Gone(), shown, "pod1") == sight_of(uptime=7.0)
    assert best_sight(sight_of(), shown, "pod1") == sight_of()
    assert best_sight(Gone(), shown, "pod2") == Gone()
    assert best_sight(UNSEEN, shown, None) == UNSEEN


def test_ours_are_those_with_our_name_and_mark_oldest_first() -> None:
    younger = sight_of(pod_id="pod2", created_at=START + 5)
    undated = sight_of(pod_id="pod0", created_at=None)
    unmarked = sight_of(pod_id="pod4", env={})
    shown = listed(undated, younger, unmarked, other(), sight_of())
    assert [pod.pod_id for pod in ours(shown, OWNER)] == ["pod1", "pod2", "pod0"]
    assert ours(shown, "xyz234") == ()


def test_namesakes_carry_the_name_of_this_attempt() -> None:
    record = record_in(Phase.UNRESOLVED)
    name = naming.make(owner=OWNER, model="tiny", token="b" * 12, deadline=START)
    earlier = sight_of(pod_id="pod2", name=name, env={**MARKS, naming.INTENT_MARK: name})
    assert namesakes(listed(sight_of(), earlier), record) == (sight_of(),)


def test_an_orphan_is_ours_and_in_no_open_record() -> None:
    shown = listed(sight_of(), other())
    assert orphans(shown, None, OWNER) == (sight_of(),)
    assert orphans(shown, record_in(Phase.DONE), OWNER) == (sight_of(),)
    assert orphans(shown, record_in(Phase.READY), OWNER) == ()
    assert orphans(shown, record_in(Phase.UNRESOLVED), OWNER) == ()


def test_a_second_pod_of_the_name_is_an_orphan_once_the_first_has_its_id() -> None:
    twin = sight_of(pod_id="pod2")
    assert orphans(listed(sight_of(), twin), record_in(Phase.READY), OWNER) == (twin,)
    renamed = replace(record_in(Phase.UNRESOLVED), name="other")
    assert orphans(listed(twin), renamed, OWNER) == (twin,)
