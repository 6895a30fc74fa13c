from __future__ import annotations

from podman_llm.state.paths import StatePaths
from podman_llm.state.report import DaemonReport, WorkerReport, load_report, save_report


def test_a_report_comes_back_as_it_was(paths: StatePaths) -> None:
    report = DaemonReport(
        pid=4242,
        started_at=1_795_000_000.0,
        tick_at=1_795_000_015.0,
        note="READY qwen 1h12m left",
        url="http://localhost:8000/v1",
        workers=(
            WorkerReport(slot=0, pid=4243, restarts=0, since=1.0),
            WorkerReport(slot=1, pid=None, restarts=3, since=2.0, problem="exited 1"),
        ),
    )
    assert load_report(paths) is None
    save_report(paths, report)
    assert load_report(paths) == report
