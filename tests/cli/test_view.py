from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from podman_llm.cli.view import as_json, glance, look
from podman_llm.core.pod import Phase, PodRecord, StopReason
from podman_llm.errors import StateError
from podman_llm.state.activity import WorkerActivity, save_activity
from podman_llm.state.desired import Desired, save_desired
from podman_llm.state.locks import ControllerLock
from podman_llm.state.paths import StatePaths
from podman_llm.state.report import DaemonReport, WorkerReport, save_report
from podman_llm.state.store import Failure, PodState, StateStore
from podman_llm.testing.clock import FakeClock
from tests.samples import EVIDENCE, NOW, a_record


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    paths = StatePaths(tmp_path / "state")
    paths.ensure()
    return paths


def keep(paths: StatePaths, record: PodRecord | None, **more: object) -> None:
    StateStore(paths, FakeClock()).save(PodState(current=record, **more))  # type: ignore[arg-type]  # fields by name


def want(paths: StatePaths, generation: int = 1) -> None:
    save_desired(paths, Desired(generation=generation, want="up", settings={}, requested_at=NOW))


def test_where_nothing_ever_was_nothing_is_shown(paths: StatePaths) -> None:
    shown = as_json(look(paths, NOW))
    assert shown["state"] == "ABSENT"
    assert shown["pod_id"] is None
    assert shown["is_billing"] is False
    assert shown["note"] == "Nothing is running."


def test_status_json_carries_what_scripts_rely_on(paths: StatePaths) -> None:
    keep(paths, a_record())
    want(paths)
    worker = WorkerReport(slot=0, pid=4711, restarts=0, since=NOW)
    report = DaemonReport(
        pid=os.getpid(), started_at=NOW, tick_at=NOW, note="READY", url="u", workers=(worker,)
    )
    save_report(paths, report)
    with ControllerLock(paths):
        shown = as_json(look(paths, NOW + 1800))
    assert shown["state"] == "READY"
    assert shown["pod_id"] == "pod123"
    assert shown["daemon_pid"] == os.getpid()
    assert shown["proxy_pids"] == [4711]
    assert shown["endpoint"] == "u"
    assert shown["deadline"] == NOW + 3600
    assert shown["time_left"] == 1800
    assert shown["cost_per_hour"] == 0.44
    assert shown["spent"] == pytest.approx(0.22)
    json.dumps(shown)


def test_only_a_worker_that_lives_can_lack_its_cache(paths: StatePaths) -> None:
    keep(paths, None)
    report = DaemonReport(pid=os.getpid(), started_at=NOW, tick_at=NOW, note="", url="", workers=())
    save_report(paths, report)
    numbers = dict.fromkeys(("in_flight", "requests", "hits", "misses", "bypassed", "errors"), 0)
    for slot, (pid, problem) in enumerate([(os.getpid(), "disk full"), (2**22 + 1, "of old")]):
        fields = {"slot": slot, "pid": pid, "at": NOW, "cache_problem": problem}
        fields |= numbers | {"last_counted_at": None}
        save_activity(paths, WorkerActivity.model_validate(fields))
    with ControllerLock(paths):
        assert look(paths, NOW).cache_problems == ("disk full",)


def test_without_a_daemon_a_billing_pod_is_called_so(paths: StatePaths) -> None:
    keep(paths, a_record())
    view = look(paths, NOW)
    assert view.daemon is None
    assert view.is_billing
    assert "takes the pod over" in view.note


def test_the_cost_of_an_up_counts_its_failed_attempts(paths: StatePaths) -> None:
    failed = a_record(Phase.DONE, evidence=EVIDENCE, reason=StopReason.PROVISION_TIMEOUT)
    other = a_record(Phase.DONE, evidence=EVIDENCE, generation=0)
    keep(paths, a_record(attempt=2), closed=(failed, other))
    view = look(paths, NOW + 600)
    assert view.spent == pytest.approx(2 * 0.44 * 600 / 3600)


def test_a_failure_of_an_older_up_is_not_shown(paths: StatePaths) -> None:
    failure = Failure(generation=1, exit_code=5, message="no capacity", hint="", at=NOW)
    keep(paths, None, failure=failure)
    want(paths, 1)
    assert look(paths, NOW).failure == failure
    want(paths, 2)
    assert look(paths, NOW).failure is None


def test_an_unreadable_state_is_unknown_never_absent(paths: StatePaths) -> None:
    keep(paths, a_record())
    for path in (paths.pod_state, paths.previous_pod_state):
        path.write_bytes(b"\0" * 100)
    with pytest.raises(StateError, match="unknown"):
        look(paths, NOW)
    view = glance(paths, NOW)
    assert "unknown" in view.problem
    assert view.note == view.problem
