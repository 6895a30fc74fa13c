"""The metrics that are told are told as vLLM tells them."""

from __future__ import annotations

import re
from pathlib import Path

from podman_llm.testing.openai_config import OpenAIDoubleConfig
from podman_llm.testing.openai_metrics import CONTENT_TYPE, exposition
from podman_llm.testing.openai_tally import Tally
from podman_llm.testing.transcripts import load_transcript


async def test_every_line_is_among_the_recorded_ones_but_for_its_value(recordings: Path) -> None:
    recorded = load_transcript(recordings / "vllm", "metrics").response
    known = {_without_value(line) for line in recorded.body.decode().splitlines()}
    lines = exposition(OpenAIDoubleConfig(), Tally()).splitlines()
    assert len(lines) >= 12
    assert {_without_value(line) for line in lines} <= known
    assert recorded.header("content-type") == CONTENT_TYPE


def _without_value(line: str) -> str:
    return line if line.startswith("#") else re.sub(r" \S+$", "", line)


async def test_running_and_waiting_are_the_tallys() -> None:
    tally = Tally()
    tally.change(running=2, waiting=4)
    text = exposition(OpenAIDoubleConfig(), tally)
    assert 'vllm:num_requests_running{engine="0",model_name="tiny/llama-random"} 2.0\n' in text
    assert 'vllm:num_requests_waiting{engine="0",model_name="tiny/llama-random"} 4.0\n' in text
