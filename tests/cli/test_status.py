from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from click.testing import CliRunner

from podman_llm.cli.main import cli
from podman_llm.cli.status import render
from podman_llm.cli.view import View, as_json, look
from podman_llm.core.breaker import CircuitState
from podman_llm.core.notices import Notice
from podman_llm.core.pod import Guard, Phase, Sleep, StopReason
from podman_llm.state.activity import Detour
from podman_llm.state.paths import StatePaths
from podman_llm.state.report import DaemonReport, WorkerReport
from podman_llm.state.store import PodState
from tests.samples import EVIDENCE, NOW, a_record


def view(**changes: object) -> View:
    return replace(look(StatePaths(Path("/nowhere")), NOW + 600), **changes)  # type: ignore[arg-type]  # fields by name


def rows(shown: View) -> dict[str, str]:
    return {line[:9].strip(): line[10:] for line in render(shown)}


def test_a_ready_pod_is_shown_with_its_money_and_time() -> None:
    shown = rows(view(state=PodState(current=a_record())))
    assert shown["State"] == "READY"
    assert shown["GPU"] == "1 x L4, $0.44/h"
    assert shown["Spent"] == "$0.0733"
    assert shown["Left"] == "50m 00s (can be extended to 4h 50m)"


def test_the_guard_of_an_open_pod_is_shown_if_it_has_one() -> None:
    armed = rows(view(state=PodState(current=a_record(guard=Guard.ARMED))))
    assert armed["Guard"] == "armed; ends the pod at its hard deadline without us"
    refused = rows(view(state=PodState(current=a_record(guard=Guard.KEY_REFUSED))))
    assert "`podman-llm reap`" in refused["Guard"]
    assert "Guard" not in rows(view(state=PodState(current=a_record())))


def test_an_ended_pod_is_shown_with_reason_and_evidence() -> None:
    record = a_record(Phase.DONE, reason=StopReason.IDLE, evidence=EVIDENCE)
    shown = rows(view(state=PodState(current=record)))
    assert shown["Ended"] == "idle"
    assert shown["Evidence"] == "absent; absent from 2 complete lists"
    assert "Left" not in shown


def test_a_worker_without_its_cache_is_shown() -> None:
    worker = WorkerReport(slot=0, pid=7, restarts=1, since=NOW, problem="cache: disk full")
    report = DaemonReport(pid=1, started_at=NOW, tick_at=NOW, note="n", url="u", workers=(worker,))
    shown = rows(view(daemon=report))
    assert shown["Problem"] == "cache: disk full"
    assert shown["Endpoint"] == "u"


def test_a_worker_that_only_finishes_its_answers_is_told_apart() -> None:
    serving = WorkerReport(slot=1, pid=8, restarts=0, since=NOW)
    leaving = WorkerReport(slot=0, pid=7, restarts=0, since=NOW, is_leaving=True)
    shown = view(daemon=DAEMON.model_copy(update={"workers": (leaving, serving)}))
    assert rows(shown)["Daemon"] == "pid 7, proxy pid 8, 7 finishes its answers"
    assert as_json(shown)["proxy_pids"] == [8]


def test_who_is_not_asked_is_shown_with_the_way_back() -> None:
    report = DaemonReport(pid=1, started_at=NOW, tick_at=NOW, note="n", url="u", workers=())
    circuits: dict[str, CircuitState] = {"pod": "OPEN", "bedrock": "OPEN", "openai": "CLOSED"}
    activity = replace(view().activity, circuits=circuits)
    shown = view(daemon=report, activity=activity, shut_by_hand=("bedrock", "former"))
    assert [line[10:] for line in render(shown) if line.startswith("Circuit")] == [
        "pod is OPEN (`podman-llm breaker` says why)",
        "bedrock is shut by hand (`podman-llm breaker close bedrock` lets it be asked again)",
    ]
    assert as_json(shown)["shut_by_hand"] == ["bedrock", "former"]


def test_the_last_answer_that_was_not_the_pods_is_shown_with_its_reason() -> None:
    report = DaemonReport(pid=1, started_at=NOW, tick_at=NOW, note="n", url="u", workers=())
    why, trail = "The pod is BOOTING.", "bedrock/claude;outcome=answered"
    detour = Detour(at=NOW + 510, status=200, served_by="bedrock/claude", attempts=trail, why=why)
    shown = view(daemon=report, activity=replace(view().activity, detour=detour))
    assert rows(shown)["Last"] == "bedrock/claude answered 1m 30s ago: The pod is BOOTING."
    assert as_json(shown)["last_detour"] == {
        "at": NOW + 510,
        "status": 200,
        "served_by": "bedrock/claude",
        "attempts": trail,
        "why": why,
    }
    refused = detour.model_copy(update={"served_by": "podman-llm", "status": 503})
    shown = view(daemon=report, activity=replace(view().activity, detour=refused))
    assert rows(shown)["Last"] == "refused with 503 1m 30s ago: The pod is BOOTING."


def test_status_of_an_untouched_machine_creates_nothing(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["--state-dir", str(tmp_path / "s"), "status", "--json"])
    assert result.exit_code == 0
    assert json.loads(result.output)["state"] == "ABSENT"
    assert not (tmp_path / "s").exists()


def test_warnings_and_the_balance_of_an_open_pod_are_shown() -> None:
    told = Notice("deadline", "the pod ends in 12 min", NOW + 300)
    before = Notice("earlier", "an earlier pod's", NOW - 300)
    state = PodState(current=a_record(), notices=(before, told), balance=12.5, balance_at=NOW)
    shown = view(state=state)
    assert rows(shown)["Note"] == "the pod ends in 12 min"
    assert rows(shown)["Balance"] == "$12.50"
    assert [one["flag"] for one in as_json(shown)["notices"]] == ["deadline"]
    done = a_record(Phase.DONE, reason=StopReason.IDLE, evidence=EVIDENCE)
    ended = rows(view(state=PodState(current=done, notices=(told,), balance=12.5)))
    assert not {"Note", "Balance"} & set(ended)


ASLEEP = Sleep(1, NOW + 300, a_record().intent, 120.0)
IDLE = a_record(Phase.DONE, reason=StopReason.IDLE, evidence=EVIDENCE)
DAEMON = DaemonReport(pid=7, started_at=NOW, tick_at=NOW, note="n", url="u", workers=())


def test_a_pod_that_sleeps_says_what_wakes_it() -> None:
    shown = view(state=PodState(current=IDLE, sleep=ASLEEP), daemon=DAEMON)
    assert rows(shown)["Asleep"] == "for 5m 00s; a request wakes it, in about 2m 00s"
    assert as_json(shown)["sleep"] == {"since": NOW + 300, "wakes": True, "why_not": ""}
    assert "`podman-llm up` does" in rows(replace(shown, daemon=None))["Asleep"]


def test_a_pod_that_no_request_wakes_says_why() -> None:
    sleep = replace(ASLEEP, why_not="waking it failed")
    shown = view(state=PodState(current=IDLE, sleep=sleep), daemon=DAEMON)
    assert rows(shown)["Asleep"].endswith("; no request wakes it: waking it failed")
    assert as_json(shown)["sleep"]["wakes"] is False


def test_a_pod_that_is_being_woken_does_not_sleep() -> None:
    for state in (None, PodState(current=IDLE), PodState(current=a_record(), sleep=ASLEEP)):
        shown = view(state=state)
        assert "Asleep" not in rows(shown)
        assert as_json(shown)["sleep"] is None


def test_where_nothing_can_be_drawn_over_a_watch_is_lines(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "podman_llm", "--state-dir", str(tmp_path), "status", "--watch"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as watch:
        assert watch.stdout is not None
        assert watch.stdout.readline() == "State     ABSENT\n"
        assert watch.stdout.readline() == "Doing     Nothing is running.\n"
        watch.send_signal(signal.SIGINT)
        assert watch.wait(10) == 0
