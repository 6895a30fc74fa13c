from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from podman_llm.config.models import Settings
from podman_llm.core.deeds import (
    CreatePod,
    FetchLogs,
    LogTail,
    MakePlan,
    Nothing,
    PlanFailed,
    Planned,
    Probe,
    TerminatePod,
)
from podman_llm.core.pod import WaitCause
from podman_llm.core.sight import Created, Readiness, Rung, Terminated
from podman_llm.errors import (
    ConfigError,
    NoCapacity,
    PodmanLLMError,
    ProviderUnreachable,
    RefusedByCap,
)
from podman_llm.pods.actuate import LOG_LINES, LOG_WIDTH, Actuator, marks
from podman_llm.pods.planning import Plan
from podman_llm.providers.base import LogLine
from tests.pods.house import L4, OWNER, SPEC, House, ready_house

SETTINGS = Settings()


def actuator(house: House, *, error: PodmanLLMError | None = None) -> Actuator:
    def plan(settings: Settings) -> Plan:
        if error:
            raise error
        return Plan(SPEC, (L4,), (("A100", "too dear"),))

    return Actuator(provider=house.cloud, prober=house.cloud, owner=OWNER, planner=plan)


def test_nothing_does_nothing() -> None:
    assert actuator(House()).do(Nothing(), SETTINGS) is None


def test_a_plan_is_what_to_run_and_where() -> None:
    assert actuator(House()).do(MakePlan(), SETTINGS) == Planned(SPEC, (L4,))


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (NoCapacity("sold out"), WaitCause.CAPACITY),
        (ProviderUnreachable("no answer"), WaitCause.UNREACHABLE),
        (RefusedByCap("too dear", hint="raise it"), None),
        (ConfigError("no such model"), None),
    ],
)
def test_an_error_of_the_planner_is_a_value(error: PodmanLLMError, cause: Any) -> None:
    outcome = actuator(House(), error=error).do(MakePlan(), SETTINGS)
    assert outcome == PlanFailed(error.exit_code, error.message, error.hint, cause)


def test_a_pod_without_a_key_is_marked_without_one() -> None:
    house = ready_house()
    record = replace(house.record, keyed=False)
    outcome = actuator(house).do(CreatePod(record), SETTINGS)
    assert isinstance(outcome, Created)
    assert house.cloud.requests[-1].api_key_sha256 is None
    assert "PLLM_KEY_SHA256" not in marks(record, None)


def test_termination_is_passed_on() -> None:
    house = ready_house()
    assert actuator(house).do(TerminatePod("pod1"), SETTINGS) == Terminated(204)


@pytest.mark.parametrize(("keyed", "rung"), [(True, Rung.ANSWERING), (False, Rung.KEY_REFUSED)])
def test_a_probe_brings_the_key_of_a_keyed_pod(keyed: bool, rung: Rung) -> None:
    house = ready_house()
    probe = Probe("http://pod1", "tiny", house.record.name, is_keyed=keyed, deep=True)
    outcome = actuator(house).do(probe, SETTINGS)
    assert isinstance(outcome, Readiness)
    assert outcome.rung is rung


def test_the_last_log_lines_are_kept_short() -> None:
    house = ready_house()
    house.cloud.pods[0].log.extend(["x" * 2000] * 100)
    outcome = actuator(house).do(FetchLogs("pod1"), SETTINGS)
    assert isinstance(outcome, LogTail)
    assert len(outcome.lines) == LOG_LINES
    assert {len(line) for line in outcome.lines} == {LOG_WIDTH}


def test_a_container_that_wrote_nothing_leaves_the_word_to_its_host(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    house = ready_house()

    def logs(pod_id: str, *, source: str, tail: int, follow: bool) -> Iterator[LogLine]:
        return iter([LogLine("", source, "image not found")] if source == "system" else [])

    monkeypatch.setattr(house.cloud, "logs", logs)
    assert actuator(house).do(FetchLogs("pod1"), SETTINGS) == LogTail(("image not found",))


def test_logs_that_cannot_be_read_are_said_so_and_hinder_nothing() -> None:
    outcome = actuator(House()).do(FetchLogs("pod9"), SETTINGS)
    assert outcome == LogTail(("(its log could not be read: no pod pod9)",))


def test_a_pod_that_wrote_nothing_has_an_empty_tail() -> None:
    assert actuator(ready_house()).do(FetchLogs("pod1"), SETTINGS) == LogTail(())
