from __future__ import annotations

from dataclasses import replace

import pytest

from podman_llm.cli.cost import amount_text
from podman_llm.core.charges import Amount, PodHours, Stretch
from podman_llm.core.pod import Phase, RateInterval
from podman_llm.host.clock import SystemClock
from podman_llm.state.desired import Desired, save_desired
from podman_llm.state.store import PodState, StateStore
from podman_llm.usage.ledger import open_ledger
from tests.cli.account import Account
from tests.samples import a_record


def test_without_any_pod_nothing_was_spent_and_nobody_is_asked(account: Account) -> None:
    costs = account.json("cost")
    assert costs["total"] == {"usd": 0.0, "unpriced_seconds": 0.0}
    assert costs["bill"] == {"usd": None, "unknown": "no pod yet"}
    assert account.double.requests == ()
    assert not account.paths.root.exists()


def fill(account: Account) -> str:
    """A closed pod in the ledger, and an open one that RunPod bills."""
    account.paths.ensure()
    now = SystemClock().wall()
    pod_id, name = account.rent(account.owner.id)
    ledger = open_ledger(account.paths.ledger)
    parts = (Stretch(now - 90_000, now - 86_400, 1_000_000),)
    ledger.enter([PodHours("old", "n", "L4", parts, is_settled=True)])
    ledger.close()
    record = a_record(
        Phase.BOOTING, pod_id=pod_id, name=name, rates=(RateInterval(now - 1800, 0.44),)
    )
    StateStore(account.paths, SystemClock()).save(PodState(current=record))
    return pod_id


def test_the_open_pod_counts_and_the_bill_is_shown_beside(account: Account) -> None:
    pod_id = fill(account)
    costs = account.json("cost")
    assert 1.21 < costs["total"]["usd"] < 1.24
    assert {pod["pod_id"]: pod["is_settled"] for pod in costs["pods"]} == {
        "old": True,
        pod_id: False,
    }
    assert costs["bill"]["usd"] < costs["bill"]["counted_usd"]
    assert costs["bill"]["drift_usd"] < 0
    periods = sum(one["usd"] for one in costs["periods"])
    assert periods == pytest.approx(costs["total"]["usd"])


def test_days_and_months_for_people(account: Account) -> None:
    fill(account)
    by_day = account.run("cost", "--day", "--offline").stdout.splitlines()
    assert by_day[0] == "Day\tCost"
    assert len(by_day) >= 3
    assert account.run("cost", "--month", "--offline").stdout.startswith("Month\tCost")
    text = account.run("cost").stdout
    assert "Today" in text
    assert "less than counted here" in text
    assert "/v2/billing" in str(account.double.requests)


def test_a_bill_that_cannot_be_had_is_unknown_and_the_rest_is_shown(account: Account) -> None:
    fill(account)
    account.double.fault("*", "server_error", times=9)
    costs = account.json("cost")
    assert costs["bill"]["usd"] is None
    assert costs["bill"]["unknown"]
    assert costs["total"]["usd"] > 1


def test_budgets_in_force_are_shown_with_their_use(account: Account) -> None:
    fill(account)
    budget = {"max_usd_per_day": 5.0, "max_usd_total": 50.0}
    desired = Desired(generation=1, want="up", settings={"budget": budget}, requested_at=0.0)
    save_desired(account.paths, desired)
    text = account.run("cost", "--offline").stdout
    assert "of $5.00 today, disks included" in text
    assert "of $50.00 in all" in text


def test_disks_and_volumes_are_told_apart(account: Account) -> None:
    pod_id = fill(account)
    store = StateStore(account.paths, SystemClock())
    record = store.load().state.current
    assert record
    place = replace(record.candidate, disk_per_hour=0.01)
    spec = replace(record.spec, network_volume_id="agv6w2qcg7")
    store.save(PodState(current=replace(record, candidate=place, spec=spec)))
    costs = account.json("cost")
    disks = {pod["pod_id"]: pod["disk_usd"] for pod in costs["pods"]}
    assert disks["old"] is None
    assert disks[pod_id] is not None
    assert 0.004 < disks[pod_id] < 0.006
    assert costs["disks"]["usd"] == disks[pod_id]
    assert costs["disks"]["unpriced_seconds"] == pytest.approx(3600)
    assert 1.21 < costs["total"]["usd"] < 1.24
    assert costs["bill"]["disks_usd"] is not None
    text = account.run("cost").stdout
    assert "Disks   $0.0050 and 60 min of unknown price, besides" in text
    assert "Volume  agv6w2qcg7 bills by itself" in text
    assert "for disks" in text


def test_time_of_unknown_price_is_said_and_no_zero() -> None:
    assert amount_text(Amount(500_000, 3600.0)) == "$0.5000 and 60 min of unknown price"
    assert amount_text(Amount(2_000_000)) == "$2.00"
