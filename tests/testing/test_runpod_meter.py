from __future__ import annotations

import pytest

from podman_llm.testing.runpod_meter import Bill, BillLine, Meter


def test_a_meter_adds_up_seconds_at_the_rate_of_their_time() -> None:
    meter = Meter()
    meter.charge(100.0, compute=3.6, disk=0.0)
    meter.charge(200.0, compute=0.0, disk=0.36)
    meter.charge(300.0, compute=0.0, disk=0.0)
    assert meter.compute_seconds(1000.0) == 100.0
    assert list(meter.amounts(0.0, 1000.0)) == pytest.approx([0.1, 0.01])
    assert meter.rates() == (0.0, 0.0)


def test_a_running_meter_counts_up_to_now_and_windows_cut_it() -> None:
    meter = Meter()
    meter.charge(100.0, compute=3600.0, disk=0.0)
    assert meter.rates() == (3600.0, 0.0)
    assert meter.compute_seconds(50.0) == 0.0
    assert list(meter.amounts(110.0, 130.0)) == pytest.approx([20.0, 0.0])


def test_a_bill_sums_its_lines() -> None:
    lines = (BillLine("a", "n", "RUNNING", 10.0, 1.0), BillLine("b", "m", "TERMINATED", 5.0, 2.0))
    bill = Bill(lines, ("a",), 0.44, 22.0)
    assert (bill.seconds, bill.usd) == (15.0, 3.0)
    assert bill.to_json()["live"] == ["a"]
    assert bill.to_json()["pods"][1]["pod_id"] == "b"
