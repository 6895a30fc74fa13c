"""The parts of one double that its routes share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from podman_llm.testing.openai_config import OpenAIDoubleConfig
from podman_llm.testing.openai_engine import Engine
from podman_llm.testing.openai_faults import FaultQueue
from podman_llm.testing.openai_model import Model
from podman_llm.testing.openai_tally import Tally


@dataclass(frozen=True)
class Backend:
    """A model, the engine that runs it, and what goes wrong with it."""

    config: OpenAIDoubleConfig
    model: Model
    engine: Engine
    tally: Tally
    faults: FaultQueue = field(default_factory=FaultQueue)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server ends: lets go of connections that a fault holds open."""


def make_backend(config: OpenAIDoubleConfig) -> Backend:
    """A backend at rest."""
    tally = Tally()
    speed = config.tokens_per_second
    engine = Engine(tally, slots=config.max_num_seqs, tokens_per_second=speed)
    return Backend(config, Model(config), engine, tally)
