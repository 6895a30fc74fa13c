"""The parts of a double belong together."""

from __future__ import annotations

from podman_llm.testing.openai_backend import make_backend
from podman_llm.testing.openai_config import OpenAIDoubleConfig


async def test_two_backends_share_nothing() -> None:
    one, other = make_backend(OpenAIDoubleConfig()), make_backend(OpenAIDoubleConfig())
    async with one.engine.occupy():
        assert (one.tally.running, other.tally.running) == (1, 0)
    one.released.set()
    assert not other.released.is_set()
