from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from podman_llm.cli.checkup import Check, Grade, balance_check, clock_check, examine
from podman_llm.cli.context import Context
from podman_llm.config.models import Settings
from podman_llm.core.pod import Guard
from podman_llm.host.clock import SystemClock
from podman_llm.providers.base import Account as Money
from podman_llm.state.store import PodState, StateStore
from podman_llm.testing.clock import FakeClock
from podman_llm.testing.cloud import Cloud
from tests.cli.account import Account, write_config
from tests.samples import a_record


def examined(account: Account) -> dict[str, Check]:
    context = Context(state_dir=account.paths.root)
    return {check.name: check for check in examine(context)}


def test_a_missing_key_is_a_failure_that_stops_nothing_else(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RUNPOD_API_KEY")
    checks = examined(account)
    assert checks["key"].grade is Grade.FAIL
    assert checks["disk"].grade is Grade.OK
    assert "provider" not in checks


def test_an_outage_is_not_blamed_on_the_key(account: Account) -> None:
    account.double.fault("*", "server_error", times=9)
    checks = examined(account)
    assert checks["provider"].grade is Grade.FAIL
    assert "key" not in checks


def test_a_broken_configuration_is_the_one_finding(account: Account, tmp_path: Path) -> None:
    write_config(tmp_path, account.double.url, proxy_prot=1)
    checks = examined(account)
    assert list(checks) == ["config"]
    assert checks["config"].grade is Grade.FAIL


def test_unreadable_state_is_a_failure(account: Account) -> None:
    account.paths.ensure()
    account.paths.pod_state.write_text("{")
    account.paths.ledger.write_bytes(b"no database, for sure" * 100)
    checks = examined(account)
    assert checks["state"].grade is Grade.FAIL
    assert checks["ledger"].grade is Grade.FAIL


def test_a_place_that_cannot_be_written_is_found_before_the_first_up(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As on a read-only disk; whoever runs this test may be one who may write anywhere.
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert examined(account)["state"].grade is Grade.FAIL


def test_a_lost_owner_is_a_failure_where_pods_were_made(account: Account) -> None:
    account.paths.ensure()
    StateStore(account.paths, SystemClock()).save(PodState(current=a_record()))
    checks = examined(account)
    assert "owner is lost" in checks["state"].found


def test_a_billing_pod_without_a_daemon_and_a_missing_guard_are_told(account: Account) -> None:
    assert account.owner
    record = a_record(guard=Guard.ABSENT)
    StateStore(account.paths, SystemClock()).save(PodState(current=record))
    checks = examined(account)
    assert checks["daemon"].grade is Grade.FAIL
    assert checks["guard"].grade is Grade.WARN


def test_a_taken_port_names_its_holder(account: Account, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        write_config(tmp_path, account.double.url, proxy_port=port)
        assert f"port {port} is taken" in examined(account)["port"].found


@pytest.mark.parametrize(
    ("skew", "grade"),
    [(0.4, Grade.OK), (-4.9, Grade.OK), (20.0, Grade.WARN), (-3600.0, Grade.FAIL)],
)
def test_a_clock_that_is_off_is_told_with_its_side(skew: float, grade: Grade) -> None:
    check = clock_check(skew)
    assert check.grade is grade
    assert ("behind" in check.found) is (skew < -5)


@pytest.mark.parametrize(
    ("balance", "grade"),
    [(None, Grade.WARN), (0.0, Grade.FAIL), (1.0, Grade.WARN), (50.0, Grade.OK)],
)
def test_a_balance_is_held_against_the_time_asked_for(
    monkeypatch: pytest.MonkeyPatch, balance: float | None, grade: Grade
) -> None:
    cloud = Cloud(now=FakeClock().wall)
    monkeypatch.setattr(cloud, "account", lambda: Money(balance, None))
    assert balance_check(cloud, Settings()).grade is grade


def test_a_local_pod_needs_no_balance() -> None:
    local = Settings.model_validate({"provider": {"kind": "local", "local_command": ["x"]}})
    assert balance_check(Cloud(now=FakeClock().wall), local).grade is Grade.OK
