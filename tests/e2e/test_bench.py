"""The bench measures what it says: real processes, answers checked, a verdict by exit code."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parents[2] / "scripts" / "bench"


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(BENCH), "--rounds", "1", "--seconds", "0.05", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=50, check=False)


def test_every_case_gets_a_ratio_to_both_yardsticks() -> None:
    done = bench("--json", "--floor", "0.0001")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["passed"]
    assert [case["case"] for case in report["cases"]] == [
        "hit",
        "hit-stream",
        "miss",
        "miss-stream",
    ]
    for case in report["cases"]:
        assert case["ratio"] > 0
        assert case["ratio_to_relay"] > 0
        assert case["proxy"]["requests_per_second"] > 0
        assert case["bare"]["p99_ms"] >= case["bare"]["p50_ms"] > 0


def test_a_ratio_under_the_floor_fails_and_is_named() -> None:
    done = bench("--only", "hit", "--floor", "1000")
    assert done.returncode == 1, done.stderr
    assert "under 1000" in done.stdout
