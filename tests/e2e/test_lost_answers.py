"""A create whose answer is lost ends with exactly one pod, adopted; driven through the real CLI."""

from __future__ import annotations

import pytest

from tests.e2e.machine import Cloud, Machine


@pytest.mark.parametrize(
    "fault", ["error_but_created", "lost_but_created", "timeout_but_created", "cut_mid_body"]
)
def test_a_lost_answer_ends_with_one_adopted_pod(
    machine: Machine, cloud: Cloud, fault: str
) -> None:
    machine.environment["PODMAN_LLM_PROVIDER__READ_TIMEOUT_SECONDS"] = "1"
    cloud.fault("POST /v2/pods", fault)
    machine.run("up")
    bill = cloud.bill()
    assert bill["live"] == [pod["pod_id"] for pod in bill["pods"]]
    assert machine.status()["pod_id"] == bill["pods"][0]["pod_id"]
    machine.run("--shutdown")
    assert cloud.live() == []
