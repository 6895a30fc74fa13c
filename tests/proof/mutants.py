"""The protective steps of the protocol, each taken out in turn, and what finds that out.

A mutant is a patch of the real code. It must break the invariant named, in the schedules or the
test named; the same schedules keep all invariants when nothing is patched.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Final

import pytest

from podman_llm.core import (
    absence,
    attempts,
    create_protocol,
    ending,
    guard,
    lease,
    lifecycle,
    listing,
    naming,
    own_end,
    reaping,
    rebuild,
    sleep,
)
from podman_llm.core.demand import HELD_COUNTS, Demand
from podman_llm.core.pod import Candidate, Evidence, Guard, Phase, PodRecord
from podman_llm.core.sight import NotCreated, Refusal, Terminated
from podman_llm.core.world import Book, Decision, World
from podman_llm.pods import book as books
from podman_llm.pods.controller import Controller
from podman_llm.state.store import PodState
from podman_llm.testing.cloud import Cloud
from tests.pods import test_controller, test_crashes, test_listen, test_wake
from tests.proof.explorer import AHEAD, BEYOND, WOKEN, Schedule, points

Patch = pytest.MonkeyPatch


@dataclass(frozen=True)
class Mutant:
    """``apply`` takes the step out. ``breaks`` is the invariant, or the named test, that finds it.

    With ``schedules`` it is the explorer that finds it, else calling ``test``.
    """

    name: str
    apply: Callable[[Patch], None]
    breaks: str
    schedules: Callable[[], list[Schedule]] = list
    test: Callable[[], None] | None = None


def everywhere(patch: Patch, original: object, replacement: object) -> None:
    """Replace a function in each of our modules that has it, however it got there."""
    places = [
        (module, name)
        for title, module in list(sys.modules.items())
        if title.startswith("podman_llm.")
        for name, value in list(vars(module).items())
        if value is original
    ]
    assert places, f"nobody has {original}"
    for module, name in places:
        patch.setattr(module, name, replacement)


def _unsaved(patch: Patch, *phases: Phase) -> None:
    """These phases are believed but not written."""
    persist = Controller._persist

    def mutant(self: Controller, book: Book) -> None:
        if book.record is not None and book.record.phase in phases:
            self._state = books.with_book(self._state or PodState(), book)
        else:
            persist(self, book)

    patch.setattr(Controller, "_persist", mutant)


def _evidence(world: World) -> Evidence:
    return Evidence("absent", world.now, (world.now, world.now), (0, 0), 404)


# The steps ----------------------------------------------------------------------------------------


def no_fence(patch: Patch) -> None:
    _unsaved(patch, Phase.SENT)


def late_id(patch: Patch) -> None:
    _unsaved(patch, Phase.PROVISIONING, Phase.BOOTING)


def blind_retry(patch: Patch) -> None:
    conclude = create_protocol.conclude_create

    def mutant(world: World, outcome: Any) -> Decision:
        is_clear = hasattr(outcome, "pod") or isinstance(outcome, NotCreated)
        return conclude(world, outcome if is_clear else NotCreated(Refusal.CAPACITY, "500"))

    everywhere(patch, conclude, mutant)


def no_adoption(patch: Patch) -> None:
    everywhere(patch, listing.namesakes, lambda view, record: ())


def no_quarantine(patch: Patch) -> None:
    everywhere(patch, absence.is_propagated, lambda world: True)


def no_cold_quarantine(patch: Patch) -> None:
    restored = books.restored
    everywhere(patch, restored, lambda *loaded, quarantine: restored(*loaded, quarantine=0.0))


def older_is_newest(patch: Patch) -> None:
    after = rebuild.after_restart

    def mutant(record: PodRecord, reading: Any, *, is_older: bool) -> PodRecord:
        return after(record, reading, is_older=False)

    everywhere(patch, after, mutant)


def no_list_check(patch: Patch) -> None:
    everywhere(patch, listing._doubt_of_gap, lambda *_: "")
    everywhere(patch, listing._doubt_of_empty, lambda *_: "")


def no_verification(patch: Patch) -> None:
    everywhere(patch, absence.is_seen, lambda world: False)
    everywhere(patch, absence.proof, _evidence)


def gone_by_404(patch: Patch) -> None:
    conclude = ending.conclude_terminate

    def mutant(world: World, outcome: Any) -> Decision:
        if outcome != Terminated(404):
            return conclude(world, outcome)
        verifying = world.moved(Phase.VERIFYING, "404")
        return verifying.go(Phase.DONE, "404", evidence=_evidence(world))

    everywhere(patch, conclude, mutant)


def no_sweep(patch: Patch) -> None:
    everywhere(patch, listing.orphans, lambda *_: ())


def one_name(patch: Patch) -> None:
    fresh = attempts._fresh

    def mutant(world: World, *rest: Any, **more: Any) -> Any:
        anew = fresh(world, *rest, **more)
        return {**anew, "name": world.book.record.name} if world.book.record else anew

    patch.setattr(attempts, "_fresh", mutant)


def revocable_end(patch: Patch) -> None:
    stopping = ending.decide_stopping

    def mutant(world: World) -> Decision:
        if not world.wish.is_up:
            return stopping(world)
        revived = replace(world.record, phase=Phase.BOOTING)
        return world.remember(record=revived).stay("wanted again", 0.0)

    decisions = {**lifecycle.DECISIONS, Phase.STOPPING: mutant}
    patch.setattr(lifecycle, "DECISIONS", MappingProxyType(decisions))


def name_is_enough(patch: Patch) -> None:
    def mutant(name: str, env: object, owner: str) -> bool:
        return (parsed := naming.parse(name)) is not None and parsed.owner == owner

    everywhere(patch, naming.is_marked, mutant)


def no_deadline(patch: Patch) -> None:
    everywhere(patch, lease.expiry, lambda record, now: None)


def wall_clock_only(patch: Patch) -> None:
    everywhere(patch, lease.pod_time, lambda record, reading: reading.wall)


def readiness_from_disk(patch: Patch) -> None:
    after = rebuild.after_restart

    def mutant(record: PodRecord, reading: Any, *, is_older: bool) -> PodRecord:
        is_ready = record.phase in {Phase.READY, Phase.DEGRADED}
        return record if is_ready else after(record, reading, is_older=is_older)

    everywhere(patch, after, mutant)


def guard_not_required(patch: Patch) -> None:
    judged = guard.judged

    def mutant(*looked: Any) -> Guard:
        found = judged(*looked)
        return Guard.ARMED if found is Guard.ABSENT else found

    everywhere(patch, judged, mutant)


def any_demand_counts(patch: Patch) -> None:
    def mutant(self: Demand, *, since: float, now: float) -> bool:
        return any(at is not None and at > since for at in (self.asked_at, self.held_at))

    patch.setattr(Demand, "is_pressing", mutant)


def wakes_uncalled(patch: Patch) -> None:
    everywhere(patch, sleep.is_called, lambda world: world.book.sleep is not None)


def woken_for_longer(patch: Patch) -> None:
    fresh = attempts._fresh

    def mutant(world: World, model: str, candidate: Candidate, _began: object) -> Any:
        return fresh(world, model, candidate, None)

    patch.setattr(attempts, "_fresh", mutant)


def no_reaper(patch: Patch) -> None:
    everywhere(patch, reaping.overdue, lambda *_: ())


def no_guard(patch: Patch) -> None:
    patch.setattr(Cloud, "_guarded_end", lambda *_: None)


def own_end_is_loss(patch: Patch) -> None:
    everywhere(patch, own_end.own_end, lambda world: None)


# The schedules ------------------------------------------------------------------------------------


def _each_point(whole: Schedule, until: int = 60) -> list[Schedule]:
    return [replace(whole, kills=(at,)) for at in range(min(until, points(whole)))]


def _undying(**fields: Any) -> list[Schedule]:
    return [Schedule(**fields)]


MUTANTS: Final = (
    Mutant(
        "no fence: SENT is not saved before the request",
        no_fence,
        "I2 a request without its fence on disk",
        _undying,
    ),
    Mutant(
        "blind retry: a doubtful answer counts as a refusal",
        blind_retry,
        "I1 more pods than were needed",
        lambda: _undying(fate="5xx, created"),
    ),
    Mutant(
        "no adoption: a lost pod is not found by its name",
        no_adoption,
        "I1 more pods than were needed",
        lambda: _undying(fate="5xx, created", ending="expiry"),
    ),
    Mutant(
        "no quarantine: absent at once means never created",
        no_quarantine,
        "I1 two pods at once",
        lambda: _undying(fate="late"),
    ),
    Mutant(
        "no quarantine after the state was lost",
        no_cold_quarantine,
        "I1 two pods at once",
        lambda: _each_point(Schedule("late", loss="all"), 30),
    ),
    Mutant(
        "an older state is taken for the newest",
        older_is_newest,
        "I3 a name asked for twice",
        lambda: _each_point(Schedule("late", loss="newest"), 30),
    ),
    Mutant(
        "no list check: any list is believed",
        no_list_check,
        "I1 two pods at once",
        lambda: _undying(fate="5xx, created", weather="only empty lists", ending="expiry"),
    ),
    Mutant(
        "no delete verification: accepted means gone",
        no_verification,
        "I6 said to be gone, and billing",
        lambda: _undying(weather="forgotten deletes"),
    ),
    Mutant(
        "404 as proof: a delete answered 404 means gone",
        gone_by_404,
        "I6 said to be gone, and billing",
        lambda: _undying(weather="denied deletes"),
    ),
    Mutant(
        "the id is saved late, once the model answers",
        late_id,
        "I4 a pod outlived its deadline and our absence",
        lambda: _each_point(Schedule(weather="no lists after the start"), 60)[25:],
    ),
    Mutant(
        "no orphan sweep",
        no_sweep,
        "I4 a pod outlived its deadline and our absence",
        lambda: _undying(fate=BEYOND, ending="expiry"),
    ),
    Mutant(
        "one name for all attempts",
        one_name,
        "I3 a name asked for twice",
        lambda: _undying(fate="refused"),
    ),
    Mutant(
        "an end can be undone",
        revocable_end,
        "I13 an end was undone",
        lambda: _undying(weather="failing deletes", ending="down and up again"),
    ),
    Mutant(
        "the owner's mark is not asked for",
        name_is_enough,
        "I7 a stranger's pod was ended",
        lambda: _undying(weather="partial lists"),
    ),
    Mutant(
        "no deadline",
        no_deadline,
        "I4 a pod outlived its deadline and our absence",
        lambda: _undying(ending="expiry"),
    ),
    Mutant(
        "the wall clock alone is trusted",
        wall_clock_only,
        "test_no_step_of_the_wall_clock_extends_a_pods_life",
        test=lambda: test_controller.test_no_step_of_the_wall_clock_extends_a_pods_life(-7200.0),
    ),
    Mutant(
        "readiness is believed from the disk",
        readiness_from_disk,
        "test_readiness_is_proved_again_after_a_restart_and_nothing_else_is_lost",
        test=test_crashes.test_readiness_is_proved_again_after_a_restart_and_nothing_else_is_lost,
    ),
    Mutant(
        "no in-pod guard, and nobody comes back",
        no_guard,
        "I4 a guarded pod outlived its deadline",
        lambda: _each_point(Schedule(ending="expiry", is_guarded=True, comes_back=False))[40:],
    ),
    Mutant(
        "a pod that its guard ended counts as lost",
        own_end_is_loss,
        "I1 more pods than were needed",
        lambda: _undying(ending="expiry", is_guarded=True, ahead=AHEAD),
    ),
    Mutant(
        "a sleeping pod wakes by itself",
        wakes_uncalled,
        "I14 requests made more than one pod",
        lambda: _undying(ending=WOKEN),
    ),
    Mutant(
        "a request counts however long ago it was",
        any_demand_counts,
        "test_a_client_long_gone_wakes_nothing",
        test=lambda: test_wake.test_a_client_long_gone_wakes_nothing("held_at", HELD_COUNTS),
    ),
    Mutant(
        "a woken pod has a time of its own",
        woken_for_longer,
        "test_a_woken_pod_has_what_is_left_of_the_time_asked_for",
        test=test_wake.test_a_woken_pod_has_what_is_left_of_the_time_asked_for,
    ),
    Mutant(
        "no reaper, and nobody comes back",
        no_reaper,
        "I5 a pod is left",
        lambda: _each_point(
            Schedule(ending="expiry", starts=False, comes_back=False, is_reaped=True)
        )[40:],
    ),
    Mutant(
        "a pod without its guard is kept",
        guard_not_required,
        "test_a_pod_whose_guard_does_not_report_is_ended_and_not_made_again",
        test=test_listen.test_a_pod_whose_guard_does_not_report_is_ended_and_not_made_again,
    ),
)
