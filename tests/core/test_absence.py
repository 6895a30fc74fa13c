from __future__ import annotations

from dataclasses import replace

from podman_llm.core.absence import absences, find, is_propagated, is_seen, proof
from podman_llm.core.pod import Phase
from podman_llm.core.sight import Gone, Unknown
from tests.core.worlds import LIMITS, NO_LIST, START, listed, reading, sight_of, world_in

TWICE = ((START + 200, 0), (START + 220, 0))


def test_a_pod_is_seen_by_id_or_on_any_list() -> None:
    assert is_seen(world_in(Phase.VERIFYING, view=listed()))
    shown = replace(NO_LIST, pods=(sight_of(),))
    assert is_seen(world_in(Phase.VERIFYING, sight=Gone(), view=shown))
    assert not is_seen(world_in(Phase.VERIFYING, sight=Gone(), view=listed()))


def test_a_pod_without_an_id_is_found_by_name() -> None:
    world = world_in(Phase.UNRESOLVED, view=listed(sight_of()))
    assert find(world) == sight_of()
    assert find(replace(world, view=listed())) is None


def test_absence_means_something_once_the_pod_was_listed_or_the_quarantine_is_over() -> None:
    assert is_propagated(world_in(Phase.VERIFYING))
    never_listed = {"listed_at": None}
    assert not is_propagated(world_in(Phase.VERIFYING, record=never_listed, after=179))
    assert is_propagated(world_in(Phase.VERIFYING, record=never_listed, after=180))
    unsent = world_in(Phase.STOPPING, record={"sent": None, "listed_at": None}, after=180)
    assert is_propagated(unsent)


def test_a_valid_list_and_a_404_make_an_absence() -> None:
    world = world_in(Phase.VERIFYING, sight=Gone(), view=listed(), after=200)
    assert absences(world) == ((START + 200, 0),)


def test_only_the_first_and_the_latest_absence_are_kept() -> None:
    record = {"absences": TWICE}
    world = world_in(Phase.VERIFYING, record=record, sight=Gone(), view=listed(), after=260)
    assert absences(world) == ((START + 200, 0), (START + 260, 0))


def test_a_look_that_saw_the_pod_breaks_the_run() -> None:
    assert absences(world_in(Phase.VERIFYING, record={"absences": TWICE})) == ()


def test_a_look_that_could_not_tell_adds_nothing() -> None:
    record = {"absences": TWICE}
    for world in (
        world_in(Phase.VERIFYING, record=record, sight=Gone(), view=NO_LIST),
        world_in(Phase.VERIFYING, record=record, sight=Unknown("timeout"), view=listed()),
    ):
        assert absences(world) == TWICE


def test_an_absence_noted_on_a_clock_that_was_set_back_counts_for_nothing() -> None:
    world = world_in(
        Phase.VERIFYING,
        record={"absences": TWICE},
        sight=Gone(),
        view=listed(),
        reading=reading(100, "boot-2"),
    )
    assert absences(world) == ((START + 100, 0),)


def test_two_lists_and_a_404_far_enough_apart_are_proof() -> None:
    record = {"absences": TWICE}
    evidence = proof(
        world_in(Phase.VERIFYING, record=record, sight=Gone(), view=listed(), after=220)
    )
    assert evidence
    assert (evidence.kind, evidence.get_status) == ("absent", 404)
    assert (evidence.list_times, evidence.list_counts) == ((START + 200, START + 220), (0, 0))


def test_what_never_had_an_id_is_proved_by_lists_alone() -> None:
    record = {"absences": TWICE, "pod_id": None}
    evidence = proof(world_in(Phase.VERIFYING, record=record, view=listed(), after=220))
    assert evidence
    assert (evidence.kind, evidence.get_status) == ("never_appeared", None)


def test_what_was_only_looked_for_after_its_deadline_may_have_come_and_ended_itself() -> None:
    late = ((START + 200, 0), (START + 9000, 0))
    record = {"absences": late, "pod_id": None, "hard_deadline": START + 8999}
    evidence = proof(world_in(Phase.VERIFYING, record=record, view=listed(), after=9000))
    assert evidence
    assert (evidence.kind, evidence.get_status) == ("absent", None)


def test_less_than_that_is_none() -> None:
    def proved(**changes: object) -> bool:
        record = {"absences": TWICE, **changes}
        world = world_in(Phase.VERIFYING, record=record, sight=Gone(), view=listed(), after=100)
        return proof(world) is not None

    assert proved()
    assert not proved(absences=TWICE[:1])
    assert not proved(absences=(TWICE[0], (START + 219, 0)))
    assert not proved(listed_at=None)
    blind = world_in(Phase.VERIFYING, record={"absences": TWICE}, sight=Gone(), view=NO_LIST)
    assert proof(blind) is None


def test_with_no_time_to_settle_it_still_takes_two_lists() -> None:
    hasty = replace(LIMITS, settle=0.0)
    once = {"absences": TWICE[:1]}
    assert proof(world_in(Phase.VERIFYING, record=once, sight=Gone(), limits=hasty)) is None
