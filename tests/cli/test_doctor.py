from __future__ import annotations

import json

import pytest

from tests.cli.account import Account


def test_a_healthy_machine_passes_and_every_check_says_what_it_found(account: Account) -> None:
    account.double.set_balance(75.0)
    checks = {check["name"]: check for check in account.json("doctor")}
    assert {"config", "state", "ledger", "disk", "port", "daemon", "catalog"} <= set(checks)
    assert {"key", "provider", "clock", "balance", "units"} <= set(checks)
    assert all(check["found"] for check in checks.values())
    assert all(check["fix"] for check in checks.values() if check["grade"] != "ok")
    assert checks["balance"] == {
        "name": "balance", "grade": "ok", "found": "$75.00", "fix": "",
    }  # fmt: skip
    assert not account.paths.root.exists()
    assert not account.double.bill().live


def test_a_damaged_wish_is_a_finding_and_keeps_nothing_else_from_being_looked_at(
    account: Account,
) -> None:
    account.paths.ensure()
    account.paths.desired.write_bytes(b"{")
    result = account.run("doctor", "--json")
    checks = {check["name"]: check for check in json.loads(result.stdout)}
    assert "desired.json is damaged" in checks["state"]["found"]
    assert "podman-llm down" in checks["state"]["fix"]
    assert checks["key"]["grade"] == "ok"


def test_a_failing_check_ends_with_1_and_its_fix(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_wrong")
    result = account.run("doctor")
    assert result.exit_code == 1
    assert "FAIL key" in result.stdout
    assert "console.runpod.io" in result.stdout
    result = account.run("doctor", "--json")
    assert result.exit_code == 1
    assert "fail" in {check["grade"] for check in json.loads(result.stdout)}
    assert "rpa_wrong" not in result.output
