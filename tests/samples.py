"""A pod's record and specification in the middle of a life, for tests that need one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from podman_llm.core.pod import (
    Candidate,
    ClockReading,
    Evidence,
    Phase,
    PodRecord,
    PodSpec,
    RateInterval,
)

NOW = 1_795_000_000.0

SPEC = PodSpec(
    model_store_id="a-model",
    hf_id="org/a-model",
    revision="main",
    served_names=("a-model", "org/a-model", "podman-llm"),
    context=32768,
    image="vllm/vllm-openai:v0.32.0",
    command=("vllm", "serve", "org/a-model"),
    port=8000,
    disk_gb=60,
    min_cuda="12.8",
    env={},
    template_id=None,
    network_volume_id=None,
)

CANDIDATE = Candidate(
    gpu_id="NVIDIA L4",
    gpu_name="L4",
    gpu_count=1,
    cloud="SECURE",
    data_center_id="EU-RO-1",
    price_per_hour=0.44,
    vram_gb=24,
    availability="HIGH",
)

EVIDENCE = Evidence(
    kind="absent",
    at=NOW + 600,
    list_times=(NOW + 580, NOW + 600),
    list_counts=(0, 0),
    get_status=404,
)


def a_record(phase: Phase = Phase.READY, **changes: Any) -> PodRecord:
    """A pod asked for at ``NOW``, for an hour, ready after two minutes."""
    reading = ClockReading(NOW, 1000.0, "boot")
    record = PodRecord(
        name=f"pllm-abc234-a-model-0123456789ab-x{int(NOW) + 18000}",
        owner="abc234",
        generation=1,
        phase=phase,
        spec=SPEC,
        attempt=1,
        candidate=CANDIDATE,
        candidates=(),
        intent=reading,
        soft_deadline=NOW + 3600,
        hard_deadline=NOW + 18000,
        keyed=True,
        sent=reading,
        pod_id="pod123",
        endpoint="http://127.0.0.1:1/pod123-8000",
        created_at=NOW,
        running_at=NOW + 60,
        ready_at=NOW + 120,
        rates=(RateInterval(NOW, 0.44),),
    )
    return replace(record, **changes)
