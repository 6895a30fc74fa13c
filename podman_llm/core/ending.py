"""The end of a pod: order it, for ever if need be, then prove that it came."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from podman_llm.core import backoff, lease
from podman_llm.core.absence import absences, find, is_propagated, is_seen, proof
from podman_llm.core.deeds import FetchLogs, LogTail, TerminatePod
from podman_llm.core.pod import Evidence, Phase
from podman_llm.core.serving import disowned
from podman_llm.core.sight import Terminated, TerminateOutcome
from podman_llm.core.verdicts import FAILURES, of_ended
from podman_llm.core.wording import duration, money
from podman_llm.core.world import Decision, World

RETRY_MOST: Final = 60.0
"""Most seconds between two orders to end the same pod: it bills all the while."""


def decide_stopping(world: World) -> Decision:
    """Terminate, repeating it until the provider accepts. There is no way back."""
    if foreign := disowned(world):
        return foreign
    record = world.record
    if record.pod_id is None:
        return _stop_nameless(world)
    if record.reason in FAILURES and not record.log_tail:
        return world.stay("keeping its last log lines", 0.0, FetchLogs(record.pod_id))
    return world.stay("ending it", 0.0, TerminatePod(record.pod_id), world.strikes)


def conclude_logs(world: World, outcome: LogTail) -> Decision:
    """The last words of a failed pod; then it is ended."""
    lines = outcome.lines or ("(it wrote nothing)",)
    kept = world.remember(record=replace(world.record, log_tail=lines))
    return kept.stay(f"kept {len(lines)} of its log lines", 0.0)


def conclude_terminate(world: World, outcome: TerminateOutcome) -> Decision:
    """Accepted is not gone; not accepted is tried again."""
    if isinstance(outcome, Terminated):
        return world.go(Phase.VERIFYING, f"the provider took the order ({outcome.status})")
    strikes = world.strikes + 1
    pause = backoff.exponential(strikes, first=world.limits.poll, most=RETRY_MOST)
    what = f"the order to end it did not get through ({outcome.why}); it may still be billing"
    return world.stay(what, pause, strikes=strikes)


def decide_verifying(world: World) -> Decision:
    """Gather the evidence of absence; a pod that shows itself again is ended again."""
    if foreign := disowned(world):
        return foreign
    looked = world.remember(record=replace(world.record, absences=absences(world)))
    if is_seen(world):
        return _seen_again(looked)
    if evidence := proof(looked):
        return _close(looked, evidence)
    return looked.stay(_what_is_missing(looked), _look_again(looked))


def decide_lost(world: World) -> Decision:
    """It is absent by the evidence so far; that evidence is completed like any other."""
    return world.go(Phase.VERIFYING, "making sure that it is gone")


def _stop_nameless(world: World) -> Decision:
    """The request's answer was lost, and the pod is unwanted by now: it may still appear."""
    if found := find(world):
        named = replace(world.record, pod_id=found.pod_id, created_at=found.created_at)
        return world.remember(record=named).stay(f"found it as pod {found.pod_id}", 0.0)
    if is_propagated(world) and world.view.is_valid:
        return world.go(Phase.VERIFYING, "it had all the time there is to appear, and did not")
    sent = world.record.sent or world.record.intent
    left = world.limits.quarantine - lease.elapsed(sent, world.reading)
    what = f"the request may still turn into a pod for {duration(left)}; waiting to end that"
    return world.stay(what, backoff.until_next_look(world.in_phase))


def _seen_again(world: World) -> Decision:
    if world.in_phase < world.limits.settle:
        return world.stay("ordered to end, still shown")
    found = find(world)
    pod_id = world.record.pod_id or (found.pod_id if found else None)
    return world.go(Phase.STOPPING, "it is still there; ending it again", pod_id=pod_id)


def _close(world: World, evidence: Evidence) -> Decision:
    spent = money(replace(world.record, evidence=evidence).spent(world.now))
    note = f"proved gone by two lists, {duration(_span(evidence))} apart; it cost {spent}"
    done = world.moved(Phase.DONE, note, evidence=evidence)
    verdict = of_ended(done.record, world) if _is_of_this_wish(world) else None
    return done.remember(verdict=verdict or world.book.verdict).stay(note, 0.0)


def _is_of_this_wish(world: World) -> bool:
    return world.wish.is_up and world.record.generation == world.wish.generation


def _what_is_missing(world: World) -> str:
    if not world.view.is_valid:
        return f"proof that it is gone waits for a usable list ({world.view.why})"
    if not world.record.absences:
        return "proof that it is gone waits for a look at it by id"
    if not is_propagated(world):
        return "not shown, but it is too young for that to mean anything"
    return f"not shown; looking twice, {duration(world.limits.settle)} apart"


def _look_again(world: World) -> float:
    """No later than the second look may count."""
    seen = world.record.absences
    if not seen:
        return world.limits.poll
    left = world.limits.settle - (lease.steady_time(world.record, world.reading) - seen[0][0])
    return min(world.limits.poll, left) if left > 0 else world.limits.poll


def _span(evidence: Evidence) -> float:
    return evidence.list_times[-1] - evidence.list_times[0]
