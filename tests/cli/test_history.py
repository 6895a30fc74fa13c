from __future__ import annotations

from podman_llm.cli.history import closed
from podman_llm.core.pod import Phase, StopReason
from podman_llm.host.clock import SystemClock
from podman_llm.state.store import PodState, StateStore
from tests.cli.account import Account
from tests.samples import EVIDENCE, NOW, a_record

ENDED = a_record(
    Phase.DONE, reason=StopReason.IDLE, reason_detail="no request for 30 min", evidence=EVIDENCE
)


def test_pods_that_ended_are_listed_newest_first_with_reason_cost_and_proof(
    account: Account,
) -> None:
    account.paths.ensure()
    older = a_record(Phase.DONE, name="older", reason=StopReason.USER, evidence=EVIDENCE)
    state = PodState(current=ENDED, closed=(older,))
    StateStore(account.paths, SystemClock()).save(state)
    newest, oldest = account.json("history")
    assert (newest["reason"], newest["detail"]) == ("idle", "no request for 30 min")
    assert (newest["asked_at"], newest["ended_at"]) == (NOW, NOW + 600)
    assert round(newest["usd"], 4) == 0.0733
    assert newest["evidence"]["get_status"] == 404
    assert oldest["name"] == "older"
    assert len(account.json("history", "--limit", "1")) == 1
    heading, row, _ = account.run("history").stdout.splitlines()
    assert heading.startswith("Asked for\tPod\t")
    assert "\t10m 00s\t$0.0733\tidle\t2 lists + 404" in row


def test_a_pod_that_is_up_is_no_history(account: Account) -> None:
    assert closed(None) == ()
    assert closed(PodState(current=a_record())) == ()
    assert "No pod has ended" in account.run("history").stderr


def test_what_was_cancelled_cost_nothing_and_needs_no_proof(account: Account) -> None:
    account.paths.ensure()
    never = a_record(Phase.CANCELLED, pod_id=None, rates=())
    StateStore(account.paths, SystemClock()).save(PodState(current=never))
    (entry,) = account.json("history")
    assert (entry["state"], entry["usd"], entry["evidence"]) == ("CANCELLED", 0.0, None)
    assert "\t-\t" in account.run("history").stdout
