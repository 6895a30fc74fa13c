from __future__ import annotations

from dataclasses import replace

from podman_llm.core import naming
from podman_llm.core.attempts import cancel, first_intent, next_attempt, planned_anew
from podman_llm.core.budget import Caps, Spent
from podman_llm.core.deeds import Planned
from podman_llm.core.pod import Phase, WaitCause, Waiting
from podman_llm.core.sight import Refusal
from podman_llm.core.world import Verdict
from tests.core.worlds import (
    L4,
    L40S,
    LIMITS,
    SPEC,
    START,
    TOKEN,
    phase_of,
    reading,
    world_in,
    world_with,
)

PLAN = Planned(SPEC, (L4, L40S))


def test_the_first_intent_asks_for_the_best_place_and_keeps_the_rest() -> None:
    world = world_with(None, after=50, is_keyed=True)
    record = first_intent(world, PLAN, attempt=2, billed_before=1)
    assert record.phase is Phase.INTENT
    assert (record.candidate, record.candidates) == (L4, (L40S,))
    assert (record.attempt, record.billed_before, record.keyed) == (2, 1, True)
    assert (record.generation, record.asked_model) == (1, "tiny")
    assert record.transitions[-1].note == "first NVIDIA L4 (SECURE)"


def test_each_attempt_has_a_name_and_a_lease_of_its_own() -> None:
    record = first_intent(world_with(None, after=50), PLAN, attempt=1, billed_before=0)
    assert record.intent == reading(50)
    assert record.soft_deadline == record.first_deadline == START + 3650
    assert record.hard_deadline == START + 10850
    parsed = naming.parse(record.name)
    assert parsed
    assert (parsed.token, parsed.deadline) == (TOKEN, record.hard_deadline)


def test_a_new_plan_renews_name_and_lease_and_forgets_refusals() -> None:
    refused = {"refusals": ((Refusal.CAPACITY, "full"),), "attempt": 3}
    world = world_in(Phase.INTENT, record=refused, after=300)
    record = planned_anew(world, Planned(SPEC, (L40S,)))
    assert (record.candidate, record.candidates, record.refusals) == (L40S, (), ())
    assert (record.attempt, record.soft_deadline) == (3, START + 3900)
    assert record.name != world.record.name


def test_the_next_attempt_takes_nothing_along_but_what_it_learnt() -> None:
    world = world_in(Phase.SENT, record={"refusals": ((Refusal.CAPACITY, "full"),)}, after=9)
    record = next_attempt(world, L40S, (), "full").record
    assert record.phase is Phase.INTENT
    assert (record.candidate, record.candidates, record.attempt) == (L40S, (), 2)
    assert (record.sent, record.rates, record.absences) == (None, (), ())
    assert record.refusals == world.record.refusals
    assert record.billed_before == 0
    assert record.spent(START + 9999) == 0
    assert next_attempt(world, L40S, (), "lost", 2).record.billed_before == 2


def test_what_was_never_sent_is_dropped_with_its_waiting() -> None:
    waiting = Waiting(START, 1, START + 15, WaitCause.CAPACITY, "full")
    verdict = Verdict(1, 5, "nothing free", "", START)
    decision = cancel(world_in(Phase.INTENT, book={"waiting": waiting}), "enough", verdict)
    assert phase_of(decision) is Phase.CANCELLED
    assert decision.book.waiting is None
    assert decision.book.verdict == verdict


def test_a_budget_is_the_pods_own_hard_deadline() -> None:
    limits = replace(LIMITS, caps=Caps(usd_total=1.0))
    world = world_with(None, limits=limits, spent=Spent(total=750_000))
    record = first_intent(world, Planned(SPEC, (L4, L40S)), attempt=1, billed_before=0)
    assert (record.soft_deadline, record.hard_deadline) == (START + 1800, START + 1800)
    assert record.is_cut_short
    assert record.name.endswith(f"-x{int(START) + 1800}")
    dearer = planned_anew(world.remember(record=record), Planned(SPEC, (L40S,)))
    assert dearer.hard_deadline == START + 562


def test_without_a_budget_no_lease_is_cut_short() -> None:
    world = world_with(None, limits=replace(LIMITS, max_extension=0.0))
    assert not first_intent(world, Planned(SPEC, (L4,)), attempt=1, billed_before=0).is_cut_short
