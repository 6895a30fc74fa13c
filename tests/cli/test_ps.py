from __future__ import annotations

from dataclasses import replace

import pytest

from podman_llm.cli.ps import whose
from podman_llm.core.pod import Phase
from podman_llm.errors import ProviderUnreachable
from podman_llm.host.clock import SystemClock
from podman_llm.state.store import PodState, StateStore
from tests.cli.account import Account
from tests.core.worlds import MARKS, NAME, OWNER, record_in, sight_of
from tests.samples import a_record


def save(account: Account, state: PodState) -> None:
    account.paths.ensure()
    StateStore(account.paths, SystemClock()).save(state)


def test_all_pods_of_the_account_are_told_apart(account: Account) -> None:
    ours, name = account.rent(account.owner.id)
    save(account, PodState(current=a_record(pod_id=ours, name=name, owner=account.owner.id)))
    stray, _ = account.rent(account.owner.id)
    foreign, _ = account.rent("zzzzzz")
    by_hand = account.make("my-notebook", {})
    copied = account.make(name, {})
    rows = {row["pod_id"]: row for row in account.json("ps", "--all")}
    assert {pod_id: row["whose"] for pod_id, row in rows.items()} == {
        ours: "ours",
        stray: "stray",
        foreign: "zzzzzz",
        by_hand: "other",
        copied: "other",
    }
    assert rows[ours]["deadline"] == float(name.rpartition("-x")[2])
    assert rows[by_hand]["deadline"] is None
    assert rows[by_hand]["usd_per_hour"] > 0


def test_without_all_the_files_are_enough(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RUNPOD_API_KEY")
    assert account.json("ps") == []
    save(account, PodState(current=a_record()))
    (row,) = account.json("ps")
    assert (row["pod_id"], row["state"], row["usd_per_hour"]) == ("pod123", "READY", 0.44)
    save(account, PodState(current=replace(a_record(Phase.CANCELLED))))
    assert account.json("ps") == []
    assert account.double.requests == ()


def test_people_see_the_sum(account: Account) -> None:
    account.make("my-notebook", {})
    result = account.run("ps", "--all")
    assert "my-notebook" in result.stdout
    assert result.stderr.startswith("1 pod, $0.")
    assert "no pod" in account.run("ps").stderr.lower()


def test_a_list_that_cannot_be_had_is_an_error_and_not_an_empty_one(account: Account) -> None:
    account.double.fault("*", "server_error", times=9)
    assert isinstance(account.fails("ps", "--all"), ProviderUnreachable)


def test_a_mark_without_the_name_is_not_ours() -> None:
    sight = sight_of(name="renamed")
    assert whose(sight, OWNER, None) == "other"
    assert whose(sight_of(name=NAME, env=MARKS), OWNER, record_in(Phase.READY)) == "ours"
