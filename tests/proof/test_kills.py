"""``kill -9`` for real: the product's daemon over HTTP to the RunPod double, at every step."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from podman_llm.config.models import Settings
from podman_llm.core.charges import MICROS
from podman_llm.core.pod import CLOSED, Phase
from podman_llm.state.desired import Desired, save_desired
from podman_llm.state.paths import StatePaths
from podman_llm.state.store import read_pod_state
from podman_llm.testing.runpod_pod import Schedule
from podman_llm.testing.runpod_server import RunpodConfig, RunpodServer
from podman_llm.testing.server_thread import ServerThread
from podman_llm.usage.ledger import read_ledger

KEY = "rpa_KILLKEY0123456789abcdefghijklmno"
ROOT = Path(__file__).parent.parent.parent
LIVES_MOST = 60
FAULTS = (None, "error_but_created", "lost_but_created")


@dataclass
class Launcher:
    """Starts daemons; see ``tests.proof.launcher``."""

    process: subprocess.Popen[str]

    def run(self, root: Path, last: int = 0) -> int:
        assert self.process.stdin
        assert self.process.stdout
        print(root, last, file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())


@pytest.fixture
def launcher(tmp_path: Path) -> Iterator[Launcher]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.proof.launcher"],
        cwd=ROOT,
        env={**os.environ, "RUNPOD_API_KEY": KEY},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Launcher(process)
        process.kill()


@pytest.fixture
def runpod() -> Iterator[RunpodServer]:
    schedule = Schedule(provision=0.02, start=0.02, load=0.02)
    server = RunpodServer(RunpodConfig(api_key=KEY, schedule=schedule))
    with ServerThread(server):
        yield server


def wish_up(paths: StatePaths, url: str) -> None:
    paths.ensure()
    settings = Settings.model_validate(
        {
            "initial_wait_seconds": 0,
            "poll_interval_seconds": 0.1,
            "provider": {
                "api_base": url,
                "endpoint_template": url + "/{pod_id}-{port}",
                "settle_seconds": 0.2,
                "quarantine_seconds": 1,
            },
        }
    )
    plain = settings.model_dump(mode="json", by_alias=True)
    save_desired(paths, Desired(generation=1, want="up", settings=plain, requested_at=0.0))


def most_at_once(runpod: RunpodServer) -> int:
    """The most pods that were billed at the same time, by the double's own meters."""
    billed = [
        (stretch.since, float("inf") if stretch.until is None else stretch.until)
        for pod in runpod._world.rented.values()
        for stretch in pod.meter.stretches
    ]
    return max(sum(since <= at < until for since, until in billed) for at, _ in billed)


def check(paths: StatePaths, runpod: RunpodServer) -> None:
    state = read_pod_state(paths)
    assert state is not None
    assert state.current is not None
    assert state.current.phase in CLOSED
    assert state.current.phase is not Phase.DONE or state.current.evidence
    assert runpod.bill().live == ()
    assert most_at_once(runpod) == 1
    names = [pod["name"] for pod in runpod.pods()]
    assert len(names) == len(set(names))


def counted_in(paths: StatePaths) -> float:
    """USD in the ledger of one state directory."""
    ledger = read_ledger(paths.ledger)
    assert ledger is not None
    with_all = ledger.spent(besides=None, day=0)
    ledger.close()
    return with_all.total / MICROS


@pytest.mark.timeout(300)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_daemon_killed_after_any_step_leaves_nothing_and_counts_everything(
    launcher: Launcher,
    runpod: RunpodServer,
    tmp_path: Path,
    fault: str | None,
    record_property: Callable[[str, object], None],
) -> None:
    kills = 0
    for last in itertools.count(1):
        assert last < LIVES_MOST
        paths = StatePaths(tmp_path / f"life{last}")
        wish_up(paths, runpod.url)
        if fault:
            runpod.fault("POST /v2/pods", fault)
        billed = runpod.bill().usd
        if (code := launcher.run(paths.root, last)) == 0:
            break
        assert code == -9
        kills += 1
        assert launcher.run(paths.root) == 0
        runpod.clear_faults()
        check(paths, runpod)
        assert counted_in(paths) >= runpod.bill().usd - billed - 1e-6
    assert kills > 10
    record_property(
        "proof", f"SIGKILL over HTTP, create {fault or 'answered'}: {kills} kills, none left"
    )
