"""What to do about the pod: the decision of each tick, and of each deed's outcome.

Decide, persist, act, conclude, persist. ``decide`` looks at the world and answers what to remember
and one deed; ``conclude`` takes what came of the deed. Neither does anything itself. Which phase
may follow which is in ``core.pod``; what each phase does is in the module named below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from podman_llm.core import create_protocol, ending, intent, notices, readiness, rest, serving
from podman_llm.core.cooling import warm
from podman_llm.core.deeds import LogTail, Outcome, PlanFailed, Planned
from podman_llm.core.pod import Phase
from podman_llm.core.sight import (
    Ambiguous,
    Created,
    NotCreated,
    Readiness,
    Terminated,
    TerminateFailed,
)
from podman_llm.core.sleep import as_wished
from podman_llm.core.waiting import unstretched
from podman_llm.core.world import Decision, World

DECISIONS: Final[Mapping[Phase, Callable[[World], Decision]]] = MappingProxyType(
    {
        Phase.INTENT: intent.decide_intent,
        Phase.SENT: create_protocol.decide_sent,
        Phase.UNRESOLVED: create_protocol.decide_unresolved,
        Phase.PROVISIONING: serving.decide_live,
        Phase.BOOTING: serving.decide_live,
        Phase.READY: serving.decide_live,
        Phase.DEGRADED: serving.decide_live,
        Phase.DRAINING: serving.decide_live,
        Phase.STOPPING: ending.decide_stopping,
        Phase.VERIFYING: ending.decide_verifying,
        Phase.LOST: ending.decide_lost,
    }
)
"""Who decides in which open phase; a closed one owes nothing, so ``rest`` decides."""

_FOLLOWING = frozenset(DECISIONS) - {
    Phase.DRAINING,
    Phase.STOPPING,
    Phase.VERIFYING,
    Phase.LOST,
}


def decide(world: World) -> Decision:
    """The next step, from all that is known at this tick."""
    world = as_wished(unstretched(world))
    record = world.book.record
    if record is None or not record.is_open:
        return rest.decide_rest(world)
    return DECISIONS[record.phase](_warn(_follow(world)))


def conclude(world: World, outcome: Outcome) -> Decision:
    """What to remember of the deed's outcome. ``world`` holds what was decided before it."""
    match outcome:
        case Planned() | PlanFailed():
            if isinstance(outcome, Planned):
                outcome = replace(outcome, candidates=warm(outcome.candidates, world.cold))
            if (record := world.book.record) and record.is_open:
                return intent.conclude_plan(world, outcome)
            return rest.conclude_plan(world, outcome)
        case Created() | NotCreated() | Ambiguous():
            return create_protocol.conclude_create(world, outcome)
        case Terminated() | TerminateFailed():
            return ending.conclude_terminate(world, outcome)
        case LogTail():
            return ending.conclude_logs(world, outcome)
        case Readiness():
            return readiness.conclude_probe(world, outcome)


def _follow(world: World) -> World:
    """A second ``up`` for the same model follows the pod there is; its lease stays as it was."""
    record, wish = world.record, world.wish
    is_same = record.asked_model in {"", wish.model}
    if not (wish.is_up and is_same and record.phase in _FOLLOWING):
        return world
    return world.remember(record=replace(record, generation=wish.generation))


def _warn(world: World) -> World:
    """What a person should know of the end that is coming; each thing once."""
    told = world.book.notices
    new = notices.due(world.record, world.now, caps=world.limits.caps, spent=world.spent, told=told)
    return world.remember(notices=notices.remembered(told, new)) if new else world
