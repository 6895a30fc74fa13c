"""A private state directory, and a record with something in every kind of field."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

import pytest

from podman_llm.core.pod import (
    Candidate,
    ClockReading,
    Evidence,
    Phase,
    PodRecord,
    PodSpec,
    RateInterval,
    StopReason,
    Transition,
)
from podman_llm.state.paths import StatePaths
from podman_llm.state.store import Failure, PodState


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    made = StatePaths(tmp_path / "state")
    made.ensure()
    return made


@pytest.fixture
def record() -> PodRecord:
    candidate = Candidate("rtx-4090", "RTX 4090", 1, "SECURE", None, 0.69, 24.0, "HIGH")
    spec = PodSpec(
        model_store_id="qwen3-coder",
        hf_id="Qwen/Qwen3-Coder",
        revision="main",
        served_names=("qwen3-coder", "Qwen/Qwen3-Coder"),
        context=32768,
        image="vllm/vllm-openai:v0",
        command=("vllm", "serve", "Qwen/Qwen3-Coder"),
        port=8000,
        disk_gb=50,
        min_cuda="12.8",
        env=MappingProxyType({"PLLM_OWNER": "abcdef"}),
        template_id=None,
        network_volume_id=None,
    )
    return PodRecord(
        name="pllm-abcdef-qwen3-abc123-x1795003600",
        owner="abcdef",
        generation=3,
        phase=Phase.DONE,
        spec=spec,
        attempt=2,
        candidate=candidate,
        candidates=(candidate,),
        intent=ClockReading(1_795_000_000.5, 12.25, "boot-1"),
        sent=ClockReading(1_795_000_001.5, 13.25, "boot-1"),
        soft_deadline=1_795_003_600,
        hard_deadline=1_795_018_000,
        pod_id="pod1",
        rates=(RateInterval(1_795_000_001.5, 0.69),),
        reason=StopReason.USER,
        log_tail=('he said "ü" \\ \u2028',),
        absences=((1_795_000_100.0, 0), (1_795_000_130.0, 1)),
        evidence=Evidence("terminated", 1_795_000_131.0, (1_795_000_100.0,), (0,), 404),
        transitions=(Transition(Phase.INTENT, 1_795_000_000.5, "decided"),),
    )


@pytest.fixture
def state(record: PodRecord) -> PodState:
    return PodState(
        current=record,
        closed=(record,),
        failure=Failure(3, 5, "no capacity", "try later", 1_795_000_200.0),
        last_list_at=1_795_000_130.0,
    )
